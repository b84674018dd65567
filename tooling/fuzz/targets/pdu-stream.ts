// PDU streams of NVMe/TCP, into the session of a controller and into that of a host.
// Read first: transport/src/testing/session-bench.ts, which writes down all that comes of a stream;
// NVMe/TCP 1.0 §3.6.2 "PDU Definitions". The first byte of an input says how the connection is set up.

import { DataDirection, PduFlag, PduHeader, PduType, Sqe, viewOf } from "@nvmeof/codec";
// @boundaries-ignore what no package exports is tried as well
import { type PduParts, RawPdus } from "../../../packages/transport/src/testing/raw-pdu.ts";
// @boundaries-ignore what no package exports is tried as well
import {
  ControllerBench,
  HostBench,
  shapes,
} from "../../../packages/transport/src/testing/session-bench.ts";
import { joined } from "../bytes.ts";
import { Broken, type Cuts, type FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";

/** Bit of the first byte: the initialisation is part of the input. */
const FROM_THE_START = 8;
/** Bits of the first byte: what the controller does with commands. */
const ANSWERS_AT = 4;

const shapeOf = (first: number) => shapes[(first & 7) % shapes.length]!;

/** Data that a fuzzed command is given: not what it asks for, which may be 4 GiB. */
const DATA_BYTES_MAX = 64 * 1024;

const SLOTS = 16;

/** How a PDU departs from what would be right: mostly not at all. */
function departures(random: Random): PduParts {
  if (!random.once(5)) return {};
  switch (random.below(6)) {
    case 0:
      return { flags: random.byte() };
    case 1:
      return { hlen: random.byte() };
    case 2:
      return { pdo: random.byte() };
    case 3:
      return { plen: random.edge() };
    case 4:
      return { badHeaderDigest: true };
    default:
      return { badDataDigest: true };
  }
}

/** A CID, TTAG or the like: mostly one of those in use. */
const tag = (random: Random): number =>
  random.once(8) ? random.edge() & 0xffff : random.below(SLOTS + 2);

const length = (random: Random): number =>
  random.once(8)
    ? random.pick([4_096, 8_192, random.edge() % 9_000])
    : random.pick([0, 1, 4, 8, 63, 64, 64, 64, 512]);

/** Sizes that fields of ranges may have: near those of the commands. */
const offset = (random: Random): number =>
  random.once(6) ? random.edge() : random.pick([0, 0, 0, 4, 64, 512, 1_024, 4_096, 8_192]);

function commandCapsule(pdus: RawPdus, random: Random): Uint8Array {
  const opc = random.pick([0, 1, 1, 1, 2, 2, 5, 8, 0x7f, random.byte()]);
  const count = length(random);
  const inCapsule = opc === 1 && random.once(2);
  const fields = {
    opc,
    cid: tag(random),
    nsid: random.once(4) ? random.edge() : 1,
    sglId: random.once(8) ? random.byte() : inCapsule ? 0x01 : 0x5a,
    sglLength: random.once(8) ? random.edge() : count,
    psdt: random.once(16) ? random.below(4) : 1,
    sglAddress: random.once(16) ? random.edge() : 0,
  };
  const data = inCapsule && count > 0 ? random.bytes(Math.min(count, 8_300)) : undefined;
  return pdus.capsuleCmd(fields, { data, ...departures(random) });
}

function h2cData(pdus: RawPdus, random: Random): Uint8Array {
  const count = Math.max(1, length(random));
  const fields = {
    cccid: tag(random),
    ttag: random.once(6) ? random.edge() & 0xffff : random.between(1, SLOTS),
    datao: offset(random),
    ...(random.once(10) ? { datal: random.edge() } : {}),
  };
  const flags = pdus.digestFlags(true) | (random.once(3) ? 0 : PduFlag.Last);
  return pdus.h2cData(fields, { data: random.bytes(count), flags, ...departures(random) });
}

const termReq = (pdus: RawPdus, random: Random, type: 2 | 3): Uint8Array =>
  pdus.termReq(
    type === 2 ? PduType.H2CTermReq : PduType.C2HTermReq,
    random.once(3) ? random.edge() & 0xffff : random.between(1, 6),
    random.edge(),
    random.bytes(random.pick([0, 24, 72, 128, 152])),
    departures(random),
  );

/** Any type, with a header of that many bytes. */
const anything = (pdus: RawPdus, random: Random): Uint8Array =>
  pdus.pdu(
    random.byte() & 0x0f,
    joined(new Uint8Array(8), random.bytes(random.pick([0, 16, 64, 120]))),
    {
      ...departures(random),
    },
  );

function toController(pdus: RawPdus, random: Random): Uint8Array {
  switch (random.below(12)) {
    case 0:
      return pdus.icReq({ hpda: random.below(33) }, departures(random));
    case 1:
      return termReq(pdus, random, 2);
    case 2:
      return anything(pdus, random);
    case 3:
    case 4:
    case 5:
    case 6:
      return h2cData(pdus, random);
    default:
      return commandCapsule(pdus, random);
  }
}

function toHost(pdus: RawPdus, random: Random): Uint8Array {
  switch (random.below(14)) {
    case 0:
      return pdus.icResp({ maxh2cdata: random.edge() }, departures(random));
    case 1:
      return termReq(pdus, random, 3);
    case 2:
      return anything(pdus, random);
    case 3:
    case 4:
    case 5:
    case 6:
      return pdus.c2hData(
        {
          cccid: tag(random),
          datao: offset(random),
          ...(random.once(8) ? { datal: random.edge() } : {}),
        },
        {
          data: random.bytes(Math.max(1, length(random))),
          flags:
            pdus.digestFlags(true) | random.pick([0, PduFlag.Last, PduFlag.Last | PduFlag.Success]),
          ...departures(random),
        },
      );
    case 7:
    case 8:
    case 9:
      return pdus.r2t(
        { cccid: tag(random), ttag: tag(random), r2to: offset(random), r2tl: offset(random) },
        departures(random),
      );
    default:
      return pdus.capsuleResp(
        {
          cid: tag(random),
          sqid: random.once(8) ? random.byte() : 1,
          sc: random.pick([0, 0, 0, random.byte()]),
        },
        departures(random),
      );
  }
}

/** PDUs of a stream, as far as their lengths make sense; the rest is one piece. */
function piecesOf(stream: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  while (stream.length - at >= PduHeader.size) {
    const plen = PduHeader.plen.get(viewOf(stream), at);
    if (plen < PduHeader.size || plen > stream.length - at) break;
    pieces.push(stream.slice(at, at + plen));
    at += plen;
  }
  if (at < stream.length) pieces.push(stream.slice(at));
  return pieces;
}

/** PDUs that change places, come twice, are left out, or have a field changed; a new one among them. */
function changedPdus(stream: Uint8Array, random: Random, fresh: () => Uint8Array): Uint8Array {
  const pieces = piecesOf(stream);
  const at = random.below(pieces.length);
  switch (random.below(6)) {
    case 0:
      pieces.splice(at, 1);
      break;
    case 1:
      if (pieces[at] !== undefined) pieces.splice(at, 0, pieces[at]);
      break;
    case 2:
      pieces.splice(random.below(pieces.length + 1), 0, ...pieces.splice(at, 1));
      break;
    case 3:
    case 4: {
      const piece = pieces[at];
      // A field of the header: 1, 2 or 4 bytes of it.
      if (piece !== undefined && piece.length > 0) {
        const place = random.below(Math.min(piece.length, 72));
        const width = random.pick([1, 2, 4]);
        for (
          let i = 0, value = random.edge();
          i < width && place + i < piece.length;
          i++, value >>>= 8
        ) {
          piece[place + i] = value & 0xff;
        }
      }
      break;
    }
    default:
      pieces.splice(at, 0, fresh());
  }
  return joined(...pieces);
}

const make =
  (
    one: (pdus: RawPdus, random: Random) => Uint8Array,
    start: (random: Random, pdus: RawPdus) => Uint8Array,
  ) =>
  (random: Random): Uint8Array => {
    const first =
      random.below(8) | (random.once(5) ? FROM_THE_START : 0) | (random.below(4) << ANSWERS_AT);
    const pdus = new RawPdus(shapeOf(first));
    const parts = Array.from({ length: random.pick([1, 2, 3, 5, 8, 20]) }, () => one(pdus, random));
    return joined(Uint8Array.of(first), start(random, pdus), ...parts);
  };

/** Everything that can be seen from outside must be as it was before. */
function checkGuards(bench: ControllerBench | HostBench): void {
  if (!bench.guardsIntact) throw new Broken("bytes outside a buffer were written");
}

const worded = (bench: ControllerBench | HostBench): string =>
  [...bench.events, ...bench.sentTexts().map((text) => `sent ${text}`)].join("\n");

export const pduController: FuzzTarget = {
  name: "pdu-controller",
  reads: "what a host sends, in the session of a controller",
  chunked: true,
  quickCases: 400,
  make: make(toController, (random, pdus) =>
    random.once(8) ? pdus.icReq({ hpda: random.below(32) }) : new Uint8Array(0),
  ),
  change: (input, random) => {
    const first = input[0] ?? 0;
    const pdus = new RawPdus(shapeOf(first));
    const stream = changedPdus(input.subarray(1), random, () => toController(pdus, random));
    return joined(Uint8Array.of(first), stream);
  },
  run: (input: Uint8Array, cuts: Cuts): string => {
    const first = input[0] ?? 0;
    const isNew = (first & FROM_THE_START) !== 0;
    const bench = isNew
      ? new ControllerBench(shapeOf(first))
      : ControllerBench.open(shapeOf(first));
    const answers = (first >> ANSWERS_AT) & 3;
    bench.onCommand = (commandTag) => {
      const { session } = bench;
      const { sqe, transferBytes, cid } = session.slot(commandTag);
      const bytes = Math.min(transferBytes, DATA_BYTES_MAX);
      const writes = (Sqe.opc.get(sqe) & 1) === 1 && session.slot(commandTag).capsuleBytes === 0;
      if (answers === 3 && cid % 2 === 0) return; // held for ever
      if (writes && bytes > 0) session.fetch(commandTag, bench.buffer(bytes), bench.nowMs);
      else if (answers === 1) session.respond(commandTag, 0x81, 1, 2);
      else
        session.respond(
          commandTag,
          0,
          0,
          0,
          bytes > 0 ? new Uint8Array(Math.min(bytes, 512)) : undefined,
        );
    };
    bench.receive(
      input.subarray(1),
      cuts.map((cut) => cut - 1).filter((cut) => cut > 0),
    );
    checkGuards(bench);
    return worded(bench);
  },
};

/** The user's commands of a host: a byte for each. */
function submitAll(bench: HostBench, script: Uint8Array): void {
  for (const [cid, byte] of script.entries()) {
    const bytes = [64, 512, 4_096, 9_000][(byte >> 2) & 3]!;
    if ((byte & 3) === DataDirection.ToHost) bench.read(cid, bytes);
    else if ((byte & 3) === DataDirection.ToController) bench.write(cid, bytes);
    else bench.flush(cid);
  }
  if (script.length > 2) bench.session.detach(1);
}

export const pduHost: FuzzTarget = {
  name: "pdu-host",
  reads: "what a controller sends, in the session of a host",
  chunked: true,
  quickCases: 400,
  make: make(toHost, (random) => {
    const script = random.bytes(random.below(SLOTS));
    return joined(Uint8Array.of(script.length), script);
  }),
  change: (input, random) => {
    const at = Math.min(input.length, 2 + (input[1] ?? 0));
    const pdus = new RawPdus(shapeOf(input[0] ?? 0));
    const stream = changedPdus(input.subarray(at), random, () => toHost(pdus, random));
    return joined(input.subarray(0, at), stream);
  },
  run: (input: Uint8Array, cuts: Cuts): string => {
    const first = input[0] ?? 0;
    const count = Math.min(input[1] ?? 0, SLOTS);
    const isNew = (first & FROM_THE_START) !== 0;
    const bench = isNew ? new HostBench(shapeOf(first)) : HostBench.open(shapeOf(first));
    if (!isNew) submitAll(bench, input.subarray(2, 2 + count));
    bench.sent();
    const from = 2 + count;
    bench.receive(
      input.subarray(from),
      cuts.map((cut) => cut - from).filter((cut) => cut > 0),
    );
    checkGuards(bench);
    const completed = bench.events.filter((event) => event.startsWith("completed"));
    const cids = completed.map((event) => event.split(" ")[1]);
    if (new Set(cids).size !== cids.length) throw new Broken("a command was completed twice");
    return worded(bench);
  },
};
