// What a controller may send to a host that it must not, by row of the table of bad input: each in
// every shape of a connection, however it is cut, with another command outstanding.

import { PduFlag, PduType, R2t, crc32c, viewOf } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { type BadInput, faultsOf, runningHost } from "../testing/bad-input.ts";
import { joined } from "../testing/raw-pdu.ts";
import { type HostBench, ControllerBench } from "../testing/session-bench.ts";

type Row = BadInput<HostBench>;

const bytes = (count: number, fill = 0x11): Uint8Array => new Uint8Array(count).fill(fill);

const lastAnd = (bench: HostBench, more = 0): number =>
  bench.pdus.digestFlags(true) | PduFlag.Last | more;

const headers: Row[] = [
  {
    row: "H6",
    what: "a command capsule",
    input: ({ pdus }) => pdus.capsuleCmd({ opc: 2 }),
    expected: "FES 1@0",
  },
  {
    row: "H6",
    what: "H2CData",
    input: ({ pdus }) => pdus.h2cData({}, { data: bytes(8) }),
    expected: "FES 1@0",
  },
  {
    row: "H6",
    what: "H2CTermReq",
    input: ({ pdus }) => pdus.termReq(PduType.H2CTermReq, 1),
    expected: "FES 1@0",
  },
  {
    row: "H7",
    what: "HLEN 255",
    input: (bench) => bench.pdus.capsuleResp({ cid: 15 }, { hlen: 255 }),
    expected: "FES 1@2",
  },
  {
    row: "H7",
    what: "HLEN 0",
    input: (bench) => bench.pdus.capsuleResp({ cid: 15 }, { hlen: 0 }),
    expected: "FES 1@2",
  },
  {
    row: "H8",
    what: "PLEN 2^32 - 1",
    input: ({ pdus }) => pdus.c2hData({}, { data: bytes(8), plen: 0xffff_ffff }),
    expected: "FES 1@4",
  },
  {
    row: "H8",
    what: "more data than any PDU needs",
    input: ({ pdus }) => pdus.c2hData({}, { data: bytes(8), plen: 0x200_0000 }),
    expected: "FES 5@0",
  },
  {
    row: "H9",
    what: "PDO before the end of the header",
    input: ({ pdus }) => pdus.c2hData({}, { data: bytes(8), pdo: 20 }),
    expected: "FES 1@3",
  },
  {
    row: "H9",
    what: "PDO that is not aligned as we asked",
    input: ({ pdus }) => pdus.c2hData({}, { data: bytes(80), pdo: pdus.shape.alignment + 2 }),
    expected: "FES 1@3",
  },
  {
    row: "H10",
    what: "a flag of a digest that is off, or none of one that is on",
    input: (bench) =>
      bench.pdus.capsuleResp({ cid: 15 }, { flags: bench.pdus.digestFlags(false) ^ 1 }),
    expected: "FES 1@1",
  },
  {
    row: "H11",
    what: "a completion with data",
    input: (bench) => bench.pdus.capsuleResp({ cid: 15 }, { plen: 36 }),
    expected: "FES 1@4",
  },
];

const completions: Row[] = [
  {
    row: "H12",
    what: "a completion for a CID beyond the queue",
    input: (bench) => bench.completion(16),
    expected: "FES 1@20",
  },
  {
    row: "H12",
    what: "a completion for CID FFFFh",
    input: (bench) => bench.completion(0xffff),
    expected: "FES 1@20",
  },
  {
    row: "H12",
    what: "a completion for an idle CID",
    input: (bench) => bench.completion(4),
    expected: "FES 1@20",
  },
  {
    row: "H13",
    what: "a second completion: the first outcome stands",
    input: (bench) => joined(bench.completion(15), bench.completion(15)),
    expected: ["completed 15 0/00", "lost FES 1@20"],
    answers: ["H2CTermReq FES 1@20"],
  },
  {
    row: "H16",
    what: "a completion of another queue",
    input: (bench) => bench.completion(15, { sqid: 2 }),
    expected: "FES 1@18",
  },
  {
    row: "H16",
    what: "but SQID 0, which some targets send on every queue",
    input: (bench) => bench.completion(15, { sqid: 0 }),
    expected: ["completed 15 0/00"],
  },
  ...[0, 100, 511].map((count) => ({
    row: "H17",
    what: `success for a read of 512 bytes with ${count} of them`,
    input: (bench: HostBench) => {
      bench.read(3, 512);
      const data = count === 0 ? [] : [bench.pdus.c2hData({ cccid: 3 }, { data: bytes(count) })];
      return joined(...data, bench.completion(3));
    },
    // Data Transfer Error of the command: the stream itself is in step, others go on.
    expected: ["completed 3 0/04"],
  })),
  {
    row: "H17",
    what: "but an error keeps its own status, with less data or none",
    input: (bench) => {
      bench.read(3, 512);
      return bench.completion(3, { sct: 2, sc: 0x81 });
    },
    expected: ["completed 3 2/81"],
  },
  {
    row: "H18",
    what: "success while data that an R2T asked for is not sent: accepted",
    input: (bench) => {
      bench.write(3, 16_384);
      return joined(bench.pdus.r2t({ cccid: 3, ttag: 1, r2tl: 16_384 }), bench.completion(3));
    },
    expected: ["completed 3 0/00"],
    answers: ["H2CData"],
  },
];

const data: Row[] = [
  ...[16, 4, 0xffff].map((cccid) => ({
    row: "H21",
    what: `C2HData for command ${cccid}, which there is none of`,
    input: ({ pdus }: HostBench) => pdus.c2hData({ cccid }, { data: bytes(8) }),
    expected: "FES 1@8",
  })),
  {
    row: "H22",
    what: "C2HData for a write",
    input: (bench) => {
      bench.write(3, 16_384);
      return bench.pdus.c2hData({ cccid: 3 }, { data: bytes(8) });
    },
    expected: "FES 1@8",
  },
  {
    row: "H22",
    what: "C2HData for a command without data",
    input: (bench) => bench.pdus.c2hData({ cccid: 15 }, { data: bytes(8) }),
    expected: "FES 1@8",
  },
  {
    row: "H23",
    what: "C2HData after the completion",
    input: (bench) => {
      bench.read(3, 8);
      const answer = bench.pdus.c2hData({ cccid: 3 }, { data: bytes(8) });
      return joined(answer, bench.completion(3), answer);
    },
    expected: ["completed 3 0/00", "lost FES 1@8"],
    answers: ["H2CTermReq FES 1@8"],
  },
  {
    row: "H24",
    what: "C2HData of one byte too many",
    input: (bench) => {
      bench.read(3, 100);
      return bench.pdus.c2hData({ cccid: 3 }, { data: bytes(101) });
    },
    expected: "FES 4@0",
  },
  {
    row: "H24",
    what: "C2HData beyond the end",
    input: (bench) => {
      bench.read(3, 100);
      return bench.pdus.c2hData({ cccid: 3, datao: 100 }, { data: bytes(4) });
    },
    expected: "FES 4@0",
  },
  {
    row: "H24",
    what: "C2HData whose end wraps 2^32",
    input: (bench) => {
      bench.read(3, 100);
      return bench.pdus.c2hData({ cccid: 3, datao: 0xffff_fffc }, { data: bytes(8) });
    },
    expected: "FES 4@0",
  },
  {
    row: "H24",
    what: "C2HData of one byte too many for a buffer that was taken back",
    input: (bench) => {
      bench.read(3, 100);
      bench.session.detach(3);
      return bench.pdus.c2hData({ cccid: 3 }, { data: bytes(101) });
    },
    expected: "FES 4@0",
  },
  {
    row: "H25",
    what: "C2HData with a gap before it",
    input: (bench) => {
      bench.read(3, 100);
      return bench.pdus.c2hData({ cccid: 3, datao: 4 }, { data: bytes(8) });
    },
    expected: "FES 1@12",
  },
  ...[0, 4].map((datao) => ({
    row: "H25",
    what: `C2HData from ${datao} again, after 8 bytes`,
    input: (bench: HostBench) => {
      bench.read(3, 100);
      const flags = bench.pdus.digestFlags(true);
      const first = bench.pdus.c2hData({ cccid: 3 }, { data: bytes(8), flags });
      return joined(first, bench.pdus.c2hData({ cccid: 3, datao }, { data: bytes(8) }));
    },
    expected: "FES 1@12",
  })),
  ...[0, 7, 9].map((datal) => ({
    row: "H26",
    what: `C2HData with DATAL ${datal} and 8 bytes`,
    input: (bench: HostBench) => {
      bench.read(3, 100);
      return bench.pdus.c2hData({ cccid: 3, datal }, { data: bytes(8) });
    },
    expected: "FES 1@16",
  })),
  {
    row: "H26",
    what: "C2HData without any data, which PLEN says first",
    input: (bench) => {
      bench.read(3, 100);
      const pdo = Math.max(bench.pdus.shape.alignment, bench.pdus.shape.headerDigest ? 28 : 24);
      const flags = lastAnd(bench);
      const plen = pdo + (bench.pdus.shape.dataDigest ? 4 : 0);
      return bench.pdus.c2hData({ cccid: 3 }, { pdo, plen, flags });
    },
    expected: "FES 1@4",
  },
  {
    row: "H27",
    what: "SUCCESS without LAST_PDU",
    input: (bench) => {
      bench.read(3, 8);
      const flags = bench.pdus.digestFlags(true) | PduFlag.Success;
      return bench.pdus.c2hData({ cccid: 3 }, { data: bytes(8), flags });
    },
    expected: "FES 1@1",
  },
  {
    row: "H28",
    what: "SUCCESS with half of the data",
    input: (bench) => {
      bench.read(3, 16);
      const flags = lastAnd(bench, PduFlag.Success);
      return bench.pdus.c2hData({ cccid: 3 }, { data: bytes(8), flags });
    },
    expected: ["completed 3 0/04"],
  },
  {
    row: "H29",
    what: "data after LAST_PDU",
    input: (bench) => {
      bench.read(3, 16);
      const first = bench.pdus.c2hData({ cccid: 3 }, { data: bytes(8) });
      return joined(first, bench.pdus.c2hData({ cccid: 3, datao: 8 }, { data: bytes(8) }));
    },
    expected: "FES 2@0",
  },
  {
    row: "H30",
    what: "SUCCESS, and a completion too",
    input: (bench) => {
      bench.read(3, 8);
      const flags = lastAnd(bench, PduFlag.Success);
      const answer = bench.pdus.c2hData({ cccid: 3 }, { data: bytes(8), flags });
      return joined(answer, bench.completion(3));
    },
    expected: ["completed 3 0/00", "lost FES 1@20"],
    answers: ["H2CTermReq FES 1@20"],
  },
  ...[0, 1, 2].map((bad) => ({
    row: "H31",
    what: `a bad data digest on PDU ${bad + 1} of 3, and a completion that claims success`,
    shapes: ({ dataDigest }: { dataDigest: boolean }) => dataDigest,
    input: (bench: HostBench) => {
      bench.read(3, 24);
      const parts = [0, 1, 2].map((at) => {
        const flags = bench.pdus.digestFlags(true) | (at === 2 ? PduFlag.Last : 0);
        const parts = { data: bytes(8), flags, badDataDigest: at === bad };
        return bench.pdus.c2hData({ cccid: 3, datao: at * 8 }, parts);
      });
      return joined(...parts, bench.completion(3), bench.completion(15));
    },
    expected: ["completed 3 0/22", "completed 15 0/00"],
  })),
  {
    row: "H31",
    what: "a bad data digest with SUCCESS",
    shapes: ({ dataDigest }) => dataDigest,
    input: (bench) => {
      bench.read(3, 8);
      const flags = lastAnd(bench, PduFlag.Success);
      const parts = { data: bytes(8), flags, badDataDigest: true };
      return bench.pdus.c2hData({ cccid: 3 }, parts);
    },
    expected: ["completed 3 0/22"],
  },
];

const r2ts: Row[] = [
  {
    row: "H32",
    what: "R2T for a read",
    input: (bench) => {
      bench.read(3, 512);
      return bench.pdus.r2t({ cccid: 3, r2tl: 512 });
    },
    expected: "FES 1@8",
  },
  {
    row: "H32",
    what: "R2T for a command that there is none of",
    input: ({ pdus }) => pdus.r2t({ cccid: 4, r2tl: 512 }),
    expected: "FES 1@8",
  },
  {
    row: "H32",
    what: "R2T for a command that has completed",
    input: (bench) => {
      bench.write(3, 16_384);
      return joined(bench.completion(3), bench.pdus.r2t({ cccid: 3, r2tl: 16_384 }));
    },
    expected: ["completed 3 0/00", "lost FES 1@8"],
    answers: ["H2CTermReq FES 1@8"],
  },
  {
    row: "H32",
    what: "R2T for data that went in the capsule",
    input: (bench) => {
      bench.write(3, 512);
      return bench.pdus.r2t({ cccid: 3, r2tl: 512 });
    },
    expected: "FES 1@12",
  },
  {
    row: "H33",
    what: "R2TL 0",
    input: (bench) => {
      bench.write(3, 16_384);
      return bench.pdus.r2t({ cccid: 3 });
    },
    expected: "FES 1@16",
  },
  {
    row: "H33",
    what: "R2TO that leaves something out",
    input: (bench) => {
      bench.write(3, 16_384);
      return bench.pdus.r2t({ cccid: 3, r2to: 4, r2tl: 16 });
    },
    expected: "FES 1@12",
  },
  {
    row: "H33",
    what: "R2T beyond the end",
    input: (bench) => {
      bench.write(3, 16_384);
      return bench.pdus.r2t({ cccid: 3, r2tl: 16_385 });
    },
    expected: "FES 4@0",
  },
  {
    row: "H33",
    what: "R2T whose end wraps 2^32",
    input: (bench) => {
      bench.write(3, 16_384);
      return bench.pdus.r2t({ cccid: 3, r2to: 0xffff_fff0, r2tl: 32 });
    },
    expected: "FES 4@0",
  },
  {
    row: "H35",
    what: "the same R2T twice",
    input: (bench) => {
      bench.write(3, 16_384);
      const r2t = bench.pdus.r2t({ cccid: 3, ttag: 1, r2tl: 8192 });
      return joined(r2t, r2t);
    },
    expected: "FES 1@12",
  },
  {
    row: "H36",
    what: "R2Ts for more than there is, in small pieces",
    input: (bench) => {
      bench.write(3, 8_200);
      const r2ts: Uint8Array[] = [];
      for (let at = 0; at < 8_400; at += 400) {
        r2ts.push(bench.pdus.r2t({ cccid: 3, ttag: 1, r2to: at, r2tl: 400 }));
      }
      return joined(...r2ts);
    },
    expected: "FES 4@0",
  },
];

const termReqs: Row[] = [
  ...[1, 2, 3, 4, 5, 6].map((fes) => ({
    row: "H38",
    what: `C2HTermReq with FES ${fes}`,
    input: ({ pdus }: HostBench) =>
      pdus.termReq(PduType.C2HTermReq, fes, 8, pdus.capsuleCmd({ opc: 1, cid: 15 })),
    expected: `peer FES ${fes}@8`,
  })),
  ...[0, 7, 65_535].map((fes) => ({
    row: "H39",
    what: `C2HTermReq with FES ${fes}, which does not exist`,
    input: ({ pdus }: HostBench) => pdus.termReq(PduType.C2HTermReq, fes),
    expected: `peer FES ${fes}@0`,
  })),
  ...[8, 23, 153, 0x8000_0000].map((plen) => ({
    row: "H39",
    what: `C2HTermReq with PLEN ${plen}, which is not answered`,
    input: ({ pdus }: HostBench) => pdus.termReq(PduType.C2HTermReq, 1, 0, undefined, { plen }),
    expected: "FES 1@4",
    silent: true,
  })),
];

describe.each([
  { about: "headers", rows: headers },
  { about: "completions", rows: completions },
  { about: "C2HData", rows: data },
  { about: "R2T", rows: r2ts },
  { about: "C2HTermReq", rows: termReqs },
])("$about", ({ rows }) => {
  test.each(rows.map((row) => [row.row, row.what, row] as const))("%s: %s", (_id, _what, row) => {
    expect(faultsOf(runningHost, row)).toEqual([]);
  });
});

/** The PDUs of every type that a host takes, each with a header digest that does not match. */
const badlyDigested: [name: string, make: (bench: HostBench) => Uint8Array][] = [
  ["CapsuleResp", (bench) => bench.pdus.capsuleResp({ cid: 15 }, { badHeaderDigest: true })],
  ["R2T", ({ pdus }) => pdus.r2t({ cccid: 15 }, { badHeaderDigest: true })],
  ["C2HData", ({ pdus }) => pdus.c2hData({}, { data: bytes(8), badHeaderDigest: true })],
];

test.each(badlyDigested)(
  "H19: %s with a bad header digest ends all, and says it",
  (_name, make) => {
    const shape = { headerDigest: true, dataDigest: false, alignment: 4 };
    const input = make(runningHost.start(shape));
    const received = viewOf(input).getUint32(24, true);
    expect(received).not.toBe(crc32c(viewOf(input), 0, 24) >>> 0);
    const row = {
      row: "H19",
      what: "",
      input: () => input,
      expected: `FES 3@${received}`,
      shapes: (of: typeof shape) => of.headerDigest && !of.dataDigest,
    };
    expect(faultsOf(runningHost, row)).toEqual([]);
  },
);

test("H34: an R2T while data of the one before has not left is beyond MAXR2T", () => {
  const bench = runningHost.start({ headerDigest: false, dataDigest: false, alignment: 4 });
  bench.write(3, 2_000_000);
  bench.sent();
  const first = bench.pdus.r2t({ cccid: 3, ttag: 1, r2tl: 1_500_000 });
  bench.receive(joined(first, bench.pdus.r2t({ cccid: 3, ttag: 2, r2to: 1_500_000, r2tl: 4 })));
  expect(bench.events).toEqual(["lost FES 5@0"]);
});

test("H37: R2Ts of one byte are answered, each with its own PDU", () => {
  const bench = runningHost.start({ headerDigest: false, dataDigest: false, alignment: 4 });
  const written = bench.write(3, 10_000);
  bench.sent();
  const data: Uint8Array[] = [];
  for (let at = 0; at < written.length; at++) {
    bench.receive(bench.pdus.r2t({ cccid: 3, ttag: at & 0xff, r2to: at, r2tl: 1 }));
    for (const pdu of bench.sent()) {
      expect(pdu.flags).toBe(PduFlag.Last);
      expect(R2t.ttag.get(pdu.view)).toBe(at & 0xff);
      data.push(pdu.data);
    }
  }
  bench.receive(bench.completion(3));
  expect(joined(...data)).toEqual(written);
  expect(bench.events).toEqual(["completed 3 0/00"]);
});

test("H38: the error of a C2HTermReq holds the header of ours that it objects to", () => {
  for (const shape of [{}, { headerDigest: true, dataDigest: true }]) {
    const bench = runningHost.start({
      headerDigest: false,
      dataDigest: false,
      alignment: 4,
      ...shape,
    });
    const ours = new ControllerBench().command(15, 1);
    bench.receive(bench.pdus.termReq(PduType.C2HTermReq, 1, 12, ours));
    expect(bench.error).toMatchObject({ code: "NVME_ERR_PEER_TERMINATED", fes: 1, fei: 12 });
    expect(bench.error).toMatchObject({ header: ours });
  }
});

test("H39: a FES that does not exist is called unknown", () => {
  const bench = runningHost.start({ headerDigest: false, dataDigest: false, alignment: 4 });
  bench.receive(bench.pdus.termReq(PduType.C2HTermReq, 7));
  expect(bench.error?.message).toContain("unknown (7)");
});
