// The host's end of a connection by itself: what it sends, and each command settled exactly once.

import {
  DataDirection,
  DataPdu,
  PduFlag,
  PduType,
  Sqe,
  crc32c,
  decode,
  viewOf,
} from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { present } from "../testing/present.ts";
import { type ReceivedPdu, joined, sqeOf } from "../testing/raw-pdu.ts";
import { HostBench, shapes } from "../testing/session-bench.ts";

const ramp = (count: number, from = 1): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => (i * 5 + from) & 0xff);

const dataOf = (pdus: readonly ReceivedPdu[]): Uint8Array =>
  joined(...pdus.filter(({ type }) => type === PduType.H2CData).map(({ data }) => data));

describe.each(shapes)("with $name", (shape) => {
  const withDigest = shape.headerDigest ? 4 : 0;

  test("a write that fits goes in its capsule, whose bytes are as the specification has them", () => {
    const bench = HostBench.open(shape);
    const data = ramp(512);
    const sqe = sqeOf({ opc: 1, cid: 0xffff, nsid: 9, sglAddress: 77, sglId: 0x33, cdw10: 5 });
    // Twice, so that padding comes to lie where other bytes lay.
    for (const cid of [1, 2]) {
      bench.session.submit(cid, sqe, DataDirection.ToController, data);
      const [capsule, ...more] = bench.sent();
      expect(more).toEqual([]);
      const fields = { opc: 1, cid, nsid: 9, sglLength: 512, sglId: 1, cdw10: 5 };
      expect(capsule?.bytes).toEqual(bench.pdus.capsuleCmd(fields, { data }));
    }
    expect(Sqe.cid.get(viewOf(sqe))).toBe(0xffff);
  });

  test("a write that does not fit waits for its R2T, and answers it in pieces", () => {
    const bench = HostBench.open(shape);
    const data = bench.write(3, 300_000);
    const [capsule] = bench.sent();
    const sqe = decode(Sqe, present(capsule).view, 8);
    expect(sqe).toMatchObject({ cid: 3, sglAddress: 0, sglLength: 300_000, sglId: 0x5a });
    expect(present(capsule).bytes).toHaveLength(72 + withDigest);

    bench.receive(bench.pdus.r2t({ cccid: 3, ttag: 40, r2tl: 300_000 }));
    const sent = bench.sent();
    const sizes = [131_072, 131_072, 37_856];
    let datao = 0;
    for (const [i, datal] of sizes.entries()) {
      const piece = data.subarray(datao, datao + datal);
      const last = i === 2 ? PduFlag.Last : 0;
      const flags = bench.pdus.digestFlags(true) | last;
      const fields = { cccid: 3, ttag: 40, datao };
      const expected = bench.pdus.h2cData(fields, { data: piece, flags });
      expect(Buffer.compare(present(sent[i]).bytes, expected)).toBe(0);
      datao += datal;
    }
    expect(sent).toHaveLength(3);
    bench.receive(bench.completion(3));
    expect(bench.events).toEqual(["completed 3 0/00"]);
  });

  test("a read is placed piece by piece, and nowhere else", () => {
    const bench = HostBench.open(shape);
    const buffer = bench.read(3, 1000);
    const data = ramp(1000);
    const flags = bench.pdus.digestFlags(true);
    for (const [from, to] of [
      [0, 1],
      [1, 500],
      [500, 999],
      [999, 1000],
    ] as const) {
      const parts = { data: data.subarray(from, to), flags };
      bench.receive(bench.pdus.c2hData({ cccid: 3, datao: from }, parts));
    }
    expect(bench.events).toEqual([]);
    bench.receive(bench.completion(3, { dw0: 1, sqhd: 4 }));
    expect(bench.events).toEqual(["completed 3 0/00"]);
    expect(buffer).toEqual(data);
    expect(bench.guardsIntact).toBe(true);
  });

  test("SUCCESS completes a read without a response", () => {
    const bench = HostBench.open(shape);
    const buffer = bench.read(3, 100);
    const flags = bench.pdus.digestFlags(true) | PduFlag.Last | PduFlag.Success;
    bench.receive(bench.pdus.c2hData({ cccid: 3 }, { data: ramp(100), flags }));
    expect(bench.events).toEqual(["completed 3 0/00"]);
    expect(buffer).toEqual(ramp(100));
  });
});

test("a completion is given as it came; one that we make says that it has no SQ head pointer", () => {
  const bench = HostBench.open();
  bench.read(3, 8);
  bench.receive(bench.pdus.c2hData({ cccid: 3 }, { data: ramp(8) }));
  bench.receive(bench.completion(3, { dw0: 0x1234_5678, dw1: 9, sqhd: 4, sct: 1, sc: 2, dnr: 1 }));
  expect(bench.lastCqe).toEqual({
    dw0: 0x1234_5678,
    dw1: 9,
    sqhd: 4,
    sqid: 1,
    cid: 3,
    p: 0,
    sc: 2,
    sct: 1,
    crd: 0,
    m: 0,
    dnr: 1,
  });
  bench.read(3, 8);
  const flags = PduFlag.Last | PduFlag.Success;
  bench.receive(bench.pdus.c2hData({ cccid: 3 }, { data: ramp(8), flags }));
  expect(bench.lastCqe).toMatchObject({ dw0: 0, dw1: 0, sqhd: 0xffff, cid: 3, sc: 0, sct: 0 });
});

test("data in a capsule is copied when it is submitted: its owner may change it after", () => {
  for (const inCapsuleBytes of [8192, 100_000]) {
    const bench = HostBench.open({ dataDigest: true }, inCapsuleBytes);
    const data = bench.write(1, inCapsuleBytes);
    const written = data.slice();
    data.fill(0xdd);
    const [capsule] = bench.sent();
    expect(Buffer.compare(present(capsule).data, written)).toBe(0);
    const at = present(capsule).bytes.length - 4;
    expect(present(capsule).view.getInt32(at, true)).toBe(crc32c(viewOf(written)));
  }
});

describe("write data is the session's own once it is staged", () => {
  test("a buffer changed after the completion, though its data waits in the queue", () => {
    const bench = HostBench.open();
    const data = bench.write(1, 100_000);
    const written = data.slice();
    bench.sent();
    bench.receive(bench.pdus.r2t({ cccid: 1, ttag: 1, r2tl: 100_000 }));
    bench.receive(bench.completion(1, { sct: 0, sc: 6 }));
    expect(bench.events).toEqual(["completed 1 0/06"]);
    data.fill(0xdd);
    expect(Buffer.compare(dataOf(bench.sent()), written)).toBe(0);
  });

  test("a buffer taken back before its R2T, between its pieces, or behind them", () => {
    for (const when of ["before", "between", "behind"]) {
      const bench = HostBench.open();
      const data = bench.write(1, 2_000_000);
      const written = data.slice();
      bench.sent();
      const takeBack = (): void => {
        bench.session.detach(1);
        data.fill(0xdd);
      };
      if (when === "before") takeBack();
      bench.receive(bench.pdus.r2t({ cccid: 1, ttag: 1, r2tl: 2_000_000 }));
      // Some of it is staged, and some is not.
      expect(bench.session.out.queuedBytes).toBeLessThan(1_000_000);
      if (when === "between") takeBack();
      const sent = bench.sent();
      if (when === "behind") takeBack();
      expect(Buffer.compare(dataOf(sent), written)).toBe(0);
      bench.receive(bench.completion(1));
      expect(bench.events).toEqual(["completed 1 0/00"]);
    }
  });

  test("H18: what an R2T asked for is not sent any more once the command has ended", () => {
    const bench = HostBench.open();
    bench.write(1, 2_000_000);
    bench.write(2, 20_000);
    bench.sent();
    bench.receive(bench.pdus.r2t({ cccid: 1, ttag: 1, r2tl: 2_000_000 }));
    bench.receive(bench.pdus.r2t({ cccid: 2, ttag: 2, r2tl: 20_000 }));
    bench.receive(bench.completion(1, { sc: 4 }));
    const sent = bench.sent();
    const of = (cid: number): number[] =>
      sent.filter(({ view }) => DataPdu.cccid.get(view) === cid).map(({ data }) => data.length);
    expect(of(1).length).toBeLessThan(10);
    expect(of(2)).toEqual([20_000]);
    // Its CID serves the next command, from the beginning of the next one's data.
    const next = bench.write(1, 50_000);
    bench.sent();
    bench.receive(bench.pdus.r2t({ cccid: 1, ttag: 3, r2tl: 50_000 }));
    expect(Buffer.compare(dataOf(bench.sent()), next)).toBe(0);
  });
});

test("what R2Ts ask for is staged as it leaves, whatever they ask for, and in their order", () => {
  const bench = HostBench.open({}, 0);
  for (let cid = 0; cid < 16; cid++) bench.write(cid, 1_000_000);
  bench.sent();
  for (let cid = 15; cid >= 0; cid--) {
    bench.receive(bench.pdus.r2t({ cccid: cid, ttag: cid, r2tl: 1_000_000 }));
    expect(bench.session.out.queuedBytes).toBeLessThan(700_000);
  }
  const order = bench.sent().map(({ view }) => DataPdu.cccid.get(view));
  expect([...new Set(order)]).toEqual([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  expect(order).toEqual(order.toSorted((a, b) => b - a));
});

describe("a buffer of a read that its owner took back", () => {
  const data = ramp(64);

  test.each(["before its data", "in the middle of it", "behind it"])("%s", (when) => {
    const bench = HostBench.open({ dataDigest: true });
    const buffer = bench.read(3, 64);
    const pdu = bench.pdus.c2hData({ cccid: 3 }, { data });
    const middle = 24 + 32;
    const takeBack = (at: string): void => {
      if (at !== when) return;
      bench.session.detach(3);
      buffer.fill(0x77); // the owner's own use of it
    };
    takeBack("before its data");
    bench.receive(pdu.subarray(0, middle));
    takeBack("in the middle of it");
    bench.receive(pdu.subarray(middle));
    takeBack("behind it");
    bench.receive(bench.completion(3));
    expect(bench.events).toEqual(["completed 3 0/00"]);
    expect(buffer.every((byte) => byte === 0x77)).toBe(true);
  });

  test("H14: gets nothing of a late answer, while the CID stays taken until then", () => {
    const bench = HostBench.open();
    const buffer = bench.read(3, 64);
    bench.session.detach(3);
    bench.session.detach(3);
    expect(() => bench.read(3, 64)).toThrow("CID 3 is in use");
    bench.receive(joined(bench.pdus.c2hData({ cccid: 3 }, { data }), bench.completion(3)));
    expect(buffer.every((byte) => byte === 0)).toBe(true);
    const next = bench.read(3, 64);
    bench.receive(joined(bench.pdus.c2hData({ cccid: 3 }, { data }), bench.completion(3)));
    expect(next).toEqual(data);
    expect(bench.events).toEqual(["completed 3 0/00", "completed 3 0/00"]);
  });

  test("may be taken back when the command is over, to no effect", () => {
    const bench = HostBench.open();
    const buffer = bench.read(3, 64);
    bench.receive(joined(bench.pdus.c2hData({ cccid: 3 }, { data }), bench.completion(3)));
    bench.session.detach(3);
    bench.session.detach(4);
    expect(buffer).toEqual(data);
  });
});

describe("each command is settled exactly once", () => {
  test("in whatever order the controller answers", () => {
    const bench = HostBench.open();
    for (let cid = 0; cid < 16; cid++) bench.flush(cid);
    const order = [7, 0, 15, 3, 12, 1, 9, 14, 2, 8, 5, 11, 4, 13, 6, 10];
    bench.receive(joined(...order.map((cid) => bench.completion(cid))));
    expect(bench.events).toEqual(order.map((cid) => `completed ${cid} 0/00`));
  });

  test("a CID may be used again inside the call that completes it, for as long as one likes", () => {
    const bench = HostBench.open();
    let rounds = 0;
    bench.onCompleted = (cid) => {
      if (++rounds < 100) bench.read(cid, 8);
    };
    bench.read(3, 8);
    const flags = bench.pdus.digestFlags(true) | PduFlag.Last | PduFlag.Success;
    const answer = bench.pdus.c2hData({ cccid: 3 }, { data: ramp(8), flags });
    bench.receive(joined(...Array.from({ length: 100 }, () => answer)));
    expect(bench.events).toEqual(Array.from({ length: 100 }, () => "completed 3 0/00"));
    expect(bench.sent()).toHaveLength(100);
    bench.receive(answer);
    expect(bench.events.at(-1)).toBe("lost FES 1@8");
  });

  test("a CID that is in use is not taken for another command", () => {
    const bench = HostBench.open();
    bench.flush(3);
    expect(() => bench.flush(3)).toThrow("CID 3 is in use");
  });

  test("H19, T65: after an error nothing later in the same segment has any effect", () => {
    const bench = HostBench.open({ headerDigest: true });
    for (let cid = 0; cid < 16; cid++) bench.flush(cid);
    bench.sent();
    const good = Array.from({ length: 1_000 }, (_, i) => bench.completion(8 + (i % 8)));
    const bad = bench.pdus.capsuleResp({ cid: 3 }, { badHeaderDigest: true });
    bench.receive(joined(bench.completion(0), bad, ...good));
    bench.receive(joined(...good));
    expect(bench.events[0]).toBe("completed 0 0/00");
    expect(bench.events[1]).toMatch(/^lost FES 3@/);
    expect(bench.events).toHaveLength(2);
    expect(bench.sent().map(({ name }) => name)).toEqual(["H2CTermReq"]);
    expect(bench.session.deadlineMs()).toBe(Infinity);
  });

  test("an end in the middle of a call for one completion stops those behind it", () => {
    const bench = HostBench.open();
    for (let cid = 0; cid < 4; cid++) bench.flush(cid);
    bench.onCompleted = () => bench.session.end();
    bench.receive(joined(bench.completion(2), bench.completion(1), bench.completion(99)));
    expect(bench.events).toEqual(["completed 2 0/00"]);
    expect(bench.sent()).toEqual([]);
  });

  test("a loss is told once; what is submitted after it goes nowhere", () => {
    const bench = HostBench.open();
    bench.flush(1);
    bench.sent();
    bench.receive(bench.completion(9));
    bench.receive(bench.completion(9));
    bench.session.tick(1e9);
    bench.flush(2);
    bench.session.detach(1);
    expect(bench.events).toEqual(["lost FES 1@20"]);
    expect(bench.sent().map(({ name }) => name)).toEqual(["H2CTermReq"]);
    expect(bench.session.out.queuedBytes).toBe(0);
  });
});

test("H41: there is no noise: a PDU that nobody waits for is the last one that is looked at", () => {
  const noise = (bench: HostBench): Uint8Array[] => [
    bench.pdus.icResp(),
    bench.pdus.r2t({ cccid: 5, r2tl: 4 }),
    bench.pdus.c2hData({ cccid: 5 }, { data: ramp(4) }),
    bench.completion(5),
  ];
  for (let kind = 0; kind < 4; kind++) {
    const bench = HostBench.open();
    const one = present(noise(bench)[kind]);
    bench.receive(joined(...Array.from({ length: 1_000 }, () => one)));
    expect(bench.events).toHaveLength(1);
    expect(bench.sent()).toHaveLength(1);
  }
});

describe("a PDU that stops half way", () => {
  test("T27: is waited for 10 s from its last byte on, since a large read may take longer", () => {
    const bench = HostBench.open();
    bench.read(3, 64);
    const pdu = bench.pdus.c2hData({ cccid: 3 }, { data: ramp(64) });
    bench.receive(pdu.subarray(0, 40));
    expect(bench.session.deadlineMs()).toBe(bench.nowMs + 10_000);
    bench.nowMs += 9_000;
    bench.receive(pdu.subarray(40, 50));
    expect(bench.session.deadlineMs()).toBe(bench.nowMs + 10_000);
    bench.session.tick(bench.nowMs + 9_999);
    expect(bench.events).toEqual([]);
    bench.session.tick(bench.nowMs + 10_000);
    expect(bench.events).toEqual(["lost NVME_ERR_RECEIVE_TIMEOUT"]);
    expect(bench.sent()).toEqual([]);
  });

  test("and not at all when it is whole", () => {
    const bench = HostBench.open();
    bench.flush(3);
    const pdu = bench.completion(3);
    bench.receive(pdu.subarray(0, 5));
    bench.receive(pdu.subarray(5));
    expect(bench.session.deadlineMs()).toBe(Infinity);
  });
});
