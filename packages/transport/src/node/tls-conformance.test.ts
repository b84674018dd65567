// TLS on Node keeps the promises of a byte stream, and NVMe/TCP over it those of a transport: real
// sockets on loopback, with a key that is derived, and with one that is given as it is.

import { TlsKey, TlsPsk } from "@nvmeof/codec/auth";
import { afterEach, beforeEach, expect, test } from "vitest";
import { byteStreamConformance, transportConformance } from "../conformance/index.ts";
import { acceptQueue } from "../tcp/controller-link.ts";
import { systemClock } from "./clock.ts";
import { EventPace, openSockets } from "./event-pace.ts";
import { tcp } from "./index.ts";
import type { TcpListener } from "./tcp.ts";
import { tlsConnector, tlsListen } from "./tls.ts";

const local = { host: "127.0.0.1", port: 0 };
const names = {
  hostNqn: "nqn.2024-01.com.example:host",
  subsystemNqn: "nqn.2024-01.com.example:disk1",
};
/** A stream of the suite belongs to no queue, and so to no names: it needs a key that knows its own. */
const psk = new TlsPsk(
  `NVMe0R01 ${names.hostNqn} ${names.subsystemNqn}`,
  1,
  Uint8Array.from({ length: 32 }, (_, i) => i),
);
const key = new TlsKey(psk.reveal());

let listener: TcpListener;
/** A port that was free a moment ago. */
let nowhere: number;
let pace: EventPace;

beforeEach(async () => {
  pace = new EventPace();
  const free = await tlsListen(local, { keyFor: () => psk });
  nowhere = free.address.port;
  free.close();
});

afterEach(async () => {
  listener.close();
  for (let turn = 0; turn < 100 && openSockets().length > 0; turn++) await pace.quiet();
  expect(openSockets()).toEqual([]);
});

test.each(byteStreamConformance.map((one) => [one.name, one] as const))("%s", async (_n, one) => {
  listener = await tlsListen(local, { keyFor: () => psk });
  const { happened } = pace;
  await one.run({
    listener,
    connector: tlsConnector(listener.address, { key: psk }),
    nowhere: tlsConnector({ host: local.host, port: nowhere }, { key: psk }),
    until: (done) => pace.until(done),
    quiet: () => pace.quiet(),
    happened,
  });
});

test.each(transportConformance.map((one) => [one.name, one] as const))("%s", async (_n, one) => {
  listener = await tlsListen(local, { keyFor: () => key });
  const port = one.name.startsWith("where nobody is") ? nowhere : listener.address.port;
  const transport = tcp({ host: local.host, port, tls: { key }, headerDigest: true });
  await one.run({
    transport: {
      ...transport,
      openQueue: (options, events) =>
        transport.openQueue({ ...options, owner: { ...names, hostId: "" } }, events),
    },
    serve: (accept) =>
      listener.listen((stream) => acceptQueue({ clock: systemClock }, stream, accept)),
    until: (done) => pace.until(done),
    quiet: () => pace.quiet(),
    happened: pace.happened,
  });
});
