// An association is closed whole, whatever there is of it.

import { DataDirection, NvmOpcode, NvmeofError } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Association } from "./association.ts";
import { TestHost } from "./testing/test-host.ts";

test("an association without queues is closed like any other", () => {
  const association = new Association();
  association.close("reset", () => new NvmeofError("NVME_ERR_TEST", ""));
  expect([association.queues, association.inflight]).toEqual([[], 0]);
});

test("no queue takes what the end of another one's command submits", () => {
  const host = new TestHost({ clock: new VirtualClock(), host: { ioQueues: 3 } });
  host.connect();
  host.peer.freeze();
  const queues = host.controller.ioQueues;
  const room: boolean[][] = [];
  const look = (): void => void room.push(queues.map((queue) => queue.hasRoom));
  for (const queue of queues) {
    queue.begin(NvmOpcode.Flush, 1);
    queue.submit(DataDirection.None, undefined, look, Infinity);
  }
  host.reset();
  host.clock.settle();
  expect(room).toHaveLength(3);
  expect(room.flat()).not.toContain(true);
});
