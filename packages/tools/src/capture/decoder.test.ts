// Whole captures with what captures have: holes, cut frames, middles, other protocols, ports used twice.

import * as fc from "fast-check";
import { isNvmeofError } from "@nvmeof/codec";
import { RawPdus } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { CaptureDecoder, type DecoderOptions } from "./decoder.ts";
import type { CaptureEvent } from "./events.ts";
import { TcpFlag } from "./net/segment.ts";
import { CaptureReader } from "./file/reader.ts";
import { type FileFrame, pcapFile } from "./testing/files.ts";
import { Wire, ethernet, ipv4, ipv6 } from "./testing/packets.ts";
import { type Told, joined, told } from "./testing/recording.ts";
import { Talk } from "./testing/talk.ts";
import { type Shape, World, worldCapture, worldShapes } from "./testing/world.ts";

const pdus = new RawPdus();
const bytes = (count: number, fill = 0x5a): Uint8Array => new Uint8Array(count).fill(fill);
const talk = new Talk();
const connect = talk.connectCapsule();
const accepted = pdus.capsuleResp({ cid: 0, dw0: 1, sqhd: 0xffff });
const answer = (cid: number): Uint8Array => pdus.capsuleResp({ cid, sqhd: 0xffff });
const read = (cid: number, count = 512): Uint8Array => talk.command(cid, { bytes: count });
const flush = (cid: number): Uint8Array => talk.command(cid, { opcode: 0 });
const data = (cid: number, count = 512): Uint8Array =>
  pdus.c2hData({ cccid: cid }, { data: bytes(count) });

const fileOf = ({ frames }: Wire): Uint8Array =>
  pcapFile(frames.map((frame) => ({ bytes: frame })));
const toldOf = (wire: Wire, options?: DecoderOptions): Told => told(fileOf(wire), options);
const types = ({ events }: Told): string[] => events.map(({ type }) => type);
const names = ({ pdus: seen }: Told): (string | undefined)[] =>
  seen.map(({ command, pdu }) => command?.name ?? `type ${pdu.type}`);

const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => from + i);

/** A connected queue. */
const queue = (): Wire =>
  new Wire(1_000, 2_000)
    .send("host", pdus.icReq())
    .send("controller", pdus.icResp())
    .send("host", connect)
    .send("controller", accepted);

describe("P5: holes", () => {
  test("a lost frame is a gap where the other end acknowledges what lies behind it", () => {
    const wire = queue()
      .send("host", read(1))
      .send("host", read(2), "no")
      .send("host", flush(3))
      .send("controller", joined([data(1), answer(1), data(2), answer(2), answer(3)]))
      .send("host", flush(1))
      .send("controller", answer(1));
    const result = toldOf(wire);
    const gap = result.events.find(({ type }) => type === "gap");
    // The frame that acknowledges is the one that tells.
    expect(gap).toMatchObject({ frame: 9, direction: "toController", by: "gap" });
    expect(result.verdicts).toEqual([]);
    expect(names(result).slice(-4)).toEqual(["type 5", "Flush", "Flush", "Flush"]);
  });

  test("what was missed is no verdict, and what comes twice afterwards is one", () => {
    const wire = queue()
      .send("host", read(9), "no")
      .send("host", flush(3))
      .send("controller", joined([data(9), answer(9), answer(9)]));
    const { verdicts } = toldOf(wire);
    expect(verdicts.map(({ rule }) => rule)).toEqual(["response-command"]);
  });

  test("an answer that was missed leaves its command in doubt, not open", () => {
    const wire = queue()
      .send("host", flush(1))
      .send("controller", answer(1), "no")
      .send("host", flush(1))
      .send("controller", answer(1));
    const result = toldOf(wire);
    expect(result.verdicts).toEqual([]);
    expect(types(result)).not.toContain("open");
  });

  test("while no PDU of one end can be told, nothing is sure of the other", () => {
    const big = joined([data(1, 8192), answer(1), answer(2)]);
    const wire = queue()
      .send("host", read(1, 8192))
      .send("controller", big.subarray(0, 1000), "no")
      .send("controller", big.subarray(1000, 2000))
      .send("host", flush(2))
      .send("controller", big.subarray(2000), "no")
      .send("host", flush(2))
      .send("controller", answer(2));
    const result = toldOf(wire);
    expect(result.verdicts).toEqual([]);
    expect(types(result)).not.toContain("open");
  });

  test.each(["host", "controller"] as const)(
    "the first SYN that is missing is that of the %s",
    (end) => {
      const { frames } = queue().send("host", flush(1)).send("controller", answer(1));
      frames.splice(end === "host" ? 0 : 1, 1);
      const result = told(pcapFile(frames.map((frame) => ({ bytes: frame }))));
      expect(result.verdicts).toEqual([]);
      expect(names(result)).toEqual(["type 0", "type 1", "Connect", "Connect", "Flush", "Flush"]);
    },
  );

  test("what kept a controller alive may have been missed", () => {
    const keepAlive = (cid: number): Uint8Array => talk.command(cid, { opcode: 0x18, nsid: 0 });
    const rulesWhere = (captured: "yes" | "no"): string[] => {
      const { frames } = new Wire()
        .send("host", pdus.icReq())
        .send("controller", pdus.icResp())
        .send("host", talk.connectCapsule({ qid: 0, keepAliveTimeoutMs: 1_500 }))
        .send("controller", accepted)
        .send("host", keepAlive(1), captured)
        .send("controller", answer(1), captured)
        .send("host", keepAlive(2))
        .send("controller", answer(2));
      const late = frames.length - 2;
      const timed = frames.map((frame, at) => ({ bytes: frame, seconds: at < late ? 1 : 3 }));
      return told(pcapFile(timed)).verdicts.map(({ rule }) => rule);
    };
    expect(rulesWhere("yes")).toEqual(["keep-alive-gap"]);
    expect(rulesWhere("no")).toEqual([]);
  });

  test("a hole in the middle of data costs its digest, and nothing else", () => {
    const digested = new RawPdus({ dataDigest: true });
    const pdu = digested.c2hData({ cccid: 1 }, { data: bytes(4096) });
    const wire = new Wire()
      .send("host", digested.icReq())
      .send("controller", digested.icResp())
      .send("host", new Talk({ dataDigest: true }).connectCapsule())
      .send("controller", accepted)
      .send("host", read(1, 4096))
      .send("controller", pdu.subarray(0, 1000))
      .send("controller", pdu.subarray(1000, 2000), "no")
      .send("controller", joined([pdu.subarray(2000), answer(1)]))
      .send("host", flush(2));
    const result = toldOf(wire);
    expect(result.verdicts).toEqual([]);
    expect(types(result)).not.toContain("gap");
    const cut = result.pdus.find(({ pdu: seen }) => seen.missingBytes > 0);
    expect(cut?.pdu).toMatchObject({ missingBytes: 1000, dataDigest: { state: "unknown" } });
  });
});

test("a snapshot length leaves headers, and PDUs are followed by their lengths", () => {
  const wire = queue().send("host", read(1, 8192)).send("controller", data(1, 8192));
  wire.send("controller", answer(1)).send("host", flush(2)).send("controller", answer(2));
  const frames = wire.frames.map((frame) => ({ bytes: frame, captured: 54 + 96 }));
  const result = told(pcapFile(frames));
  expect(result.verdicts).toEqual([]);
  expect(result.pdus).toHaveLength(9);
  expect(result.pdus.every(({ pdu }) => pdu.hasHeader)).toBe(true);
  expect(result.pdus.find(({ pdu }) => pdu.type === 7)?.pdu.missingBytes).toBe(8192 - 72);
});

describe("P5: joined in the middle", () => {
  const middle = (before: Uint8Array): Wire => {
    const wire = queue();
    wire.frames.splice(0);
    return wire.send("controller", before);
  };

  test("the first PDU is found, whatever stands before it", () => {
    const wire = middle(joined([bytes(777, 4), answer(5)]))
      .send("host", read(1))
      .send("controller", joined([data(1), answer(1)]));
    const result = toldOf(wire);
    expect(types(result)[0]).toBe("connection");
    expect(result.events[0]).toMatchObject({ connection: { begins: "missed" } });
    const resumed = result.events.find(({ type }) => type === "resumed");
    expect(resumed).toMatchObject({ direction: "toHost", skippedBytes: 777 });
    expect(names(result)).toEqual(["type 5", "Read", "Read", "Read"]);
    expect(result.verdicts).toEqual([]);
  });

  test("data that looks like a header is not taken for one", () => {
    // The first 8 bytes of a CapsuleResp with a wrong length, and of a C2HData that does not add up.
    const decoys = joined([
      Uint8Array.of(5, 0, 24, 0, 25, 0, 0, 0),
      Uint8Array.of(7, 0, 24, 24, 88, 0, 0, 0, ...bytes(64, 1)),
    ]);
    const result = toldOf(middle(joined([decoys, answer(5)])));
    expect(names(result)).toEqual(["type 5"]);
  });

  test("a PDU whose header comes in pieces is found as well", () => {
    const pdu = answer(5);
    const wire = middle(joined([bytes(9), pdu.subarray(0, 3)]));
    for (let at = 3; at < pdu.length; at++) wire.send("controller", pdu.subarray(at, at + 1));
    expect(names(toldOf(wire))).toEqual(["type 5"]);
  });

  test("a queue is known to be the admin queue by its commands", () => {
    const wire = middle(answer(5)).send("host", talk.command(1, { opcode: 0x18, nsid: 0 }));
    expect(names(toldOf(wire))).toEqual(["type 5", "Keep Alive"]);
  });
});

test("behind a PDU that cannot be, the next one is found", () => {
  const wire = queue()
    .send("host", joined([bytes(100, 0x0a), flush(1)]))
    .send("controller", answer(1));
  const result = toldOf(wire);
  expect(result.verdicts.map(({ rule }) => rule)).toEqual(["header-type"]);
  const tail = ["pdu", "verdict", "gap", "resumed", "pdu", "pdu", "end"];
  expect(types(result).slice(-7)).toEqual(tail);
});

test("P6: a PDU of 4 GiB is refused by its header, and nothing is kept for it", () => {
  const huge = pdus.c2hData({ cccid: 1 }, { data: bytes(64), plen: 0xffff_fff0 });
  const wire = queue().send("host", read(1)).send("controller", huge).send("controller", answer(1));
  const { verdicts } = toldOf(wire);
  expect(verdicts[0]).toMatchObject({ rule: "header-plen", answer: { fes: 1, fei: 4 } });
});

describe("which connections count", () => {
  const at = (port: number, begins: "seen" | "missed", first = pdus.icReq()): Uint8Array => {
    const hello = { port, seq: 0, flags: TcpFlag.Syn };
    const frames = [ethernet(ipv4({ port, seq: 1, payload: first }))];
    if (begins === "seen") frames.unshift(ethernet(ipv4(hello)));
    return pcapFile(frames.map((frame) => ({ bytes: frame })));
  };

  test("any that begins with ICReq, also in pieces", () => {
    expect(types(told(at(12_345, "seen")))).toEqual(["connection", "pdu", "end"]);
    const wire = [ethernet(ipv4({ port: 9, seq: 0, flags: TcpFlag.Syn }))];
    for (const [i, byte] of pdus.icReq().entries()) {
      wire.push(ethernet(ipv4({ port: 9, seq: 1 + i, payload: Uint8Array.of(byte) })));
    }
    expect(types(told(pcapFile(wire.map((frame) => ({ bytes: frame })))))).toContain("pdu");
  });

  test("none at another port that says something else, or was joined in its middle", () => {
    const other = told(at(12_345, "seen", new TextEncoder().encode("GET / HTTP/1.1\r\n")));
    expect(other.events).toEqual([]);
    expect(other.decoder.facts.otherConnections).toBe(1);
    expect(told(at(12_345, "missed")).events).toEqual([]);
  });

  test("all at the ports that are named", () => {
    const options = { ports: [12_345] };
    expect(types(told(at(12_345, "missed"), options))).toContain("pdu");
    expect(told(at(4420, "missed"), options).events).toEqual([]);
  });

  test("the controller is who was asked, and without a SYN who has the port", () => {
    const frames = [ethernet(ipv6({ from: "controller", seq: 9, payload: pdus.icResp() }))];
    const { events } = told(pcapFile(frames.map((frame) => ({ bytes: frame }))));
    expect(events[0]?.connection.endsText).toBe("[2001:db8::1]:50000 to [2001:db8::2]:4420");
  });

  test("TLS is named, and not decoded", () => {
    const result = told(at(4420, "seen", Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1)));
    expect(result.events).toMatchObject([{ type: "connection", speaks: "TLS" }]);
  });
});

test("P5: ports that are used again are another connection", () => {
  const first = queue().send("host", flush(1));
  const second = new Wire(900_000, 800_000).send("host", pdus.icReq());
  const frames = [...first.frames, ...second.frames].map((frame) => ({ bytes: frame }));
  const result = told(pcapFile(frames));
  const ends = result.events.filter((event) => event.type === "end");
  expect(ends.map(({ by, connection }) => [by, connection.number])).toEqual([
    ["reused", 1],
    ["capture-end", 2],
  ]);
  expect(result.events.filter(({ type }) => type === "open")).toHaveLength(1);
});

test("a reset ends a connection, and what was asked for stays open", () => {
  const wire = queue().send("host", read(1)).raw({ from: "controller", flags: TcpFlag.Rst });
  const result = toldOf(wire);
  expect(result.events.at(-2)).toMatchObject({ type: "open", command: { name: "Read", cid: 1 } });
  expect(result.events.at(-1)).toMatchObject({ type: "end", by: "reset" });
  expect(result.events.at(-1)?.connection.counts.open).toBe(1);
});

test("fragments and broken packets are counted by their kind, with the first of each", () => {
  const frames = [
    ethernet(ipv4({ fragment: 0x2000 })),
    ethernet(ipv4({ fragment: 0x2001 })),
    ethernet(ipv4({ ihl: 3 })),
    ethernet(ipv4({ protocol: 17 })),
  ];
  const { decoder } = told(pcapFile(frames.map((frame) => ({ bytes: frame }))));
  expect(decoder.facts).toMatchObject({
    frames: 4,
    skippedFrames: [
      { count: 2, first: 1, isUsual: false },
      { count: 1, first: 3, isUsual: false },
      { count: 1, first: 4, isUsual: true },
    ],
  });
});

test("more connections than are followed: the oldest are given up, and somebody is told", () => {
  const frames = Array.from({ length: 20 }, (_, i) => [
    ethernet(ipv4({ hostPort: 1000 + i, seq: 0, flags: TcpFlag.Syn })),
    ethernet(ipv4({ hostPort: 1000 + i, seq: 1, payload: pdus.icReq() })),
  ]).flat();
  const { events } = told(pcapFile(frames.map((frame) => ({ bytes: frame }))), { flowsMax: 8 });
  const evicted = events.filter((event) => event.type === "end" && event.by === "evicted");
  expect(evicted).toHaveLength(12);
});

/** Of 32 KiB each: more than may be kept has passed when half of them have. */
const ROUNDS = 1_500;

test("P8: a file of any length is read in bounded memory", () => {
  const wire = queue();
  let pdusSeen = 0;
  const decoder = new CaptureDecoder(({ type }) => {
    if (type === "pdu") pdusSeen++;
    else expect(type).toBe("connection");
  });
  const write = (): void => {
    decoder.write(fileOf(wire).subarray(pdusSeen === 0 ? 0 : 24));
    wire.frames.splice(0);
  };
  write();
  const request = read(1, 32_768);
  const response = joined([data(1, 32_768), answer(1)]);
  const before = process.memoryUsage().heapUsed;
  // What lies on the heap between two collections says nothing: the least that is seen does.
  let least = Infinity;
  for (let i = 0; i < ROUNDS; i++) {
    wire.send("host", request).send("controller", response);
    write();
    if (i > ROUNDS / 2 && i % 10 === 0) {
      least = Math.min(least, process.memoryUsage().heapUsed - before);
    }
  }
  expect(pdusSeen).toBe(4 + 3 * ROUNDS);
  expect(least).toBeLessThan(16 * 2 ** 20);
});

describe("P5: whatever frames a capture of good hosts and targets lacks, it holds no verdict", () => {
  /** Every frame of a file, with its time. */
  function framesOf(file: Uint8Array): FileFrame[] {
    const frames: FileFrame[] = [];
    const reader = new CaptureReader({
      frame: ({ bytes: all, start, end, seconds, nanoseconds }) =>
        void frames.push({ bytes: all.slice(start, end), seconds, nanoseconds }),
      blockSkipped: (_offset, why) => {
        throw new Error(why);
      },
    });
    reader.write(file);
    reader.end();
    return frames;
  }

  /** Many commands on a short queue: identifiers and tags are used again and again. */
  async function busy(shape: Shape): Promise<FileFrame[]> {
    const world = new World({ ...shape, queueEntries: 4, chunkBytes: 1_460 });
    await world.attach();
    for (let round = 0; round < 4; round++) expect(await world.load()).toEqual([]);
    await world.close();
    return framesOf(world.recording.bytes);
  }

  test.each([60, 80, 100, 150, 200, 600])("frames cut to %i bytes", async (captured) => {
    const frames = framesOf(await worldCapture(worldShapes[0]!));
    const cut = frames.map((frame) => ({
      ...frame,
      captured: Math.min(captured, frame.bytes.length),
    }));
    const { verdicts, pdus: seen } = told(pcapFile(cut));
    expect(verdicts.map(({ rule, message }) => `${rule}: ${message}`)).toEqual([]);
    // What is not there is not shown as if it were.
    const connects = seen.filter(({ command, answers }) => command?.name === "Connect" && !answers);
    for (const { data: shown } of connects) expect(shown).toBeUndefined();
    expect(connects.length).toBeGreaterThan(captured < 150 ? -1 : 1);
  });

  test.each(worldShapes.map((shape) => [shape.name, shape] as const))(
    "%s",
    async (_name, shape) => {
      const frames = await busy(shape);
      const hole = fc.tuple(fc.nat(frames.length - 1), fc.integer({ min: 1, max: 40 }));
      fc.assert(
        fc.property(
          fc.array(hole, { minLength: 1, maxLength: 40 }),
          fc.boolean(),
          (holes, isCut) => {
            const gone = new Set(holes.flatMap(([at, count]) => range(at, count)));
            const left = frames.flatMap((frame, at) => {
              if (!gone.has(at)) return [frame];
              return isCut ? [{ ...frame, captured: 60 }] : [];
            });
            const { verdicts } = told(pcapFile(left));
            expect(verdicts.map(({ rule, message }) => `${rule}: ${message}`)).toEqual([]);
          },
        ),
        { numRuns: Number(process.env["NR"] ?? 60) },
      );
    },
  );
});

describe("any bytes are read, or refused with an error of ours", () => {
  const survives = (file: Uint8Array): void => {
    const seen: CaptureEvent[] = [];
    const decoder = new CaptureDecoder((event) => void seen.push(event));
    decoder.write(file);
    decoder.end();
    if (decoder.error !== undefined) expect(isNvmeofError(decoder.error)).toBe(true);
    // Work is bounded by the bytes: nothing is told without some of them.
    expect(seen.length).toBeLessThan(4 * file.length + 100);
  };

  test("bytes behind a good file header", () => {
    const header = pcapFile([]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (some) => survives(joined([header, some]))),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (some) => survives(some)));
  });

  test("payloads of any bytes, to and from a controller, in any pieces", () => {
    const piece = fc.tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 60 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.boolean(), (pieces, isConnected) => {
        const wire = isConnected ? queue() : new Wire();
        for (const [isHost, some] of pieces) wire.send(isHost ? "host" : "controller", some);
        survives(fileOf(wire));
      }),
    );
  });

  test("a real capture with any bytes changed", async () => {
    const file = await worldCapture({ ...worldShapes[3]!, name: "fuzz" });
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
        const changed = file.slice();
        for (const [at, byte] of changes) changed[at] = byte;
        survives(changed);
      }),
      { numRuns: 40 },
    );
  });
});
