// TCP on Node keeps the promises of a byte stream, and NVMe/TCP over it those of a transport: real
// sockets on loopback, with a receive buffer of ours and with the platform's chunks.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { byteStreamConformance, transportConformance } from "../conformance/index.ts";
import { acceptQueue } from "../tcp/controller-link.ts";
import { systemClock } from "./clock.ts";
import { EventPace, openSockets } from "./event-pace.ts";
import { tcp } from "./index.ts";
import { type TcpListener, tcpConnector, tcpListen } from "./tcp.ts";

const ways = [
  { name: "a buffer of ours", receiveBytes: 256 * 1024 },
  { name: "a small buffer", receiveBytes: 10_000 },
  { name: "chunks of the platform", receiveBytes: 0 },
];

const local = { host: "127.0.0.1", port: 0 };

let listener: TcpListener;
/** A port that was free a moment ago. */
let nowhere: number;
let pace: EventPace;

beforeEach(async () => {
  pace = new EventPace();
  const free = await tcpListen(local);
  nowhere = free.address.port;
  free.close();
});

afterEach(async () => {
  listener.close();
  for (let turn = 0; turn < 100 && openSockets().length > 0; turn++) await pace.quiet();
  expect(openSockets()).toEqual([]);
});

describe.each(ways)("with $name", ({ receiveBytes }) => {
  test.each(byteStreamConformance.map((one) => [one.name, one] as const))("%s", async (_n, one) => {
    listener = await tcpListen(local, { receiveBytes });
    const { happened } = pace;
    await one.run({
      listener,
      connector: tcpConnector(listener.address),
      nowhere: tcpConnector({ host: local.host, port: nowhere }),
      until: (done) => pace.until(done),
      quiet: () => pace.quiet(),
      happened,
    });
  });

  test.each(transportConformance.map((one) => [one.name, one] as const))("%s", async (_n, one) => {
    listener = await tcpListen(local, { receiveBytes });
    const port = one.name.startsWith("where nobody is") ? nowhere : listener.address.port;
    await one.run({
      transport: tcp({
        host: local.host,
        port,
        headerDigest: true,
        dataDigest: receiveBytes === 0,
      }),
      serve: (accept) =>
        listener.listen((stream) => acceptQueue({ clock: systemClock }, stream, accept)),
      until: (done) => pace.until(done),
      quiet: () => pace.quiet(),
      happened: pace.happened,
    });
  });
});
