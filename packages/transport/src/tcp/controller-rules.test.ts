// What a host may send to a controller that it must not, by row of the table of bad input: each in
// every shape of a connection, and however it is cut.

import { DIGEST_BYTES, PduFlag, PduType, crc32c, viewOf } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { type BadInput, faultsOf, runningController } from "../testing/bad-input.ts";
import { type PduParts, joined } from "../testing/raw-pdu.ts";
import { ControllerBench } from "../testing/session-bench.ts";

type Row = BadInput<ControllerBench>;

const plain = { headerDigest: false, dataDigest: false, alignment: 4 };
const bytes = (count: number, fill = 0x11): Uint8Array => new Uint8Array(count).fill(fill);

const headers: Row[] = [
  ...(
    [
      ["ICResp", ({ pdus }) => pdus.icResp()],
      ["CapsuleResp", ({ pdus }) => pdus.capsuleResp({})],
      ["C2HData", ({ pdus }) => pdus.c2hData({}, { data: bytes(8) })],
      ["R2T", ({ pdus }) => pdus.r2t({})],
      ["C2HTermReq", ({ pdus }) => pdus.termReq(PduType.C2HTermReq, 1)],
    ] satisfies [string, Row["input"]][]
  ).map(([what, input]) => ({ row: "T16", what, input, expected: "FES 1@0" })),
  ...[0x08, 0x0a, 0xff].map((type) => ({
    row: "T17",
    what: `type ${type}`,
    input: ({ pdus }: ControllerBench) => pdus.pdu(type, bytes(24)),
    expected: "FES 1@0",
  })),
  {
    row: "T18",
    what: "a reserved flag",
    input: (bench) => bench.command(1, 0, 0, { flags: bench.pdus.digestFlags(false) | 0x40 }),
    expected: "FES 1@1",
  },
  {
    row: "T18",
    what: "LAST_PDU on a command",
    input: (bench) => bench.command(1, 0, 0, { flags: bench.pdus.digestFlags(false) | 4 }),
    expected: "FES 1@1",
  },
  {
    row: "T19",
    what: "HDGSTF other than negotiated",
    input: (bench) => bench.command(1, 0, 0, { flags: bench.pdus.digestFlags(false) ^ 1 }),
    expected: "FES 1@1",
  },
  {
    row: "T20",
    what: "DDGSTF without data",
    input: (bench) => bench.command(1, 0, 0, { flags: bench.pdus.digestFlags(false) | 2 }),
    expected: "FES 1@1",
  },
  {
    row: "T20",
    what: "DDGSTF with data other than negotiated",
    input: (bench) =>
      bench.writeInCapsule(1, bytes(8), { flags: bench.pdus.digestFlags(true) ^ 2 }),
    expected: "FES 1@1",
  },
  ...[0, 7, 71, 73, 255].map((hlen) => ({
    row: "T21",
    what: `HLEN ${hlen}`,
    input: (bench: ControllerBench) => bench.command(1, 0, 0, { hlen }),
    expected: "FES 1@2",
  })),
  ...[0, 8, 71].map((plen) => ({
    row: "T22",
    what: `PLEN ${plen}`,
    input: (bench: ControllerBench) => bench.command(1, 0, 0, { plen }),
    expected: "FES 1@4",
  })),
  ...[0x8000_0000, 0xffff_ffff].map((plen) => ({
    row: "T23",
    what: `PLEN ${plen}`,
    input: (bench: ControllerBench) => bench.writeInCapsule(1, bytes(8), { plen }),
    expected: "FES 1@4",
  })),
  ...[4, 72, 255].map((pdo) => ({
    row: "T24",
    what: `PDO ${pdo} without data`,
    input: (bench: ControllerBench) => bench.command(1, 0, 0, { pdo }),
    expected: "FES 1@3",
  })),
  ...[0, 68, 74, 255].map((pdo) => ({
    row: "T24",
    what: `PDO ${pdo} with data`,
    input: (bench: ControllerBench) => bench.writeInCapsule(1, bytes(8), { pdo }),
    expected: "FES 1@3",
  })),
  ...[1, 4].map((rest) => ({
    row: "T25",
    what: `${rest} bytes for data and digest`,
    shapes: ({ dataDigest }: { dataDigest: boolean }) => dataDigest,
    input: (bench: ControllerBench) => {
      const good = bench.writeInCapsule(1, bytes(8));
      return bench.writeInCapsule(1, bytes(8), { plen: good.length - 12 + rest });
    },
    expected: "FES 1@4",
  })),
];

const termReqs: Row[] = [
  ...[8, 23, 153, 0x10_0000].map((plen) => ({
    row: "T31",
    what: `H2CTermReq with PLEN ${plen}`,
    input: ({ pdus }: ControllerBench) =>
      pdus.termReq(PduType.H2CTermReq, 1, 0, undefined, { plen }),
    expected: "FES 1@4",
    silent: true,
  })),
  ...[0, 7, 0xffff].map((fes) => ({
    row: "T32",
    what: `H2CTermReq with FES ${fes}`,
    input: ({ pdus }: ControllerBench) => pdus.termReq(PduType.H2CTermReq, fes),
    expected: `peer FES ${fes}@0`,
  })),
  {
    row: "T33",
    what: "a command behind H2CTermReq",
    input: (bench) => joined(bench.pdus.termReq(PduType.H2CTermReq, 1, 8), bench.command(1, 0)),
    expected: "peer FES 1@8",
  },
  {
    row: "T35",
    what: "two H2CTermReqs",
    input: ({ pdus }) => {
      const quoted = pdus.r2t({});
      return joined(
        pdus.termReq(PduType.H2CTermReq, 1, 8, quoted),
        pdus.termReq(PduType.H2CTermReq, 2),
      );
    },
    expected: "peer FES 1@8",
  },
  {
    row: "T36",
    what: "H2CTermReq about a TermReq about a TermReq",
    input: ({ pdus }) => {
      const inner = pdus.termReq(PduType.C2HTermReq, 2, 0, pdus.termReq(PduType.H2CTermReq, 3));
      return pdus.termReq(PduType.H2CTermReq, 1, 8, inner);
    },
    expected: "peer FES 1@8",
  },
];

/** Answered with a completion, and the connection goes on: the next command is taken. */
const goesOn = (row: Omit<Row, "expected" | "answers">): Row => ({
  ...row,
  input: (bench) => joined(row.input(bench), bench.command(2, 0)),
  expected: ["command 2"],
  answers: ["CapsuleResp"],
});

const capsules: Row[] = [
  goesOn({
    row: "T37",
    what: "a write in the capsule with a bad data digest",
    shapes: ({ dataDigest }) => dataDigest,
    input: (bench) => bench.writeInCapsule(1, bytes(512), { badDataDigest: true }),
  }),
  ...[2, 0, 8].map((opc) =>
    goesOn({
      row: "T38",
      what: `data in the capsule of opcode ${opc}`,
      input: ({ pdus }) =>
        pdus.capsuleCmd({ opc, cid: 1, sglId: 1, sglLength: 64 }, { data: bytes(64) }),
    }),
  ),
  goesOn({
    row: "T38",
    what: "data in the capsule, and a descriptor that says it comes later",
    input: ({ pdus }) =>
      pdus.capsuleCmd({ opc: 1, cid: 1, sglId: 0x5a, sglLength: 64 }, { data: bytes(64) }),
  }),
  {
    row: "T39",
    what: "more than 8,192 bytes in a capsule",
    input: (bench) => bench.writeInCapsule(1, bytes(8193)).subarray(0, 100),
    expected: "FES 5@0",
  },
  ...[63, 65, 0, 0xffff_ffff].map((sglLength) =>
    goesOn({
      row: "T40",
      what: `64 bytes in a capsule whose SGL says ${sglLength}`,
      input: ({ pdus }) =>
        pdus.capsuleCmd({ opc: 1, cid: 1, sglId: 1, sglLength }, { data: bytes(64) }),
    }),
  ),
  goesOn({
    row: "T41",
    what: "a bad data digest on a command that is wrong in itself: one completion",
    shapes: ({ dataDigest }) => dataDigest,
    input: ({ pdus }) => {
      const parts = { data: bytes(64), badDataDigest: true };
      return pdus.capsuleCmd({ opc: 2, cid: 1, psdt: 0, sglId: 1, sglLength: 1 }, parts);
    },
  }),
  ...[0, 2, 3].map((psdt) =>
    goesOn({
      row: "T67",
      what: `PSDT ${psdt}`,
      input: ({ pdus }) => pdus.capsuleCmd({ opc: 1, cid: 1, psdt, sglId: 0x5a, sglLength: 64 }),
    }),
  ),
  ...[0x10, 0x20, 0x30, 0x40, 0x4f, 0xf0, 0x02].map((sglId) =>
    goesOn({
      row: "T68",
      what: `SGL identifier ${sglId.toString(16)}h`,
      input: ({ pdus }) => pdus.capsuleCmd({ opc: 1, cid: 1, sglId, sglLength: 64 }),
    }),
  ),
  ...[1, 64, 2 ** 53].map((sglAddress) =>
    goesOn({
      row: "T69",
      what: `an offset of ${sglAddress} into the capsule`,
      input: ({ pdus }) =>
        pdus.capsuleCmd(
          { opc: 1, cid: 1, sglId: 1, sglAddress, sglLength: 64 },
          { data: bytes(64) },
        ),
    }),
  ),
];

/** A write of 64 bytes under way, and what comes in answer to its R2T. */
const answering = (
  row: string,
  what: string,
  fields: { ttag?: number; cccid?: number; datao?: number; datal?: number },
  expected: string,
  parts: PduParts = {},
  before: (bench: ControllerBench) => void = () => {},
): Row => ({
  row,
  what,
  input: (bench) => {
    before(bench);
    const { ttag } = bench.writing(7, 64);
    const data = parts.data ?? bytes(64);
    const flags =
      parts.flags === undefined ? {} : { flags: bench.pdus.digestFlags(true) | parts.flags };
    return bench.pdus.h2cData({ cccid: 7, ttag, ...fields }, { ...parts, data, ...flags });
  },
  expected,
});

const h2cData: Row[] = [
  {
    row: "T45",
    what: "H2CData with no R2T outstanding",
    input: ({ pdus }) => pdus.h2cData({ cccid: 1, ttag: 1 }, { data: bytes(8) }),
    expected: "FES 2@0",
  },
  answering("T46", "TTAG FFFFh", { ttag: 0xffff }, "FES 1@10"),
  answering("T46", "TTAG beyond the table", { ttag: 17 }, "FES 1@10"),
  answering("T47", "CCCID of another command", { cccid: 8 }, "FES 1@8", {}, (bench) =>
    bench.receive(bench.command(8, 1, 64)),
  ),
  {
    row: "T48",
    what: "TTAG of a command that has completed, while another fetches",
    input: (bench) => {
      const { ttag } = bench.writing(6, 64);
      bench.receive(bench.pdus.h2cData({ cccid: 6, ttag }, { data: bytes(64) }));
      bench.session.respond(ttag - 1, 0, 0, 0);
      bench.receive(bench.command(9, 0));
      bench.writing(7, 64);
      const stale = bench.pdus.h2cData({ cccid: 6, ttag }, { data: bytes(64) });
      return stale;
    },
    expected: "FES 1@10",
  },
  answering("T51", "TTAG that another connection has issued", { ttag: 9 }, "FES 1@10", {}, () => {
    const other = ControllerBench.open();
    for (let cid = 0; cid < 16; cid++) other.writing(cid, 64);
  }),
  answering("T49", "TTAG 0, which is never issued", { ttag: 0 }, "FES 1@10"),
  {
    row: "T50",
    what: "H2CData for a read",
    input: (bench) => {
      bench.receive(bench.command(5, 2, 64));
      const ttag = bench.tagOf(5) + 1;
      bench.writing(7, 64);
      return bench.pdus.h2cData({ cccid: 5, ttag }, { data: bytes(64) });
    },
    expected: "FES 1@8",
  },
  {
    row: "T52",
    what: "H2CData for a write that has not asked yet",
    input: (bench) => {
      bench.receive(bench.command(5, 1, 64));
      const ttag = bench.tagOf(5) + 1;
      bench.writing(7, 64);
      return bench.pdus.h2cData({ cccid: 5, ttag }, { data: bytes(64) });
    },
    expected: "FES 1@10",
  },
  answering("T53", "DATAL 0", { datal: 0 }, "FES 1@16"),
  answering("T55", "DATAL 63 and 64 bytes", { datal: 63 }, "FES 1@16"),
  answering("T55", "DATAL 65 and 64 bytes", { datal: 65 }, "FES 1@16"),
  answering("T56", "one byte too many", {}, "FES 4@0", { data: bytes(65) }),
  answering("T56", "beyond the end", { datao: 64 }, "FES 4@0", { data: bytes(4) }),
  answering("T57", "an end that wraps 2^32", { datao: 0xffff_fffc }, "FES 4@0", { data: bytes(8) }),
  answering("T58", "a gap", { datao: 4 }, "FES 2@0", { data: bytes(60) }),
  ...[0, 16, 40].map((datao) => ({
    row: datao === 16 ? "T61" : "T58",
    what: `from ${datao} after 32 bytes`,
    input: (bench: ControllerBench) => {
      const { ttag } = bench.writing(7, 64);
      const flags = bench.pdus.digestFlags(true);
      const first = bench.pdus.h2cData({ cccid: 7, ttag }, { data: bytes(32), flags });
      const second = { data: bytes(64 - datao) };
      return joined(first, bench.pdus.h2cData({ cccid: 7, ttag, datao }, second));
    },
    expected: "FES 2@0",
  })),
  answering("T59", "LAST_PDU early", {}, "FES 2@0", { data: bytes(32) }),
  answering("T59", "LAST_PDU missing at the end", {}, "FES 2@0", { flags: 0 }),
  {
    row: "T60",
    what: "data after LAST_PDU",
    input: (bench) => {
      const { ttag } = bench.writing(7, 64);
      const data = bench.pdus.h2cData({ cccid: 7, ttag }, { data: bytes(64) });
      return joined(data, data);
    },
    expected: ["fetched 7 0/00", "lost FES 2@0"],
    answers: ["C2HTermReq FES 2@0"],
  },
  answering("T62", "31 bytes where more follows", {}, "FES 1@16", { data: bytes(31), flags: 0 }),
  {
    row: "T42",
    what: "a bad digest on data that is not the last: told when all is here",
    shapes: ({ dataDigest }) => dataDigest,
    input: (bench) => {
      const { ttag } = bench.writing(7, 64);
      const first = { data: bytes(32), flags: bench.pdus.digestFlags(true), badDataDigest: true };
      return joined(
        bench.pdus.h2cData({ cccid: 7, ttag }, first),
        bench.pdus.h2cData({ cccid: 7, ttag, datao: 32 }, { data: bytes(32) }),
      );
    },
    expected: ["fetched 7 0/22"],
  },
  {
    row: "T63",
    what: "an R2T answered in pieces of 4 bytes",
    input: (bench) => {
      const { ttag } = bench.writing(7, 64);
      const pieces = Array.from({ length: 16 }, (_, i) => {
        const flags = bench.pdus.digestFlags(true) | (i === 15 ? PduFlag.Last : 0);
        return bench.pdus.h2cData({ cccid: 7, ttag, datao: i * 4 }, { data: bytes(4), flags });
      });
      return joined(...pieces);
    },
    expected: ["fetched 7 0/00"],
  },
  {
    row: "T66",
    what: "two R2Ts answered in the other order",
    input: (bench) => {
      const a = bench.writing(6, 64);
      const b = bench.writing(7, 32);
      return joined(
        bench.pdus.h2cData({ cccid: 7, ttag: b.ttag }, { data: bytes(32) }),
        bench.pdus.h2cData({ cccid: 6, ttag: a.ttag }, { data: bytes(64) }),
      );
    },
    expected: ["fetched 7 0/00", "fetched 6 0/00"],
  },
];

describe.each([
  { about: "headers", rows: headers },
  { about: "H2CTermReq", rows: termReqs },
  { about: "command capsules", rows: capsules },
  { about: "H2CData", rows: h2cData },
])("$about", ({ rows }) => {
  test.each(rows.map((row) => [row.row, row.what, row] as const))("%s: %s", (_id, _what, row) => {
    expect(faultsOf(runningController, row)).toEqual([]);
  });
});

/** The PDUs of every type that a controller takes, each with a header digest that does not match. */
const badlyDigested: [name: string, make: (bench: ControllerBench) => Uint8Array][] = [
  ["CapsuleCmd", (bench) => bench.command(1, 0, 0, { badHeaderDigest: true })],
  [
    "CapsuleCmd with data",
    (bench) => bench.writeInCapsule(1, bytes(64), { badHeaderDigest: true }),
  ],
  ["H2CData", ({ pdus }) => pdus.h2cData({}, { data: bytes(8), badHeaderDigest: true })],
];

test.each(badlyDigested)("T26: %s with a bad header digest ends all, and says it", (name, make) => {
  const shape = { ...plain, headerDigest: true };
  const input = make(runningController.start(shape));
  const hlen = name === "H2CData" ? 24 : 72;
  const received = viewOf(input).getUint32(hlen, true);
  expect(received).not.toBe(crc32c(viewOf(input), 0, hlen) >>> 0);
  const row = {
    row: "T26",
    what: "",
    input: () => input,
    expected: `FES 3@${received}`,
    shapes: (of: typeof shape) => of.headerDigest && !of.dataDigest,
  };
  expect(faultsOf(runningController, row)).toEqual([]);
});

test("T54: H2CData of more than MAXH2CDATA, also where a capsule may carry more", () => {
  const bench = ControllerBench.open(plain, 4096);
  const { ttag } = bench.writing(7, 8192);
  bench.receive(bench.pdus.h2cData({ cccid: 7, ttag }, { data: bytes(4100), flags: 0 }));
  expect(bench.events).toEqual(["lost FES 5@0"]);
});

describe("T43, T44: a digest that is right for something else is wrong", () => {
  const shape = { ...plain, dataDigest: true, alignment: 128 };
  const data = new TextEncoder().encode("123456789abc");
  const digests: [name: string, digest: (capsule: Uint8Array) => number][] = [
    ["CRC-32 instead of CRC-32C", () => 0xbdb0_c0e4],
    ["taken over padding and data", (capsule) => crc32c(viewOf(capsule), 72, 128 + data.length)],
    ["stored big-endian", (capsule) => swapped(crc32c(viewOf(capsule), 128, 128 + data.length))],
    ["not inverted", (capsule) => ~crc32c(viewOf(capsule), 128, 128 + data.length)],
  ];
  test.each(digests)("%s", (_name, digest) => {
    const bench = runningController.start(shape);
    const capsule = bench.writeInCapsule(1, data);
    expect(capsule.length).toBe(128 + data.length + DIGEST_BYTES);
    viewOf(capsule).setInt32(128 + data.length, digest(capsule), true);
    bench.receive(capsule);
    expect(bench.events).toEqual([]);
    const [answer] = bench.sent();
    expect(answer?.view.getUint16(22, true)).toBe(0x22 << 1);
  });
});

const swapped = (word: number): number => {
  const view = new DataView(new ArrayBuffer(4));
  view.setInt32(0, word, true);
  return view.getInt32(0, false);
};

describe("the status that refuses a command", () => {
  const refusals: [row: string, make: (bench: ControllerBench) => Uint8Array, status: number][] = [
    [
      "T38",
      ({ pdus }) => pdus.capsuleCmd({ opc: 2, sglId: 1, sglLength: 64 }, { data: bytes(64) }),
      0x02,
    ],
    [
      "T40",
      ({ pdus }) => pdus.capsuleCmd({ opc: 1, sglId: 1, sglLength: 63 }, { data: bytes(64) }),
      0x0f,
    ],
    [
      "T40",
      ({ pdus }) => pdus.capsuleCmd({ opc: 1, sglId: 1, sglLength: 65 }, { data: bytes(64) }),
      0x0f,
    ],
    ["T67", ({ pdus }) => pdus.capsuleCmd({ opc: 1, psdt: 0, sglId: 0x5a }), 0x02],
    ["T68", ({ pdus }) => pdus.capsuleCmd({ opc: 1, sglId: 0x30, sglLength: 8 }), 0x11],
    [
      "T69",
      ({ pdus }) =>
        pdus.capsuleCmd({ opc: 1, sglId: 1, sglAddress: 8, sglLength: 8 }, { data: bytes(8) }),
      0x16,
    ],
  ];
  test.each(refusals)("%s", (_row, make, status) => {
    const bench = runningController.start(plain);
    bench.receive(make(bench));
    const [answer, ...more] = bench.sent();
    expect(more).toEqual([]);
    expect(answer?.name).toBe("CapsuleResp");
    expect(answer?.view.getUint16(22, true)).toBe(status << 1);
  });
});
