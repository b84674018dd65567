// An orderly close that is cut short: Node leaves a socket for good that is reset while it is being shut.

import { expect, test } from "vitest";
import type { ByteStream } from "../byte-stream.ts";
import { EventPace, openSockets } from "./event-pace.ts";
import { tcpConnector, tcpListen } from "./tcp.ts";

async function pair() {
  const pace = new EventPace();
  const before = openSockets().length;
  const listener = await tcpListen({ host: "127.0.0.1", port: 0 });
  const ends = { opened: 0, ended: 0 };
  const events = (received: () => void) => ({
    opened: () => {
      ends.opened++;
      pace.happened();
    },
    received,
    drained: () => {},
    ended: () => {
      ends.ended++;
      pace.happened();
    },
  });
  let peer: ByteStream | undefined;
  let onReceived = (): void => {};
  listener.listen((stream) => {
    peer = stream;
    return events(() => {});
  });
  const options = { receiveBytes: 1024, connectTimeoutMs: 5_000 };
  const stream = tcpConnector(listener.address).connect(
    options,
    events(() => onReceived()),
  );
  await pace.until(() => ends.opened === 2);
  return {
    pace,
    ends,
    stream,
    peer: peer!,
    whenReceived: (act: () => void): void => void (onReceived = act),
    left: async () => {
      listener.close();
      await pace.quiet();
      return openSockets().length - before;
    },
  };
}

test("a close and a reset in one turn", async () => {
  const { pace, ends, stream, left } = await pair();
  stream.close();
  stream.reset();
  await pace.until(() => ends.ended === 1);
  expect(await left()).toBe(0);
});

test("a close and a reset in one event of the socket, behind a write", async () => {
  const { pace, ends, stream, peer, left, whenReceived } = await pair();
  whenReceived(() => {
    stream.write([new Uint8Array(100)]);
    stream.close();
    queueMicrotask(() => stream.reset());
  });
  peer.write([new Uint8Array(1)]);
  await pace.until(() => ends.ended === 1);
  expect(await left()).toBe(0);
});

test("a close that waits for a peer that does not read, and a reset", async () => {
  const { pace, ends, stream, peer, left } = await pair();
  peer.pause();
  stream.write([new Uint8Array(32 * 1024 * 1024)]);
  stream.close();
  await pace.quiet();
  stream.reset();
  peer.resume();
  await pace.until(() => ends.ended === 1);
  expect(await left()).toBe(0);
});
