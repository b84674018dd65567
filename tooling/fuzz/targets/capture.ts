// Captures: files in any format and damage, and TCP segments in any order with PDUs in them.
// Read first: tools/src/capture/decoder.ts; fuzz-target.ts.

import {
  CaptureDecoder,
  type CaptureEvent,
  Summary,
  eventObject,
  fieldLines,
  lineOf,
  pduSections,
} from "@nvmeof/tools/capture";
// @boundaries-ignore what no package exports is tried as well
import {
  block,
  interfaceBlock,
  packetBlock,
  pcapFile,
  sectionBlock,
} from "../../../packages/tools/src/capture/testing/files.ts";
// @boundaries-ignore what no package exports is tried as well
import { ethernet, ipv4, ipv6, Wire } from "../../../packages/tools/src/capture/testing/packets.ts";
// @boundaries-ignore what no package exports is tried as well
import { Talk } from "../../../packages/tools/src/capture/testing/talk.ts";
import { joined } from "../bytes.ts";
import { Broken, type Cuts, type FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";

/** A histogram that keeps nothing: figures of latencies are not what is looked for. */
const noHistogram = () => ({
  record() {},
  summary: () => ({
    count: 0,
    minUs: 0,
    meanUs: 0,
    stdevUs: 0,
    p50Us: 0,
    p90Us: 0,
    p95Us: 0,
    p99Us: 0,
    p999Us: 0,
    p9999Us: 0,
    maxUs: 0,
  }),
});

/** Everything that can be made of a file, in words. */
function wordsOf(file: Uint8Array, cuts: Cuts): string {
  const words: string[] = [];
  const summary = new Summary(noHistogram);
  const told = (event: CaptureEvent): void => {
    words.push(lineOf(event));
    JSON.stringify(eventObject(event), (_key, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    if (event.type === "pdu") words.push(...fieldLines(pduSections(event)).slice(0, 8));
    summary.add(event);
    // A byte tells of one thing, or of a PDU and what is wrong with it.
    if (words.length > 64 * (file.length + 64)) throw new Broken("more is told than there is");
  };
  const decoder = new CaptureDecoder(told);
  let from = 0;
  for (const to of [...cuts, file.length]) {
    decoder.write(file.slice(from, to));
    from = to;
  }
  decoder.end();
  const { violations, warnings, pdus } = summary.result();
  words.push(`${decoder.error?.message ?? "whole"} ${pdus} ${violations} ${warnings}`);
  return words.join("\n");
}

const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(0x5a);

/** What two ends may say to each other: some of it right. */
function saidBy(
  random: Random,
): readonly (readonly [from: "host" | "controller", pdu: Uint8Array])[] {
  const talk = new Talk({ headerDigest: random.once(3), dataDigest: random.once(3) });
  const { pdus } = talk;
  const cid = (): number => random.below(4);
  const some = (): readonly ["host" | "controller", Uint8Array] =>
    random.pick<() => readonly ["host" | "controller", Uint8Array]>([
      () => [
        "host",
        talk.command(cid(), { opcode: random.below(3), bytes: random.pick([0, 512, 8192]) }),
      ],
      () => ["host", pdus.h2cData({ cccid: cid(), ttag: random.below(3) }, { data: bytes(512) })],
      () => ["controller", pdus.r2t({ cccid: cid(), ttag: random.below(3), r2tl: random.edge() })],
      () => [
        "controller",
        pdus.c2hData({ cccid: cid() }, { data: bytes(512), flags: random.below(16) }),
      ],
      () => ["controller", pdus.capsuleResp({ cid: cid(), sqhd: 0xffff })],
      () => ["controller", pdus.termReq(3, random.below(8), random.edge(), pdus.r2t({}))],
      () => [random.pick(["host", "controller"] as const), random.bytes(random.between(1, 40))],
    ])();
  return [
    ["host", pdus.icReq({ hpda: random.once(9) ? random.byte() : 0 })],
    ["controller", pdus.icResp({})],
    ["host", talk.connectCapsule({ qid: random.below(2), flowControl: random.once(2) })],
    ["controller", pdus.capsuleResp({ cid: 0, dw0: 1, sqhd: 0xffff })],
    ...Array.from({ length: random.between(1, 12) }, some),
  ];
}

/** Frames of a conversation, cut anywhere. */
function framesOf(random: Random): Uint8Array[] {
  const wire = new Wire(random.edge(), random.edge());
  for (const [from, pdu] of saidBy(random)) {
    for (let at = 0; at < pdu.length;) {
      const length = random.once(3) ? random.between(1, pdu.length - at) : pdu.length - at;
      wire.send(from, pdu.subarray(at, at + length), random.once(20) ? "no" : "yes");
      at += length;
    }
  }
  return wire.frames;
}

/** A file in one of the formats. */
function fileOf(random: Random, frames: readonly Uint8Array[]): Uint8Array {
  const order = random.pick(["little", "big"] as const);
  if (random.once(2)) {
    const unit = random.pick(["us", "ns"] as const);
    return pcapFile(
      frames.map((frame) => ({ bytes: frame })),
      { order, unit },
    );
  }
  return joined(
    sectionBlock(order),
    interfaceBlock(1, order),
    ...(random.once(4) ? [block(random.byte(), random.bytes(8), order)] : []),
    ...frames.map((frame, i) => packetBlock(frame, order, { units: BigInt(i) })),
  );
}

export const captureFile: FuzzTarget = {
  name: "capture-file",
  reads: "a capture file, into PDUs, verdicts and fields",
  chunked: true,
  quickCases: 150,
  msPerByte: 0.1,
  make: (random) => fileOf(random, framesOf(random)),
  run: wordsOf,
};

/** Of a segment: whose it is and its flags, its place, what it acknowledges, its length. */
const ENTRY_BYTES = 5;

/** Segments of one connection, in any order and with any numbers. */
export const captureSegments: FuzzTarget = {
  name: "capture-segments",
  reads: "TCP segments that lie about their numbers, in the decoder of captures",
  quickCases: 200,
  msPerByte: 0.1,
  make: (random) => {
    const entries = saidBy(random).map(([from, pdu]) => {
      const how = (from === "host" ? 0 : 1) | (random.once(12) ? random.byte() & 0xfe : 0x10);
      const length = Math.min(pdu.length, 255);
      const place = random.once(3) ? random.byte() : 0;
      return joined(
        Uint8Array.of(how, place, random.once(4) ? random.byte() : 0, length, random.byte()),
        pdu.subarray(0, length),
      );
    });
    return joined(...entries);
  },
  run: (input) => {
    const next = { host: 1, controller: 1 };
    const frames: Uint8Array[] = [];
    for (let at = 0; at + ENTRY_BYTES <= input.length;) {
      const [how = 0, place = 0, ack = 0, length = 0, link = 0] = input.subarray(
        at,
        at + ENTRY_BYTES,
      );
      const from = (how & 1) === 0 ? "host" : "controller";
      const to = from === "host" ? "controller" : "host";
      const payload = input.subarray(at + ENTRY_BYTES, at + ENTRY_BYTES + length);
      at += ENTRY_BYTES + payload.length;
      const segment = {
        from,
        // Small steps either way from what would come next, and the flags as they are.
        seq: (next[from] + ((place << 24) >> 24)) >>> 0,
        ack: (next[to] + ((ack << 24) >> 24)) >>> 0,
        flags: (how >> 1) & 0x3f,
        payload,
      } as const;
      next[from] = (next[from] + payload.length) >>> 0;
      frames.push(ethernet(link < 32 ? ipv6(segment) : ipv4(segment)));
    }
    return wordsOf(pcapFile(frames.map((frame) => ({ bytes: frame }))), []);
  },
};
