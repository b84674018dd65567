// What follows when a command passes its deadline, by the action that was chosen.

import { AbortCommand } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import type { TimeoutAction } from "./options.ts";
import { TestHost } from "./testing/test-host.ts";

const IO_MS = 1_000;
const ADMIN_MS = 3_000;

function live(onTimeout: TimeoutAction, acl = 4): TestHost {
  const host = new TestHost({
    clock: new VirtualClock(),
    host: { onTimeout, ioTimeoutMs: IO_MS, adminTimeoutMs: ADMIN_MS, reconnect: { jitter: 0 } },
    peer: { identify: { acl } },
  });
  host.connect();
  return host;
}

const wentOn = ["connecting", "live"];
const recovered = ["connecting", "live", "recovering", "live"];
const timeout = { code: "NVME_ERR_TIMEOUT", outcome: "unknown", afterMs: IO_MS };

describe("none", () => {
  test("observers are told, once, and the command goes on", () => {
    const host = live("none");
    host.peer.delay("read", 10 * IO_MS);
    const read = host.read();
    host.clock.advance(9 * IO_MS);
    expect(host.events.filter(({ type }) => type === "timeout")).toHaveLength(1);
    expect(read.count).toBe(0);
    host.clock.advance(IO_MS);
    expect(read).toMatchObject({ count: 1, error: undefined });
    expect(host.states).toEqual(wentOn);
  });

  test("an admin command is no exception", () => {
    const host = live("none");
    host.peer.drop("get-features");
    const admin = host.admin({ opcode: 0x0a });
    host.clock.advance(10 * ADMIN_MS);
    expect(admin.count).toBe(0);
    expect(host.states).toEqual(wentOn);
  });
});

describe("abort", () => {
  test("F21: the caller is settled at the deadline, and the controller is asked to stop the command", () => {
    const host = live("abort");
    host.peer.drop("read");
    const read = host.read();
    host.clock.advance(IO_MS);
    expect(read).toMatchObject({ count: 1, atMs: IO_MS, error: timeout });
    const [abort] = host.peer.seenOf("abort");
    const [stuck] = host.peer.seenOf("read");
    expect(AbortCommand.sqid.get(abort!.sqe)).toBe(1);
    expect(AbortCommand.abortedCid.get(abort!.sqe)).toBe(stuck!.cid);
    host.clock.advance(100 * IO_MS);
    expect(read.count).toBe(1);
    expect(host.states).toEqual(wentOn);
  });

  test("a command that was aborted frees its CID when it is answered, and not before", () => {
    const host = live("abort");
    const [queue] = host.controller.ioQueues;
    host.peer.drop("read");
    host.peer.delay("abort", 200);
    host.read();
    host.clock.advance(IO_MS);
    expect([queue!.inflight, queue!.abandoned]).toEqual([0, 1]);
    host.clock.advance(200);
    expect([queue!.inflight, queue!.abandoned]).toEqual([0, 0]);
  });

  test("F24: one that could not be aborted may complete later, and then only frees its CID", () => {
    const host = live("abort");
    const [queue] = host.controller.ioQueues;
    host.peer.delay("read", IO_MS + 500);
    host.peer.on("abort", () => ({ dw0: 1 }));
    const read = host.read();
    host.clock.advance(10 * IO_MS);
    expect(read).toMatchObject({ count: 1, error: timeout });
    expect(queue!.abandoned).toBe(0);
    expect(host.states).toEqual(wentOn);
  });

  test("one that is not answered as much time later leads to a reset", () => {
    const host = live("abort");
    host.peer.drop("read");
    host.peer.on("abort", () => ({ dw0: 1 }));
    const read = host.read();
    host.clock.advance(2 * IO_MS - 1);
    expect(host.states).toEqual(wentOn);
    host.clock.advance(1);
    expect(host.states).toEqual(recovered);
    expect(read.count).toBe(1);
    expect(host.events.filter(({ type }) => type === "timeout")).toHaveLength(1);
  });

  test("F21: an Abort that is not answered either leads to a reset", () => {
    const host = live("abort");
    host.peer.drop("read");
    host.peer.drop("abort");
    host.read();
    host.clock.advance(IO_MS + ADMIN_MS);
    expect(host.states).toEqual(recovered);
  });

  test("no more Aborts are out than the controller takes, and than we have room for", () => {
    for (const [acl, most] of [
      [1, 1],
      [2, 2],
      [100, 3],
    ] as const) {
      const host = live("abort", acl);
      host.peer.drop("read");
      host.peer.drop("abort");
      const reads = Array.from({ length: 10 }, () => host.read());
      host.clock.advance(IO_MS);
      expect(host.peer.seenOf("abort")).toHaveLength(most);
      expect(reads.every(({ count }) => count === 1)).toBe(true);
    }
  });

  test("an Abort that has ended makes room for the next", () => {
    const host = live("abort", 1);
    host.peer.drop("read");
    for (let round = 1; round <= 3; round++) {
      host.read();
      host.clock.advance(IO_MS);
      expect(host.peer.seenOf("abort")).toHaveLength(round);
    }
    expect(host.states).toEqual(wentOn);
  });
});

describe("reset", () => {
  test("F21: the caller is settled at the deadline, with what happened to it", () => {
    const host = live("reset");
    host.peer.drop("read");
    const read = host.read();
    host.clock.advance(IO_MS);
    expect(read).toMatchObject({ count: 1, atMs: IO_MS, error: timeout });
    expect(host.peer.seenOf("abort")).toEqual([]);
    expect(host.states).toEqual(recovered);
  });

  test("what else was in flight ends with the reset, which gives the timeout as its cause", () => {
    const host = live("reset");
    host.peer.drop("read");
    host.read();
    host.clock.advance(IO_MS / 2);
    const younger = host.read();
    host.clock.advance(IO_MS / 2);
    expect(younger).toMatchObject({
      count: 1,
      error: { code: "NVME_ERR_CONTROLLER_RESET", cause: timeout },
    });
  });

  test("a callback that sends again from inside its timeout finds the controller as it is", () => {
    const host = live("reset");
    host.peer.drop("read");
    const again: number[] = [];
    host.read(0, () => again.push(host.read().count));
    host.clock.advance(10 * IO_MS);
    expect(again).toEqual([0]);
    host.close();
    expect(host.clock.armed).toBe(0);
  });
});

test("F25: a completion in the moment of the deadline is in time", () => {
  const host = live("reset");
  host.peer.delay("read", IO_MS);
  const read = host.read();
  host.clock.advance(10 * IO_MS);
  expect(read).toMatchObject({ count: 1, error: undefined, atMs: IO_MS });
  expect(host.states).toEqual(wentOn);
});
