// FC over real sockets keeps the promises of a transport.

import { afterEach, beforeEach, expect, test } from "vitest";
import { transportConformance } from "../conformance/index.ts";
import { EventPace, openSockets } from "./event-pace.ts";
import { type FcListener, fc, fcListen } from "./fc.ts";

const local = { host: "127.0.0.1", port: 0 };

let listener: FcListener;
/** A port that was free a moment ago. */
let nowhere: number;
let pace: EventPace;

beforeEach(async () => {
  pace = new EventPace();
  const free = await fcListen(local);
  nowhere = free.address.port;
  free.close();
  listener = await fcListen(local);
});

afterEach(async () => {
  listener.close();
  for (let turn = 0; turn < 100 && openSockets().length > 0; turn++) await pace.quiet();
  expect(openSockets()).toEqual([]);
});

test.each(transportConformance.map((one) => [one.name, one] as const))("%s", async (_n, one) => {
  const port = one.name.startsWith("where nobody is") ? nowhere : listener.address.port;
  await one.run({
    transport: fc({ host: local.host, port }),
    serve: (accept) => listener.listen(accept),
    until: (done) => pace.until(done),
    quiet: () => pace.quiet(),
    happened: pace.happened,
  });
});
