// Links over the ports of Node: the same promises as a link in memory, and threads that are let go.

import { once } from "node:events";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { MemoryLink } from "../shared/memory-link.ts";
import type { MessageLink } from "../shared/message-link.ts";
import { type ThreadHandle, openShared, portLink } from "./share.ts";

/** What one end was told, and a way to wait for its end. */
function listener(link: MessageLink) {
  const told: unknown[] = [];
  const ended = new Promise<void>((resolve) => {
    link.receive({
      received: (message) => told.push(message),
      ended: () => {
        told.push("ended");
        resolve();
      },
    });
  });
  return { told, ended };
}

/** Two ends, and what lets messages arrive. */
type MakePair = () => { readonly ends: [MessageLink, MessageLink]; readonly turn: () => void };

const pairs: readonly (readonly [string, MakePair])[] = [
  [
    "ports of Node",
    () => {
      const { port1, port2 } = new MessageChannel();
      return { ends: [portLink(port1), portLink(port2)], turn: () => {} };
    },
  ],
  [
    "memory",
    () => {
      const clock = new VirtualClock();
      return { ends: MemoryLink.pair(clock), turn: () => clock.settle() };
    },
  ],
];

test.each(pairs)(
  "%s: copies arrive in order, also those from before anybody received",
  async (_name, pair) => {
    const { ends, turn } = pair();
    const [one, other] = ends;
    const message = { bytes: new Uint8Array([1]) };
    one.post(message);
    message.bytes[0] = 2;
    one.post("second");
    const { told, ended } = listener(other);
    expect(told).toEqual([]);
    one.post("third");
    one.close();
    one.post("too late");
    turn();
    await ended;
    expect(told).toEqual([{ bytes: new Uint8Array([1]) }, "second", "third", "ended"]);
    other.close();
  },
);

test.each(pairs)(
  "%s: who closes hears nothing any more, and may do so twice",
  async (_name, pair) => {
    const { ends, turn } = pair();
    const [one, other] = ends;
    const { told } = listener(one);
    const { ended } = listener(other);
    other.post("on its way");
    one.close();
    one.close();
    turn();
    await ended;
    expect(told).toEqual([]);
  },
);

test.each(pairs)(
  "%s: an end that was closed before is told as soon as somebody receives",
  async (_name, pair) => {
    const { ends, turn } = pair();
    ends[0].close();
    const { told, ended } = listener(ends[1]);
    turn();
    await ended;
    expect(told).toEqual(["ended"]);
    ends[1].post("into the void");
    ends[1].close();
  },
);

const until = (port: MessagePort, event: string): Promise<unknown> => once(port, event);

test("the end of a thread is the end of its port, however it ended", async () => {
  for (const how of ["process.exit(0)", "for (;;);"]) {
    const { port1, port2 } = new MessageChannel();
    const code = `const { workerData } = require("node:worker_threads");
      workerData.on("message", () => {}); workerData.postMessage("here"); setImmediate(() => { ${how} });`;
    const here = until(port1, "message");
    const worker = new Worker(code, { eval: true, workerData: port2, transferList: [port2] });
    const { ended } = listener(portLink(port1));
    await here;
    // A loop that never ends does not keep a thread from being terminated.
    await worker.terminate();
    await ended;
  }
});

test("what is no handle is refused, and so is a handle for the second time", async () => {
  const { port1, port2 } = new MessageChannel();
  const handle = { name: "w", where: { version: 9 }, port: port2 } as unknown as ThreadHandle;
  const { told, ended } = listener(portLink(port1));
  await expect(openShared(handle)).rejects.toThrow("version 9");
  await ended;
  expect(told).toMatchObject([{ type: "failed", error: { code: "NVME_ERR_INTERNAL" } }, "ended"]);
  await expect(openShared(handle)).rejects.toThrow("opened before");
});
