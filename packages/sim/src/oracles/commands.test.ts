// Tests of the oracle of requests: silent for what is right, and one complaint for each thing that is not.

import { NvmeofError } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { CommandOracle } from "./commands.ts";

function setup() {
  const clock = new VirtualClock();
  const complaints: string[] = [];
  const oracle = new CommandOracle(clock, (invariant) => void complaints.push(invariant));
  const submit = (id: number, boundMs = 100, owner?: string): void => {
    oracle.submitted(id, boundMs, owner);
    oracle.returned(id);
  };
  return { clock, complaints, oracle, submit };
}

const failure = new NvmeofError("NVME_ERR_TEST", "test", { outcome: "failed", status: 6 });

test("requests that settle once, later and in time are right, failed or not", () => {
  const { clock, complaints, oracle, submit } = setup();
  submit(1);
  submit(2);
  clock.advance(100);
  oracle.check();
  oracle.settled(1, undefined);
  oracle.settled(2, failure);
  oracle.finish();
  expect([complaints, oracle.open]).toEqual([[], []]);
});

test("I1: a request settles twice, or never, or was never submitted", () => {
  const { complaints, oracle, submit } = setup();
  submit(1);
  oracle.settled(1, undefined);
  oracle.settled(1, undefined);
  oracle.settled(7, undefined);
  submit(2);
  oracle.finish();
  expect(complaints).toEqual(["I1", "I1", "I1"]);
});

test("I2: something settles after its owner was closed, but not what settles in the same moment", () => {
  const { clock, complaints, oracle, submit } = setup();
  submit(1, 100, "host0");
  submit(2, 100, "host0");
  oracle.ownerClosed("host0");
  oracle.settled(1, undefined);
  expect(complaints).toEqual([]);
  clock.advance(1);
  oracle.settled(2, undefined);
  expect(complaints).toEqual(["I2"]);
});

test("I3: a request passes its bound, settled or not, time that its host stood still left out", () => {
  const { clock, complaints, oracle, submit } = setup();
  submit(1);
  submit(2);
  oracle.stoodStill(50);
  clock.advance(150);
  oracle.check();
  expect(complaints).toEqual([]);
  clock.advance(1);
  oracle.settled(1, undefined);
  oracle.check();
  expect(complaints).toEqual(["I3", "I3"]);
});

test("I4: a request that was given up takes time to settle", () => {
  const { clock, complaints, oracle, submit } = setup();
  for (const id of [1, 2, 3]) submit(id);
  for (const id of [1, 2, 3]) oracle.aborted(id);
  oracle.settled(1, failure);
  expect(complaints).toEqual([]);
  clock.advance(1);
  oracle.settled(2, failure);
  oracle.check();
  expect(complaints).toEqual(["I4", "I4"]);
});

test("I9: an error does not say what is known", () => {
  const { complaints, oracle, submit } = setup();
  submit(1);
  oracle.settled(1, new NvmeofError("NVME_ERR_TEST", "test"));
  expect(complaints).toEqual(["I9"]);
});

test("I10: a request settles inside its own submit", () => {
  const { complaints, oracle } = setup();
  oracle.submitted(1, 100);
  oracle.settled(1, undefined);
  expect(complaints).toEqual(["I10"]);
});
