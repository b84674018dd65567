// One attempt: it ends once, with the first thing that ends it, and is silent after a cancel.

import { NvmeofError } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Association } from "./association.ts";
import { isPermanent, startAttempt } from "./attempt.ts";
import { AbortedError, ConnectRejectedError, TimeoutError, UnsupportedError } from "./errors.ts";
import { resolveOptions } from "./options.ts";
import { ScriptedController } from "./testing/index.ts";

function setup() {
  const clock = new VirtualClock();
  const peer = new ScriptedController({ clock });
  const options = resolveOptions(peer.hostOptions());
  const association = new Association();
  const told: string[] = [];
  const errors: NvmeofError[] = [];
  const begin = () =>
    startAttempt(options, peer.transport(), association, {
      connected: (facts) => told.push(`connected ${facts.cntlid}`),
      failed: (error) => {
        told.push("failed");
        errors.push(error);
      },
      lost: (error) => told.push(`lost ${error.code}`),
      authRequired: () => 0,
      expired: (queue, cid) => told.push(`expired ${queue.qid}/${cid}`),
    });
  const close = (): void => association.close("reset", () => new NvmeofError("NVME_ERR_TEST", ""));
  return { clock, peer, association, told, errors, begin, close };
}

test("nothing is told inside the call, and success once", () => {
  const { clock, begin, told, association } = setup();
  begin();
  expect(told).toEqual([]);
  clock.settle();
  expect(told).toEqual(["connected 1"]);
  expect(association.queues.map(({ qid }) => qid)).toEqual([0, 1]);
});

test("after success the loss of a queue is told as such", () => {
  const { clock, peer, begin, told } = setup();
  begin();
  clock.settle();
  peer.kill(1);
  clock.settle();
  expect(told).toEqual(["connected 1", "lost NVME_ERR_CONNECTION_LOST"]);
});

test("a loss is the reason, not the command that it took along", () => {
  const { clock, peer, begin, errors } = setup();
  peer.killOn("identify-controller");
  begin();
  clock.settle();
  expect(errors).toMatchObject([{ code: "NVME_ERR_CONNECTION_LOST" }]);
});

test("an attempt that has failed says nothing more, whatever becomes of its queues", () => {
  const { clock, peer, begin, told, close } = setup();
  peer.refuse("identify-controller", 0x06);
  begin();
  clock.settle();
  expect(told).toEqual(["failed"]);
  close();
  clock.advance(100_000);
  expect(told).toEqual(["failed"]);
  expect(clock.armed).toBe(0);
});

test("an attempt that is cancelled says nothing, and its owner finds all queues to close", () => {
  for (let turns = 0; turns < 100; turns++) {
    const { clock, peer, begin, told, close } = setup();
    const attempt = begin();
    const cancel = (): void => {
      attempt.cancel();
      close();
    };
    let left = turns;
    const next = (): void => (left-- === 0 ? cancel() : clock.defer(next));
    next();
    clock.advance(100_000);
    expect(told.filter((what) => what !== "connected 1")).toEqual([]);
    expect([peer.queueCount, clock.armed]).toEqual([0, 0]);
  }
});

test.each([
  ["a final refusal of Connect", new ConnectRejectedError(0, 0x184, 0), true],
  ["a passing one", new ConnectRejectedError(0, 0x181, 0), false],
  ["what a controller will always say", new UnsupportedError("no"), true],
  ["what it may say otherwise", new UnsupportedError("no", { permanent: false }), false],
  ["a deadline", new TimeoutError("Identify", 5_000), false],
  ["an abort without a cause", new AbortedError("not-connected", "not-sent", false), false],
])("whether another attempt makes sense: %s", (_name, error, permanent) => {
  expect(isPermanent(error)).toBe(permanent);
});
