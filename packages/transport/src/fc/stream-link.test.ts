// Frames over a stream of bytes, and peers at its other end that are none.

import { expect, test } from "vitest";
import { MemoryPort } from "../memory.ts";
import { VirtualClock } from "../testing/index.ts";
import { hostNames, targetNames } from "../testing/fc-bench.ts";
import { SoftHostPort } from "./host-port.ts";
import { FcHost } from "./host-transport.ts";
import { namesOf, traddrOf } from "./names.ts";
import { StreamLink } from "./stream-link.ts";
import { fcListener } from "./stream-listener.ts";

/** A queue that is opened by way of a stream, and the first error of it. */
function opened(port: MemoryPort, clock: VirtualClock): { readonly errors: string[] } {
  const link = new StreamLink({ connector: port }, clock);
  const host = new FcHost({ port: new SoftHostPort({ link, clock, names: hostNames }), clock });
  const errors: string[] = [];
  host
    .transport({ trtype: "fc", traddr: "test", trsvcid: "" }, 0n)
    .openQueue(
      { qid: 0, slots: 8, inCapsuleBytes: 0, timeoutMs: 3_000 },
      { opened: () => {}, completed: () => {}, lost: (error) => errors.push(error.code) },
    );
  return { errors };
}

test("a peer that speaks another protocol is no port: the queue is lost at once", () => {
  const clock = new VirtualClock();
  const port = new MemoryPort("test", { clock });
  port.listen((stream) => ({
    opened: () => stream.write([new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")]),
    received: () => {},
    drained: () => {},
    ended: () => {},
  }));
  const { errors } = opened(port, clock);
  clock.settle();
  expect(errors).toEqual(["NVME_ERR_PROTOCOL"]);
});

test("a peer that says nothing is waited for as long as the queue may take", () => {
  const clock = new VirtualClock();
  const port = new MemoryPort("test", { clock });
  const nothing = (): void => {};
  port.listen(() => ({ opened: nothing, received: nothing, drained: nothing, ended: nothing }));
  const { errors } = opened(port, clock);
  clock.runUntil(() => errors.length > 0);
  expect(clock.nowMs()).toBeLessThanOrEqual(3_000);
  expect(errors).toEqual(["NVME_ERR_INITIALIZE_TIMEOUT"]);
  clock.drain();
});

test("a host that connects and says nothing, or nonsense, is dropped by the target", () => {
  for (const said of [undefined, new Uint8Array([0xfc, 0x28, 0, 3])]) {
    const clock = new VirtualClock();
    const port = new MemoryPort("test", { clock });
    fcListener({ listener: port, clock, names: targetNames }).listen(() => undefined);
    const ended: number[] = [];
    const stream = port.connect(undefined, {
      opened: () => said !== undefined && stream.write([said]),
      received: () => {},
      drained: () => {},
      ended: () => ended.push(clock.nowMs()),
    });
    clock.drain();
    expect(ended).toEqual([said === undefined ? 5_000 : 0]);
  }
});

test("names are written as FC writes them, and read back with and without 0x", () => {
  const text = "nn-0x2000000000000001:pn-0x2100000000000001";
  expect(traddrOf(hostNames)).toBe(text);
  expect(namesOf(text)).toEqual(hostNames);
  expect(namesOf(text.replaceAll("0x", ""))).toEqual(hostNames);
  for (const wrong of ["", "127.0.0.1", "nn-0x1:pn-0x2", `${text}0`]) {
    expect(() => namesOf(wrong)).toThrow(TypeError);
  }
});
