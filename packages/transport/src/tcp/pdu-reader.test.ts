// Bytes into PDUs: the same PDUs and the same data in the same places, however the bytes are cut.

import { type PduContext, PduType, ProtocolError, R2t } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { Region } from "../copy.ts";
import { RawPdus, joined } from "../testing/raw-pdu.ts";
import { shapes } from "../testing/session-bench.ts";
import { PduReader, type PduSink } from "./pdu-reader.ts";

/** Writes down what it is given, and places all data one after the other. */
class Recorder implements PduSink {
  readonly log: string[] = [];
  readonly placed = new Region(new Uint8Array(2048));
  placedBytes = 0;
  readonly reader: PduReader;
  /** Called at each header, for what a sink may do there. */
  onHeader: ((type: number) => void) | undefined;

  constructor(context: Partial<PduContext>) {
    const plain = { toHost: true, headerDigest: false, dataDigest: false, alignment: 4 };
    this.reader = new PduReader({ ...plain, dataBytesMax: 1 << 20, ...context }, this);
  }

  header(type: number, view: DataView, base: number, dataBytes: number): void {
    this.log.push(`${type} cid ${view.getUint16(base + 8, true)} with ${dataBytes}`);
    if (dataBytes > 0) {
      this.reader.place(this.placed, this.placedBytes);
      this.placedBytes += dataBytes;
    }
    this.onHeader?.(type);
  }

  dataEnd(intact: boolean): void {
    this.log.push(intact ? "intact" : "corrupt");
  }

  /** In chunks of as many bytes as `size` says, each overwritten once it was given. */
  take(bytes: Uint8Array, size: () => number): void {
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + size());
      const chunk = new Region(bytes.slice(at, end));
      this.reader.receive(chunk, 0, end - at);
      chunk.bytes.fill(0xee);
      at = end;
    }
  }
}

const ramp = (count: number, from: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => (i * 3 + from) & 0xff);

/** A stream of PDUs of every type that a host takes, with data of awkward sizes. */
function stream(pdus: RawPdus): { bytes: Uint8Array; data: Uint8Array } {
  const parts: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  for (const [i, size] of [1, 3, 4, 5, 63, 64, 65, 127, 500].entries()) {
    const piece = ramp(size, i);
    data.push(piece);
    parts.push(
      pdus.r2t({ cccid: i, ttag: i, r2tl: 8 }),
      pdus.c2hData({ cccid: i }, { data: piece, badDataDigest: i === 4 }),
      pdus.capsuleResp({ cid: i }),
    );
  }
  return { bytes: joined(...parts), data: joined(...data) };
}

describe.each(shapes)("with $name", (shape) => {
  const { bytes, data } = stream(new RawPdus(shape));
  const { headerDigest, dataDigest, alignment } = shape;
  const context = { headerDigest, dataDigest, alignment };

  function whole(): Recorder {
    const recorder = new Recorder(context);
    recorder.take(bytes, () => bytes.length);
    return recorder;
  }

  test("a stream is taken apart", () => {
    const { log, placed, placedBytes, reader } = whole();
    expect(log.filter((line) => line.includes("with"))).toHaveLength(27);
    expect(log.filter((line) => line === "corrupt")).toHaveLength(dataDigest ? 1 : 0);
    expect(placed.bytes.subarray(0, placedBytes)).toEqual(data);
    expect(reader.pdus).toBe(27);
    expect(reader.midPdu).toBe(false);
  });

  test("T28, T30: cut in two anywhere, and in chunks of any size, it is the same", () => {
    const expected = whole();
    const faults: string[] = [];
    const see = (how: string, size: () => number): void => {
      const recorder = new Recorder(context);
      recorder.take(bytes, size);
      const same =
        recorder.log.join() === expected.log.join() &&
        recorder.placed.bytes.every((byte, at) => byte === expected.placed.bytes[at]);
      if (!same || recorder.reader.midPdu) faults.push(how);
    };
    for (let cut = 1; cut < 700; cut++) {
      let first = true;
      see(`cut at ${cut}`, () => {
        const size = first ? cut : bytes.length;
        first = false;
        return size;
      });
    }
    for (let size = 1; size < 150; size++) see(`chunks of ${size}`, () => size);
    expect(faults).toEqual([]);
  });

  test("it stands inside a PDU after every byte but its last", () => {
    const recorder = new Recorder(context);
    const one = new RawPdus(shape).c2hData({}, { data: ramp(9, 1) });
    for (let at = 0; at < one.length; at++) {
      expect(recorder.reader.midPdu).toBe(at > 0);
      recorder.reader.receive(new Region(one), at, at + 1);
    }
    expect(recorder.reader.midPdu).toBe(false);
  });
});

test("T29: 10,000 PDUs in one chunk", () => {
  const pdus = new RawPdus({ headerDigest: true });
  const one = pdus.capsuleResp({ cid: 7 });
  const recorder = new Recorder({ headerDigest: true });
  recorder.take(joined(...Array.from({ length: 10_000 }, () => one)), () => 1e6);
  expect(recorder.log).toHaveLength(10_000);
});

test("a TermReq has no digest where all else has", () => {
  const quoted = ramp(72, 5);
  const termReq = new RawPdus().termReq(PduType.C2HTermReq, 1, 8, quoted);
  const recorder = new Recorder({ headerDigest: true, dataDigest: true });
  recorder.take(termReq, () => 7);
  expect(recorder.log.at(-1)).toBe("intact");
  expect(recorder.placed.bytes.subarray(0, 72)).toEqual(quoted);
  expect(recorder.reader.midPdu).toBe(false);
});

test("data without a place is dropped, also from the middle on", () => {
  const pdus = new RawPdus({ dataDigest: true });
  const recorder = new Recorder({ dataDigest: true });
  const one = pdus.c2hData({}, { data: ramp(100, 1) });
  recorder.reader.receive(new Region(one), 0, 50);
  recorder.reader.unplace(recorder.placed);
  recorder.reader.receive(new Region(one), 50, one.length);
  recorder.take(pdus.capsuleResp({ cid: 1 }), () => 100);
  expect(recorder.log).toEqual(["7 cid 0 with 100", "intact", "5 cid 0 with 0"]);
  expect(recorder.placed.bytes.subarray(0, 26)).toEqual(ramp(100, 1).subarray(0, 26));
  expect(recorder.placed.bytes.subarray(26).every((byte) => byte === 0)).toBe(true);
});

test("taking back another buffer than the one being filled changes nothing", () => {
  const recorder = new Recorder({});
  const one = new RawPdus().c2hData({}, { data: ramp(100, 1) });
  recorder.reader.receive(new Region(one), 0, 50);
  recorder.reader.unplace(new Region(new Uint8Array(8)));
  recorder.reader.receive(new Region(one), 50, one.length);
  expect(recorder.placed.bytes.subarray(0, 100)).toEqual(ramp(100, 1));
});

test("a reader that is stopped reads nothing more, not even of the chunk in hand", () => {
  const pdus = new RawPdus();
  for (const shape of [{}, { dataDigest: true }]) {
    const recorder = new Recorder(shape);
    const of = new RawPdus(shape);
    recorder.onHeader = () => recorder.reader.stop();
    recorder.take(joined(of.c2hData({}, { data: ramp(8, 1) }), of.r2t({})), () => 1000);
    recorder.take(pdus.r2t({}), () => 1000);
    expect(recorder.log).toHaveLength(1);
    expect(recorder.reader.midPdu).toBe(false);
    expect(recorder.placed.bytes.every((byte) => byte === 0)).toBe(true);
  }
});

describe("the header that a TermReq quotes", () => {
  const pdus = new RawPdus({ headerDigest: true });
  const good = pdus.r2t({ cccid: 3, ttag: 9 });

  /** What `lastHeader` gives when the bytes are refused, cut in every way. */
  function quotes(bytes: Uint8Array, fault: (type: number) => void): Set<string> {
    const found = new Set<string>();
    for (let cut = 0; cut < bytes.length; cut++) {
      const recorder = new Recorder({ headerDigest: true });
      recorder.onHeader = fault;
      let first = true;
      try {
        recorder.take(joined(good, bytes), () => {
          const size = first ? good.length + cut : bytes.length;
          first = false;
          return size;
        });
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        found.add(recorder.reader.lastHeader().join());
      }
    }
    return found;
  }

  test("is the common part, where that is what is wrong", () => {
    const bad = pdus.r2t({ cccid: 3 }, { hlen: 255 });
    expect(quotes(bad, () => {})).toEqual(new Set([bad.subarray(0, 8).join()]));
  });

  test("is all of it, where its digest is wrong, or the sink refuses it", () => {
    const bad = pdus.r2t({ cccid: 3 }, { badHeaderDigest: true });
    expect(quotes(bad, () => {})).toEqual(new Set([bad.subarray(0, R2t.size).join()]));
    const capsule = pdus.capsuleResp({ cid: 3 });
    const refuse = (type: number): void => {
      if (type === PduType.CapsuleResp) throw new ProtocolError(1, 20, "no such command");
    };
    expect(quotes(capsule, refuse)).toEqual(new Set([capsule.subarray(0, 24).join()]));
  });
});
