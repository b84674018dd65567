// Addresses: which one is next, where new ones come in, and what removing the current one means.

import { expect, test } from "vitest";
import type { Transport, TransportAddress } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { Addresses, addressText } from "./addresses.ts";

const at = (traddr: string): TransportAddress => ({ trtype: "tcp", traddr, trsvcid: "4420" });

const transport = (traddr: string): Transport => ({
  address: at(traddr),
  clock: new VirtualClock(),
  openQueue: () => {
    throw new Error("nobody connects here");
  },
});

const addresses = (...names: string[]): Addresses => new Addresses(names.map(transport));
const order = ({ all }: Addresses): string => all.map(({ traddr }) => traddr).join("");

test("the current address is the first, and one that failed goes behind all others", () => {
  const abc = addresses("a", "b", "c");
  expect(abc.current.address.traddr).toBe("a");
  abc.next();
  expect(order(abc)).toBe("bca");
  abc.next();
  expect(order(abc)).toBe("cab");
});

test("a single address is its own successor", () => {
  const a = addresses("a");
  a.next();
  expect(order(a)).toBe("a");
});

test("a new address comes behind those in good health, and before those that failed", () => {
  const abc = addresses("a", "b", "c");
  abc.next();
  abc.add(transport("d"));
  expect(order(abc)).toBe("bcda");
  const a = addresses("a");
  a.next();
  a.add(transport("b"));
  expect(order(a)).toBe("ab");
});

test("an address that works again has not failed any more", () => {
  const ab = addresses("a", "b");
  ab.next();
  ab.next();
  ab.succeeded();
  ab.next();
  // Both failed, b before a.
  ab.add(transport("c"));
  expect(order(ab)).toBe("bca");
});

test("an address that is there already is refused, and one that is not cannot be removed", () => {
  const ab = addresses("a", "b");
  expect(() => ab.add(transport("b"))).toThrow(
    expect.objectContaining({ code: "NVME_ERR_DUPLICATE" }),
  );
  expect(() => ab.remove(at("c"), false)).toThrow(
    expect.objectContaining({ code: "NVME_ERR_ADDRESS" }),
  );
  expect(order(ab)).toBe("ab");
});

test("removing says what follows, and the last address is kept", () => {
  const abc = addresses("a", "b", "c");
  expect(abc.remove(at("b"), false)).toBe("removed");
  expect(abc.remove(at("a"), false)).toBe("moves");
  expect(abc.remove(at("c"), false)).toBe("last");
  expect(order(abc)).toBe("c");
});

test("the current address is dropped when the attempt at it is over, and is not an address before", () => {
  const ab = addresses("a", "b");
  expect(ab.remove(at("a"), true)).toBe("moves");
  expect(ab.isCurrentLeaving).toBe(true);
  expect(order(ab)).toBe("b");
  expect(ab.current.address.traddr).toBe("a");
  expect(ab.remove(at("b"), true)).toBe("last");
  // It may come back meanwhile, as a new one.
  ab.add(transport("a"));
  ab.next();
  expect(order(ab)).toBe("ba");
  // The turn of the one that left does not come again.
  for (const current of ["b", "a", "b", "a"]) {
    expect(ab.current.address.traddr).toBe(current);
    expect(ab.isCurrentLeaving).toBe(false);
    ab.next();
  }
});

test("a round of attempts is over when each address was tried, those that came in between too", () => {
  const ab = addresses("a", "b");
  expect(ab.isMidRound).toBe(false);
  expect(ab.attemptFailed()).toBe("mid-round");
  ab.next();
  ab.add(transport("c"));
  expect(ab.attemptFailed()).toBe("mid-round");
  ab.next();
  expect(ab.current.address.traddr).toBe("c");
  expect(ab.attemptFailed()).toBe("round-over");
  expect(ab.isMidRound).toBe(false);
});

test("a round ends with the removal of what was still to be tried", () => {
  const ab = addresses("a", "b");
  ab.attemptFailed();
  ab.next();
  expect(ab.isMidRound).toBe(true);
  ab.remove(at("b"), false);
  expect(ab.isMidRound).toBe(false);
});

test("success begins the next round anew", () => {
  const ab = addresses("a", "b");
  ab.attemptFailed();
  ab.next();
  ab.succeeded();
  expect(ab.isMidRound).toBe(false);
});

test("an address reads as people write it", () => {
  expect(addressText(at("192.0.2.1"))).toBe("tcp 192.0.2.1 4420");
  expect(addressText({ trtype: "loop", traddr: "port0", trsvcid: "" })).toBe("loop port0");
});
