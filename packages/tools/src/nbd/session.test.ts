// The machine against bytes of every kind: the same outcome however they are cut, and never more than an end.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  type RequestFields,
  infoData,
  joined,
  metaData,
  optionOf,
  requestOf,
  text32,
} from "../testing/nbd-client.ts";
import { type SessionOutcome, runNbdSession } from "../testing/nbd-session-driver.ts";
import type { TlsMode } from "./handshake.ts";
import { CommandFlag, NbdCommand, NbdOption } from "./protocol.ts";
import { integers } from "./replies.ts";

/** Little, so that bounds are met. */
const limits = {
  requestBytesMax: 65_536,
  connectionBufferBytesMax: 262_144,
  bufferBytesMax: 262_144,
  inflightMax: 3,
  outputBytesMax: 2048,
  optionsMax: 20,
  queriesMax: 3,
};

const run = (
  stream: Uint8Array,
  cuts: readonly number[] = [],
  tls: TlsMode = "off",
): SessionOutcome => runNbdSession(stream, cuts, limits, tls);

const names = fc.constantFrom("disk", "", "disk ", "nobody", "x".repeat(4097), "a\0b");
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

const option = fc.oneof(
  names.map((name) => optionOf(NbdOption.ExportName, text32(name).slice(4))),
  fc
    .tuple(
      fc.constantFrom(NbdOption.Info, NbdOption.Go),
      names,
      fc.array(fc.nat(9), { maxLength: 5 }),
    )
    .map(([kind, name, infos]) => optionOf(kind, infoData(name, ...infos))),
  fc
    .tuple(
      fc.constantFrom(NbdOption.ListMetaContext, NbdOption.SetMetaContext),
      names,
      fc.array(fc.constantFrom("base:allocation", "base:", "x-a:b", ""), { maxLength: 4 }),
    )
    .map(([kind, name, queries]) => optionOf(kind, metaData(name, ...queries))),
  fc.tuple(fc.nat(20), bytes(8)).map(([kind, data]) => optionOf(kind, data)),
  fc.constant(optionOf(NbdOption.StructuredReply)),
  fc.constant(optionOf(NbdOption.StartTls)),
);

const request = fc
  .record({
    type: fc.oneof({ weight: 9, arbitrary: fc.nat(7) }, { weight: 1, arbitrary: fc.nat(0xffff) }),
    flags: fc.oneof(
      { weight: 4, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.nat(31) },
      { weight: 1, arbitrary: fc.nat(0xffff) },
    ),
    offset: fc.oneof(
      { weight: 6, arbitrary: fc.nat(256 * 512) },
      { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
    ),
    length: fc.oneof(
      { weight: 6, arbitrary: fc.nat(3000) },
      { weight: 1, arbitrary: fc.nat(70_000) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
    ),
    cookie: fc.nat(5),
    fill: fc.nat(255),
  })
  // A goodbye ends all that would come after it.
  .filter(({ type, fill }) => type !== NbdCommand.Disconnect || fill < 8)
  .map(({ fill, ...fields }): Uint8Array => {
    const isWrite = fields.type === NbdCommand.Write;
    const payload = isWrite
      ? new Uint8Array(Math.min(fields.length, 100_000)).fill(fill)
      : undefined;
    const request: RequestFields = payload === undefined ? fields : { ...fields, data: payload };
    return requestOf(request);
  });

const hello = fc.oneof(
  { weight: 9, arbitrary: fc.constant(integers([4, 3])) },
  { weight: 1, arbitrary: bytes(6) },
);

/** Right in its shape, but for a few bytes. */
const session = fc
  .tuple(
    hello,
    fc.array(option, { maxLength: 6 }),
    fc.boolean(),
    fc.array(request, { maxLength: 12 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
  )
  .map(([first, options, structured, requests, changes]) => {
    const agreed = structured
      ? [
          optionOf(NbdOption.StructuredReply),
          optionOf(NbdOption.SetMetaContext, metaData("disk", "base:allocation")),
        ]
      : [];
    const go = optionOf(NbdOption.Go, infoData("disk"));
    const stream = joined(first, ...options, ...agreed, go, ...requests);
    for (const [at, value] of changes) stream[at % stream.length] = value;
    return stream;
  });

const cuts = fc.array(fc.nat(), { maxLength: 30 });

/** Whatever comes: it ends well, holds no more than it may, and leaves nothing. */
function check(stream: Uint8Array, at: readonly number[]): void {
  const whole = run(stream);
  expect(whole.buffersLeft).toBe(0);
  expect(whole.bufferBytesMost).toBeLessThanOrEqual(limits.bufferBytesMax);
  const cut = run(stream, at);
  expect(Buffer.compare(cut.output, whole.output)).toBe(0);
  expect(Buffer.compare(cut.disk, whole.disk)).toBe(0);
  expect(cut.end).toEqual(whole.end);
  expect(cut.buffersLeft).toBe(0);
}

test("sessions that are nearly right: the outcome does not depend on how the bytes are cut", () => {
  fc.assert(fc.property(session, cuts, check), { numRuns: 400 });
}, 60_000);

test("bytes that are nothing at all end it, or are waited for", () => {
  fc.assert(fc.property(bytes(300), cuts, check), { numRuns: 300 });
  const go = joined(integers([4, 3]), optionOf(NbdOption.Go, infoData("disk")));
  const behindGo = bytes(300).map((rest) => joined(go, rest));
  fc.assert(fc.property(behindGo, cuts, check), { numRuns: 300 });
}, 60_000);

test("byte by byte it is the same as at once", () => {
  const stream = joined(
    integers([4, 3]),
    optionOf(NbdOption.StructuredReply),
    optionOf(NbdOption.Go, infoData("")),
    requestOf({ type: NbdCommand.Write, offset: 100, data: new Uint8Array(1000).fill(7) }),
    requestOf({ type: NbdCommand.Read, offset: 90, length: 1020, flags: CommandFlag.Df }),
    requestOf({ type: NbdCommand.Disconnect }),
  );
  const every = Array.from(stream, (_, i) => i);
  const whole = run(stream);
  expect(whole.end).toMatchObject({ reason: "client-done" });
  expect(run(stream, every)).toEqual(whole);
});

test("what came before TLS does not count behind it", () => {
  const before = joined(
    integers([4, 3]),
    optionOf(NbdOption.StructuredReply),
    optionOf(NbdOption.SetMetaContext, metaData("disk", "base:allocation")),
    optionOf(NbdOption.StartTls),
  );
  const after = joined(
    optionOf(NbdOption.Go, infoData("disk")),
    requestOf({ type: NbdCommand.BlockStatus, length: 512 }),
  );
  // In one piece somebody has put it there who is not the client.
  expect(run(joined(before, after), [], "on").end).toMatchObject({
    reason: "protocol",
    message: "bytes between STARTTLS and TLS",
  });
  const { output, end } = run(joined(before, after), [before.length], "on");
  expect(end).toBeUndefined();
  // A simple reply, EINVAL: neither structure nor context was agreed on.
  expect(Array.from(output.slice(-16, -8))).toEqual([0x67, 0x44, 0x66, 0x98, 0, 0, 0, 22]);
});
