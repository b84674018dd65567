// What an NBD client sends, from its first byte on, into the session of a server with one export.
// Read first: tools/src/testing/nbd-session-driver.ts; the NBD protocol, "Protocol phases". The first byte
// of an input says whether there is TLS.

import { createHash } from "node:crypto";
import { viewOf } from "@nvmeof/codec";
// @boundaries-ignore what no package exports is tried as well
import {
  infoData,
  metaData,
  optionOf,
  requestOf,
  text32,
} from "../../../packages/tools/src/testing/nbd-client.ts";
// @boundaries-ignore what no package exports is tried as well
import {
  type SessionOutcome,
  runNbdSession,
} from "../../../packages/tools/src/testing/nbd-session-driver.ts";
// @boundaries-ignore what no package exports is tried as well
import {
  NbdCommand,
  NbdOption,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  OptionReply,
} from "../../../packages/tools/src/nbd/protocol.ts";
import { joined } from "../bytes.ts";
import { Broken, type Cuts, type FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";

const HELLO_BYTES = 18;
const OPTION_BYTES = 16;
const OPTION_REPLY_BYTES = 20;
const REQUEST_BYTES = 28;
const DISK_BYTES = 131_072;

/** Little, so that bounds are met. */
const limits = {
  requestBytesMax: 65_536,
  connectionBufferBytesMax: 262_144,
  bufferBytesMax: 262_144,
  inflightMax: 3,
  outputBytesMax: 2_048,
  optionsMax: 20,
  queriesMax: 3,
};

const modes = ["off", "on", "require"] as const;
const options = Object.values(NbdOption);
const commands = Object.values(NbdCommand);
const replyNames = new Map(
  Object.entries(OptionReply).map(([name, type]) => [type as number, name]),
);

const name = (random: Random): string =>
  random.once(4)
    ? random.pick(["nobody", "disk ", "a\0b", "x".repeat(4_097)])
    : random.pick(["disk", ""]);

const query = (random: Random): string =>
  random.pick(["base:allocation", "base:allocation", "base:", "x-a:b", "", "base:allocation\0"]);

/** Up to `most` of what is made. */
const several = <T>(random: Random, most: number, one: () => T): T[] =>
  Array.from({ length: random.below(most + 1) }, one);

function dataOf(option: number, random: Random): Uint8Array {
  if (random.once(12)) return random.bytes(random.pick([1, 4, 8, 64]));
  switch (option) {
    case NbdOption.ExportName:
      return text32(name(random)).slice(4);
    case NbdOption.Info:
    case NbdOption.Go:
      return infoData(name(random), ...several(random, 4, () => random.below(6)));
    case NbdOption.ListMetaContext:
    case NbdOption.SetMetaContext:
      return metaData(name(random), ...several(random, 4, () => query(random)));
    default:
      return new Uint8Array(0);
  }
}

function option(random: Random): Uint8Array {
  const which = random.once(12) ? random.edge() : random.pick(options);
  return optionOf(which, dataOf(which, random));
}

function request(random: Random): Uint8Array {
  const type = random.once(12) ? random.edge() & 0xffff : random.pick(commands);
  // A goodbye ends all that would come after it.
  if (type === NbdCommand.Disconnect && !random.once(4)) return request(random);
  const fields = {
    type,
    flags: random.once(3) ? random.byte() & 0x3f : 0,
    cookie: random.below(6),
    offset: random.once(10)
      ? BigInt(random.edge()) << BigInt(random.below(33))
      : random.below(DISK_BYTES),
    length: random.once(10) ? random.edge() : random.pick([0, 1, 100, 512, 513, 4_096, 20_000]),
  };
  if (type !== NbdCommand.Write) return requestOf(fields);
  return requestOf({ ...fields, data: random.bytes(Math.min(fields.length, 1_000)) });
}

function session(random: Random): Uint8Array {
  const mode = random.once(4) ? random.between(1, 2) : 0;
  const hello = random.once(10)
    ? random.bytes(4)
    : Uint8Array.of(0, 0, 0, random.pick([1, 3, 3, 3]));
  const tls = mode > 0 && !random.once(5) ? [optionOf(NbdOption.StartTls)] : [];
  const agreed = random.once(3)
    ? []
    : [
        optionOf(NbdOption.StructuredReply),
        optionOf(NbdOption.SetMetaContext, metaData("disk", "base:allocation")),
      ];
  const last = random.pick([NbdOption.Go, NbdOption.Go, NbdOption.ExportName]);
  const chosen = last === NbdOption.Go ? infoData("disk") : text32("disk").slice(4);
  return joined(
    Uint8Array.of(mode),
    hello,
    ...several(random, 2, () => option(random)),
    ...tls,
    ...several(random, 3, () => option(random)),
    ...agreed,
    ...(random.once(8) ? [] : [optionOf(last, chosen)]),
    ...several(random, 12, () => request(random)),
  );
}

const isOption = (view: DataView, at: number): boolean =>
  at + OPTION_BYTES <= view.byteLength &&
  view.getUint32(at) === OPTION_MAGIC.high &&
  view.getUint32(at + 4) === OPTION_MAGIC.low;

/** The flags, the options, and requests with their data, as far as their lengths make sense. */
function piecesOf(stream: Uint8Array): Uint8Array[] {
  const view = viewOf(stream);
  const pieces = [stream.slice(0, 4)];
  let at = pieces[0]!.length;
  const take = (length: number): void => {
    pieces.push(stream.slice(at, at + length));
    at += length;
  };
  while (isOption(view, at)) take(OPTION_BYTES + view.getUint32(at + 12));
  while (at + REQUEST_BYTES <= stream.length) {
    const isWrite = view.getUint16(at + 6) === NbdCommand.Write;
    take(REQUEST_BYTES + (isWrite ? view.getUint32(at + 24) : 0));
  }
  if (at < stream.length) take(stream.length - at);
  return pieces;
}

/** Pieces that change places, come twice, are left out, or have a field changed; a new one among them. */
function changed(input: Uint8Array, random: Random): Uint8Array {
  const pieces = piecesOf(input.subarray(1));
  const at = random.below(pieces.length);
  switch (random.below(6)) {
    case 0:
      pieces.splice(at, 1);
      break;
    case 1:
      pieces.splice(at, 0, pieces[at]!);
      break;
    case 2:
      pieces.splice(random.below(pieces.length), 0, ...pieces.splice(at, 1));
      break;
    case 3: {
      // Two bytes or four of a header.
      const piece = pieces[at]!;
      const place = 2 * random.below(REQUEST_BYTES / 2);
      const width = random.pick([2, 4]);
      if (place + width > piece.length) break;
      const view = viewOf(piece);
      if (width === 2) view.setUint16(place, random.edge() & 0xffff);
      else view.setUint32(place, random.edge());
      break;
    }
    case 4:
      pieces.splice(at, 0, option(random));
      break;
    default:
      pieces.push(request(random));
  }
  return joined(input.subarray(0, 1), ...pieces);
}

/** Behind each request for TLS: what comes in one piece with it was not encrypted, and ends the session. */
function cutsForTls(stream: Uint8Array): number[] {
  const view = viewOf(stream);
  const cuts: number[] = [];
  for (let at = 0; at + OPTION_BYTES <= stream.length; at++) {
    if (!isOption(view, at) || view.getUint32(at + 8) !== NbdOption.StartTls) continue;
    cuts.push(at + OPTION_BYTES);
  }
  return cuts;
}

/** What the server answered to options, one after the other. */
function optionReplies(output: Uint8Array): string[] {
  const view = viewOf(output);
  const replies: string[] = [];
  let at = HELLO_BYTES;
  while (
    at + OPTION_REPLY_BYTES <= output.length &&
    view.getUint32(at) === OPTION_REPLY_MAGIC.high &&
    view.getUint32(at + 4) === OPTION_REPLY_MAGIC.low
  ) {
    replies.push(replyNames.get(view.getUint32(at + 12)) ?? "unknown");
    at += OPTION_REPLY_BYTES + view.getUint32(at + 16);
  }
  return replies;
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function worded({ end, commands: done, output, disk }: SessionOutcome): string {
  const how = end === undefined ? "goes on" : `${end.reason} ${end.limit ?? ""} ${end.message}`;
  return [
    how,
    `replies ${optionReplies(output).join(" ")}`,
    `done ${done.join(" ")}`,
    `said ${output.length} ${digest(output)}`,
    `holds ${digest(disk)}`,
  ].join("\n");
}

export const nbdServer: FuzzTarget = {
  name: "nbd-server",
  reads: "what an NBD client sends, in the session of a server",
  chunked: true,
  quickCases: 300,
  // All that the server says is kept, to be compared.
  bytesMax: 64 * 1024 * 1024,
  msPerByte: 0.1,
  make: session,
  change: changed,
  run: (input: Uint8Array, cuts: Cuts): string => {
    const mode = modes[(input[0] ?? 0) % modes.length]!;
    const stream = input.slice(1);
    const at = cuts.map((cut) => cut - 1).filter((cut) => cut > 0);
    if (mode !== "off") at.push(...cutsForTls(stream));
    const outcome = runNbdSession(stream, at, limits, mode);
    if (outcome.buffersLeft > 0) throw new Broken("a buffer was not given back");
    if (outcome.bufferBytesMost > limits.bufferBytesMax) {
      throw new Broken("more was held than there may be");
    }
    return worded(outcome);
  },
};
