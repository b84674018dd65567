// Writes that the kernel takes at once: whose buffers are free then, and which are not told of later.

import { expect, test } from "vitest";
import type { ByteStream } from "../byte-stream.ts";
import { EventPace } from "./event-pace.ts";
import { tcpConnector, tcpListen } from "./tcp.ts";

async function pair() {
  const pace = new EventPace();
  const listener = await tcpListen({ host: "127.0.0.1", port: 0 });
  const seen = { opened: 0, received: 0, drained: 0 };
  const handler = (): Parameters<ReturnType<typeof tcpConnector>["connect"]>[1] => ({
    opened: () => {
      seen.opened++;
      pace.happened();
    },
    received: (_buffer, start, end) => {
      seen.received += end - start;
      pace.happened();
    },
    drained: () => {
      seen.drained++;
      pace.happened();
    },
    ended: () => {},
  });
  let peer: ByteStream | undefined;
  listener.listen((stream) => {
    peer = stream;
    return handler();
  });
  const options = { receiveBytes: 65_536, connectTimeoutMs: 5_000 };
  const stream = tcpConnector(listener.address).connect(options, handler());
  await pace.until(() => seen.opened === 2);
  const close = (): void => {
    stream.reset();
    listener.close();
  };
  return { pace, seen, stream, peer: peer!, close };
}

test("what the kernel takes at once is out, and no drained follows", async () => {
  const { pace, seen, stream, close } = await pair();
  for (let i = 0; i < 10; i++) expect(stream.writeNow?.([new Uint8Array(1000)])).toBe(true);
  await pace.until(() => seen.received === 10_000);
  await pace.quiet();
  expect(seen.drained).toBe(0);
  // A later write of the other kind is told of, once.
  stream.write([new Uint8Array(10), new Uint8Array(20)]);
  await pace.until(() => seen.received === 10_030 && seen.drained > 0);
  await pace.quiet();
  expect(seen.drained).toBe(1);
  close();
});

test("what the kernel does not take at once drains later, once", async () => {
  const { pace, seen, stream, peer, close } = await pair();
  peer.pause();
  const bytes = new Uint8Array(4 * 1024 * 1024);
  let written = 0;
  do written += bytes.length;
  while (stream.writeNow?.([bytes]) === true && written < 2 ** 30);
  await pace.quiet();
  expect(seen.drained).toBe(0);
  peer.resume();
  await pace.until(() => seen.received === written && seen.drained > 0);
  await pace.quiet();
  expect(seen.drained).toBe(1);
  close();
});

test("a stream that has ended takes nothing", async () => {
  const { stream, close } = await pair();
  close();
  expect(stream.writeNow?.([new Uint8Array(1)])).toBe(false);
});
