// The controller's end of a connection by itself: commands in, data both ways, completions out.

import { Cqe, DataPdu, PduFlag, R2t, Sqe, decode } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { present } from "../testing/present.ts";
import { type ReceivedPdu, joined } from "../testing/raw-pdu.ts";
import { ControllerBench, shapes } from "../testing/session-bench.ts";

const ramp = (count: number, from = 1): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => (i * 5 + from) & 0xff);

const cqeOf = (pdu: ReceivedPdu | undefined) => decode(Cqe, pdu!.view, 8);

describe.each(shapes)("with $name", (shape) => {
  test("a read is answered with its data, then its completion, byte for byte", () => {
    const bench = ControllerBench.open(shape);
    // Twice, so that padding comes to lie where other bytes lay.
    for (const cid of [9, 10]) {
      bench.receive(bench.command(cid, 2, 100));
      const data = ramp(100, cid);
      bench.session.respond(bench.tagOf(cid), 0, 0, 0, data);
      const [first, second, ...more] = bench.sent();
      expect(more).toEqual([]);
      expect(first?.bytes).toEqual(bench.pdus.c2hData({ cccid: cid }, { data }));
      expect(second?.bytes).toEqual(bench.pdus.capsuleResp({ cid, sqhd: cid - 8 }));
    }
  });

  test("without SQ flow control, plain success of a read is told with its data", () => {
    const bench = ControllerBench.open(shape);
    bench.session.configure(16, false, 8192);
    bench.receive(bench.command(9, 2, 20_000));
    const data = ramp(20_000);
    bench.session.respond(bench.tagOf(9), 0, 0, 0, data);
    const [only, ...more] = bench.sent();
    expect(more).toEqual([]);
    const flags = bench.pdus.digestFlags(true) | PduFlag.Last | PduFlag.Success;
    expect(only?.bytes).toEqual(bench.pdus.c2hData({ cccid: 9 }, { data, flags }));
  });

  test("a write in the capsule is given with its data", () => {
    const bench = ControllerBench.open(shape);
    const data = ramp(8192);
    bench.receive(bench.writeInCapsule(5, data));
    expect(bench.events).toEqual(["command 5"]);
    const slot = bench.session.slot(bench.tagOf(5));
    expect(slot.capsule.bytes.subarray(0, slot.capsuleBytes)).toEqual(data);
    bench.session.respond(bench.tagOf(5), 0x22, 7, 8);
    expect(cqeOf(bench.sent()[0])).toMatchObject({ cid: 5, sc: 0x22, sct: 0, dw0: 7, dw1: 8 });
  });

  test("a large write is asked for, and placed as it comes", () => {
    const bench = ControllerBench.open(shape);
    bench.receive(bench.command(5, 1, 10_000));
    const tag = bench.tagOf(5);
    const buffer = bench.buffer(10_000);
    bench.session.fetch(tag, buffer, bench.nowMs);
    const [r2t, ...more] = bench.sent();
    expect(more).toEqual([]);
    const asked = { cccid: 5, ttag: tag + 1, r2to: 0, r2tl: 10_000 };
    expect(r2t?.bytes).toEqual(bench.pdus.r2t(asked));
    const data = ramp(10_000);
    const flags = bench.pdus.digestFlags(true);
    const { ttag } = asked;
    const first = { data: data.subarray(0, 4096), flags };
    bench.receive(bench.pdus.h2cData({ cccid: 5, ttag }, first));
    expect(bench.events).toEqual(["command 5"]);
    const rest = { data: data.subarray(4096) };
    bench.receive(bench.pdus.h2cData({ cccid: 5, ttag, datao: 4096 }, rest));
    expect(bench.events).toEqual(["command 5", "fetched 5 0/00"]);
    expect(buffer).toEqual(data);
    expect(bench.guardsIntact).toBe(true);
    bench.session.respond(tag, 0, 0, 0);
    expect(bench.sentTexts()).toEqual(["CapsuleResp"]);
  });
});

describe.each(shapes)("with $name, without a copy", (shape) => {
  test.each([true, false])(
    "read data is written where it goes, as if it were given (SQ flow control: %s)",
    (flowControl) => {
      const [given, asked] = [ControllerBench.open(shape), ControllerBench.open(shape)];
      for (const bench of [given, asked]) bench.session.configure(16, flowControl, 8192);
      // Often enough to come to the end of the staging buffer.
      for (let i = 0; i < 20; i++) {
        const data = ramp(8192, i);
        for (const bench of [given, asked]) bench.receive(bench.command(i, 2, 8192));
        given.session.respond(given.tagOf(i), 0, 0, 0, data);
        const fill = (into: Uint8Array, at: number): void => into.set(data, at);
        expect(asked.session.respondFrom(asked.tagOf(i), 8192, { fill })).toBe(true);
        if (i % 8 === 7) {
          const bytes = asked.sent().map((pdu) => pdu.bytes);
          expect(bytes).toEqual(given.sent().map((pdu) => pdu.bytes));
        }
      }
    },
  );

  test("in-capsule data is where it was received inside `command`, and kept for later", () => {
    const bench = ControllerBench.open(shape);
    const seen: (Uint8Array | undefined)[] = [];
    bench.onCommand = (tag) => {
      const { arrivedIn, arrivedAt, capsuleBytes } = bench.session.slot(tag);
      seen.push(arrivedIn?.bytes.slice(arrivedAt, arrivedAt + capsuleBytes));
    };
    const data = ramp(4096);
    const capsule = bench.writeInCapsule(5, data);
    bench.receive(capsule);
    capsule.fill(0);
    // The second one comes in two parts, so there is no one place where it was received.
    const second = bench.writeInCapsule(6, data);
    bench.receive(second.subarray(0, 1000));
    bench.receive(second.subarray(1000));
    expect(seen).toEqual([data, undefined]);
    for (const cid of [5, 6]) {
      const slot = bench.session.slot(bench.tagOf(cid));
      expect(slot.arrivedIn).toBeUndefined();
      expect(slot.capsule.bytes.subarray(0, slot.capsuleBytes)).toEqual(data);
    }
  });
});

test("read data takes a buffer of its own where it is large, or much waits to be sent", () => {
  const bench = ControllerBench.open();
  const source = { fill: () => {} };
  bench.receive(bench.command(1, 2, 8193));
  expect(bench.session.respondFrom(bench.tagOf(1), 8193, source)).toBe(false);
  bench.session.respond(bench.tagOf(1), 0, 0, 0);
  let answered = 0;
  for (; answered < 1_000; answered++) {
    bench.receive(bench.command(2, 2, 8192));
    if (!bench.session.respondFrom(bench.tagOf(2), 8192, source)) break;
  }
  expect(answered).toBe(128);
});

describe("SUCCESS is not sent", () => {
  test.each([
    ["with SQ flow control", true, 0, 0],
    ["with a result", false, 0, 1],
    ["with an error", false, 0x81, 0],
  ])("%s", (_name, flowControl, status, dw0) => {
    const bench = ControllerBench.open();
    bench.session.configure(16, flowControl, 8192);
    bench.receive(bench.command(1, 2, 8));
    bench.session.respond(bench.tagOf(1), status, dw0, 0, ramp(8));
    expect(bench.sent().map(({ name, flags }) => [name, flags])).toEqual([
      ["C2HData", PduFlag.Last],
      ["CapsuleResp", 0],
    ]);
  });
});

describe("the SQ head pointer", () => {
  test("counts what was taken, round the queue, refused commands too", () => {
    const bench = ControllerBench.open();
    bench.receive(bench.command(99, 0)); // stays, so that its CID is in use
    const heads: number[] = [];
    for (let i = 0; i < 40; i++) {
      if (i % 4 === 1) bench.receive(bench.command(99, 0));
      else if (i % 4 === 3) bench.receive(bench.pdus.capsuleCmd({ cid: i, psdt: 0 }));
      else {
        bench.receive(bench.command(i, 0));
        bench.session.respond(bench.tagOf(i), 0, 0, 0);
      }
      heads.push(cqeOf(bench.sent()[0]).sqhd);
    }
    expect(heads).toEqual(Array.from({ length: 40 }, (_, i) => (i + 1) % 16));
  });

  test("is FFFFh without flow control", () => {
    const bench = ControllerBench.open();
    bench.session.configure(16, false, 8192);
    bench.receive(bench.command(1, 0));
    bench.session.respond(bench.tagOf(1), 0, 0, 0);
    expect(cqeOf(bench.sent()[0]).sqhd).toBe(0xffff);
  });
});

describe("each command is answered once, by its own CID", () => {
  test("T78: a CID in use is refused, and the command that has it is not disturbed", () => {
    const bench = ControllerBench.open();
    bench.receive(joined(bench.command(5, 2, 8), bench.command(5, 0), bench.command(6, 0)));
    expect(bench.events).toEqual(["command 5", "command 6"]);
    const [conflict] = bench.sent();
    expect(cqeOf(conflict)).toMatchObject({ cid: 5, sct: 0, sc: 3 });
    bench.session.respond(bench.tagOf(5), 0, 0, 0, ramp(8));
    expect(bench.sentTexts()).toEqual(["C2HData", "CapsuleResp"]);
    bench.receive(bench.command(5, 0));
    expect(bench.events.at(-1)).toBe("command 5");
  });

  test("T78: also with data in the capsule, which goes nowhere", () => {
    const bench = ControllerBench.open();
    bench.receive(bench.writeInCapsule(5, ramp(64, 1)));
    bench.receive(bench.writeInCapsule(5, ramp(64, 100)));
    const slot = bench.session.slot(bench.tagOf(5));
    expect(slot.capsule.bytes.subarray(0, 64)).toEqual(ramp(64, 1));
    expect(bench.sentTexts()).toEqual(["CapsuleResp"]);
  });

  test("T79: more commands than the queue has entries end it", () => {
    const bench = ControllerBench.open();
    for (let cid = 0; cid < 16; cid++) bench.receive(bench.command(cid, 0));
    bench.receive(bench.command(16, 0));
    expect(bench.events.at(-1)).toBe("lost FES 2@0");
    expect(bench.events).toHaveLength(17);
  });

  test("slots are used again and again, in any order of answers", () => {
    const bench = ControllerBench.open();
    let cid = 0;
    for (let round = 0; round < 50; round++) {
      const cids = Array.from({ length: 16 }, () => cid++ & 0xffff);
      bench.receive(joined(...cids.map((one) => bench.command(one, 0))));
      for (const one of cids.toSorted((a, b) => ((a * 7) % 16) - ((b * 7) % 16))) {
        bench.session.respond(bench.tagOf(one), 0, 0, 0);
      }
      expect(bench.sent()).toHaveLength(16);
    }
    expect(bench.events).toHaveLength(800);
  });

  test("an answer may come inside the call that gives the command", () => {
    const bench = ControllerBench.open();
    bench.onCommand = (tag) => bench.session.respond(tag, 0, 0, 0);
    bench.receive(joined(...Array.from({ length: 100 }, (_, i) => bench.command(i, 0))));
    expect(bench.sent()).toHaveLength(100);
  });

  test("the SQE outlives its PDU", () => {
    const bench = ControllerBench.open();
    bench.receive(bench.pdus.capsuleCmd({ opc: 2, cid: 3, nsid: 7, sglId: 0x5a, cdw10: 99 }));
    const { sqe } = bench.session.slot(bench.tagOf(3));
    expect(decode(Sqe, sqe)).toMatchObject({ opc: 2, cid: 3, nsid: 7, cdw10: 99 });
  });
});

test("T65: after an error nothing later in the same segment has any effect", () => {
  const bench = ControllerBench.open();
  const { ttag, buffer } = bench.writing(7, 4096);
  const bad = bench.pdus.h2cData({ cccid: 8, ttag }, { data: ramp(4096) });
  const good = bench.pdus.h2cData({ cccid: 7, ttag }, { data: ramp(4096) });
  const commands = Array.from({ length: 1_000 }, (_, i) => bench.command(i, 0));
  bench.receive(joined(bad, good, ...commands));
  bench.receive(joined(good, ...commands));
  expect(bench.events).toEqual(["lost FES 1@8"]);
  expect(buffer.every((byte) => byte === 0)).toBe(true);
  expect(bench.sentTexts()).toEqual(["C2HTermReq FES 1@8 quoting 24"]);
  // What the storage has still to say goes nowhere either.
  bench.session.respond(ttag - 1, 0, 0, 0);
  bench.session.fetch(ttag - 1, buffer, bench.nowMs);
  expect(bench.sent()).toEqual([]);
});

describe("in-capsule data", () => {
  test("T39: is limited by what the queue was configured to", () => {
    const bench = ControllerBench.open();
    bench.session.configure(16, true, 1024);
    bench.receive(bench.writeInCapsule(1, ramp(1024)));
    bench.receive(bench.writeInCapsule(2, ramp(1025)));
    expect(bench.events).toEqual(["command 1", "lost FES 5@0"]);
  });

  test("of a Fabrics command may be 8,192 bytes on any queue", () => {
    const bench = ControllerBench.open();
    bench.session.configure(16, true, 0);
    const sgl = { sglId: 1, sglLength: 8192 };
    // Authentication Send, FCTYPE 5.
    const fabrics = { opc: 0x7f, cid: 1, nsid: 5, ...sgl };
    bench.receive(bench.pdus.capsuleCmd(fabrics, { data: ramp(8192) }));
    expect(bench.events).toEqual(["command 1"]);
  });

  test("may be more than what one H2CData may carry", () => {
    const bench = ControllerBench.open({}, 4096);
    bench.session.configure(16, true, 65_536);
    bench.receive(bench.writeInCapsule(1, ramp(65_536)));
    expect(bench.events).toEqual(["command 1"]);
  });
});

describe("data that was asked for", () => {
  test("is what the buffer has room for, and no more than the command has", () => {
    for (const [room, asked] of [
      [100, 100],
      [600, 512],
    ] as const) {
      const bench = ControllerBench.open();
      bench.receive(bench.command(1, 1, 512));
      const buffer = bench.buffer(room);
      bench.session.fetch(bench.tagOf(1), buffer, bench.nowMs);
      const [r2t] = bench.sent();
      expect(R2t.r2tl.get(present(r2t).view)).toBe(asked);
      const ttag = bench.tagOf(1) + 1;
      bench.receive(bench.pdus.h2cData({ cccid: 1, ttag }, { data: ramp(asked) }));
      expect(bench.events).toEqual(["command 1", "fetched 1 0/00"]);
      expect(buffer.subarray(0, asked)).toEqual(ramp(asked));
      expect(bench.guardsIntact).toBe(true);
    }
  });

  test("T56: beyond what was asked for is out of range, though the command has more", () => {
    const bench = ControllerBench.open();
    bench.receive(bench.command(1, 1, 512));
    bench.session.fetch(bench.tagOf(1), bench.buffer(100), bench.nowMs);
    const ttag = bench.tagOf(1) + 1;
    bench.receive(bench.pdus.h2cData({ cccid: 1, ttag }, { data: ramp(104) }));
    expect(bench.events).toEqual(["command 1", "lost FES 4@0"]);
    expect(bench.guardsIntact).toBe(true);
  });

  test("cannot be nothing: that is the caller's mistake", () => {
    const bench = ControllerBench.open();
    bench.receive(bench.command(1, 1, 512));
    const fetch = (): void => bench.session.fetch(bench.tagOf(1), new Uint8Array(0), bench.nowMs);
    expect(fetch).toThrow(RangeError);
    expect(bench.sent()).toEqual([]);
  });

  test("T64: is waited for 30 s from the R2T on, not from when we last heard", () => {
    const bench = ControllerBench.open();
    bench.receive(bench.command(1, 1, 512));
    bench.receive(bench.command(2, 1, 512));
    bench.nowMs += 100_000;
    bench.session.fetch(bench.tagOf(1), bench.buffer(512), bench.nowMs);
    expect(bench.session.deadlineMs()).toBe(bench.nowMs + 30_000);
    bench.session.fetch(bench.tagOf(2), bench.buffer(512), bench.nowMs + 5_000);
    bench.session.tick(bench.nowMs + 29_999);
    const ttag = bench.tagOf(1) + 1;
    bench.receive(bench.pdus.h2cData({ cccid: 1, ttag }, { data: ramp(512) }));
    expect(bench.session.deadlineMs()).toBe(bench.nowMs + 35_000);
    bench.session.postpone(1_000);
    bench.session.tick(bench.nowMs + 35_999);
    expect(bench.events).toEqual(["command 1", "command 2", "fetched 1 0/00"]);
    bench.session.tick(bench.nowMs + 36_000);
    expect(bench.events.at(-1)).toBe("lost NVME_ERR_RECEIVE_TIMEOUT");
    expect(bench.session.deadlineMs()).toBe(Infinity);
  });

  test("is taken and dropped where the command was answered before: its answer follows it", () => {
    const bench = ControllerBench.open();
    const { ttag, buffer } = bench.writing(7, 64);
    const flags = bench.pdus.digestFlags(true);
    const first = bench.pdus.h2cData({ cccid: 7, ttag }, { data: ramp(32), flags });
    bench.receive(first.subarray(0, 40));
    bench.session.respond(ttag - 1, 7, 0, 0);
    buffer.fill(0x77); // in use for something else
    expect(bench.sent()).toEqual([]);
    bench.receive(first.subarray(40));
    expect(bench.sent()).toEqual([]);
    bench.receive(bench.pdus.h2cData({ cccid: 7, ttag, datao: 32 }, { data: ramp(32) }));
    const [answer, ...more] = bench.sent();
    expect(more).toEqual([]);
    expect(cqeOf(answer)).toMatchObject({ cid: 7, sc: 7 });
    expect(bench.events).toEqual([]);
    expect(buffer.every((byte) => byte === 0x77)).toBe(true);
    // The slot is free again, and so is its tag.
    const next = bench.writing(7, 64);
    bench.receive(bench.pdus.h2cData({ cccid: 7, ttag: next.ttag }, { data: ramp(64) }));
    expect(bench.events).toEqual(["fetched 7 0/00"]);
    expect(next.buffer).toEqual(ramp(64));
  });

  test("T64: and where it does not come, an early answer does not help", () => {
    const bench = ControllerBench.open();
    const { ttag } = bench.writing(7, 64);
    bench.session.respond(ttag - 1, 7, 0, 0);
    bench.session.tick(bench.nowMs + 30_000);
    expect(bench.events).toEqual(["lost NVME_ERR_RECEIVE_TIMEOUT"]);
  });

  test("the R2T names a tag of 1 or more, of its own among those outstanding", () => {
    const bench = ControllerBench.open();
    const tags = new Set<number>();
    for (let cid = 0; cid < 16; cid++) {
      bench.receive(bench.command(cid, 1, 64));
      bench.session.fetch(bench.tagOf(cid), bench.buffer(64), bench.nowMs);
      const [r2t] = bench.sent();
      tags.add(R2t.ttag.get(present(r2t).view));
      expect(DataPdu.cccid.get(present(r2t).view)).toBe(cid);
    }
    expect(tags.size).toBe(16);
    expect(tags.has(0)).toBe(false);
  });
});

describe("T27: a PDU that stops half way", () => {
  test("has 10 s from its first byte on, however its bytes drip in", () => {
    const bench = ControllerBench.open();
    const pdu = bench.writeInCapsule(1, ramp(512));
    const startMs = bench.nowMs;
    for (let at = 0; at < 100; at++) {
      bench.receive(pdu.subarray(at, at + 1));
      expect(bench.session.deadlineMs()).toBe(startMs + 10_000);
      bench.nowMs += 100;
      bench.session.tick(bench.nowMs);
    }
    expect(bench.events).toEqual(["lost NVME_ERR_RECEIVE_TIMEOUT"]);
    expect(bench.sent()).toEqual([]);
  });

  test("has them anew where it began in the chunk that ended the one before", () => {
    const bench = ControllerBench.open();
    const pdu = bench.command(1, 0);
    bench.receive(pdu.subarray(0, 10));
    bench.nowMs += 5_000;
    bench.receive(joined(pdu.subarray(10), pdu.subarray(0, 10)));
    expect(bench.session.deadlineMs()).toBe(bench.nowMs + 10_000);
    bench.receive(pdu.subarray(10));
    expect(bench.session.deadlineMs()).toBe(Infinity);
  });

  test("does not count the time in which we did not read", () => {
    const bench = ControllerBench.open();
    bench.receive(bench.command(1, 0).subarray(0, 10));
    bench.session.postpone(60_000);
    bench.session.tick(bench.nowMs + 69_999);
    expect(bench.events).toEqual([]);
  });
});
