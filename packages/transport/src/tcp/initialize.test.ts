// The initialisation of a connection, good and bad, by row of the table of bad input.

import { DataDirection, IcReq, IcResp, PduType, type ProtocolError } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { present } from "../testing/present.ts";
import { type BadInput, faultsOf, newController, newHost } from "../testing/bad-input.ts";
import { joined } from "../testing/raw-pdu.ts";
import { ControllerBench, HostBench, shapes } from "../testing/session-bench.ts";

const bytes = (count: number, fill = 0): Uint8Array => new Uint8Array(count).fill(fill);

describe.each(shapes)("with $name", (shape) => {
  const pda = shape.alignment / 4 - 1;

  test("a host asks for what it was told to", () => {
    const bench = new HostBench(shape);
    const [request, ...more] = bench.sent();
    expect(more).toEqual([]);
    expect(request?.bytes).toEqual(bench.pdus.icReq({ hpda: pda }));
    expect(bench.events).toEqual([]);
  });

  test("a host that is answered as it asked has its queue opened, once", () => {
    const bench = new HostBench(shape);
    bench.sent();
    bench.receive(bench.pdus.icResp());
    expect(bench.events).toEqual(["opened"]);
    expect(bench.sent()).toEqual([]);
  });

  test("a controller grants the digests it is asked for, and says what it takes", () => {
    const bench = new ControllerBench(shape, 65_536);
    bench.receive(bench.pdus.icReq({ hpda: 0 }));
    const [answer, ...more] = bench.sent();
    expect(more).toEqual([]);
    expect(answer?.bytes).toEqual(bench.pdus.icResp({ cpda: pda, maxh2cdata: 65_536 }));
    expect(bench.events).toEqual(["opened"]);
  });
});

test("a controller refuses a digest that it does not allow by not granting it", () => {
  const bench = new ControllerBench({ headerDigest: false, dataDigest: true });
  bench.receive(bench.pdus.icReq({ hdgst: 1, ddgst: 1 }));
  const [answer] = bench.sent();
  expect(IcResp.hdgst.get(present(answer).view)).toBe(0);
  expect(IcResp.ddgst.get(present(answer).view)).toBe(1);
});

test("T10: reserved bits and bytes of ICReq are ignored", () => {
  const bench = new ControllerBench();
  const request = bench.pdus.icReq();
  request.fill(0xff, 16);
  request[11] = 0xfc;
  bench.receive(request);
  expect(bench.events).toEqual(["opened"]);
});

test("T29: command after command in the segment of the ICReq, all digested as agreed", () => {
  const bench = new ControllerBench({ headerDigest: true });
  bench.onCommand = (tag) => bench.session.respond(tag, 0, 0, 0);
  bench.receive(joined(bench.pdus.icReq(), bench.command(1, 0), bench.command(2, 0)));
  expect(bench.events).toEqual(["opened", "command 1", "command 2"]);
  expect(bench.sentTexts()).toEqual(["ICResp", "CapsuleResp", "CapsuleResp"]);
});

test("H3: a MAXH2CDATA without a limit is capped at 1 MiB", () => {
  for (const maxh2cdata of [0xffff_ffff, 0xffff_fffc]) {
    const bench = new HostBench({}, 0);
    bench.sent();
    bench.receive(bench.pdus.icResp({ maxh2cdata }));
    bench.write(1, 1_500_000);
    bench.receive(bench.pdus.r2t({ cccid: 1, ttag: 1, r2tl: 1_500_000 }));
    const data = bench.sent().filter(({ type }) => type === PduType.H2CData);
    expect(data.map(({ data }) => data.length)).toEqual([1_048_576, 1_500_000 - 1_048_576]);
  }
});

test("MAXH2CDATA of 4096, the least that may be, is kept to", () => {
  const bench = new HostBench({}, 0);
  bench.sent();
  bench.receive(bench.pdus.icResp({ maxh2cdata: 4096 }));
  const written = bench.write(1, 10_000);
  bench.receive(bench.pdus.r2t({ cccid: 1, ttag: 1, r2tl: 10_000 }));
  const data = bench.sent().filter(({ type }) => type === PduType.H2CData);
  expect(data.map(({ data, flags }) => [data.length, flags])).toEqual([
    [4096, 0],
    [4096, 0],
    [1808, 4],
  ]);
  expect(joined(...data.map(({ data }) => data))).toEqual(written);
});

const toController: BadInput<ControllerBench>[] = [
  {
    row: "T8",
    what: "ICReq with HLEN 127",
    input: ({ pdus }) => pdus.icReq({}, { hlen: 127 }),
    expected: "FES 1@2",
  },
  {
    row: "T8",
    what: "ICReq with a PDO",
    input: ({ pdus }) => pdus.icReq({}, { pdo: 128 }),
    expected: "FES 1@3",
  },
  {
    row: "T8",
    what: "ICReq with PLEN 127",
    input: ({ pdus }) => pdus.icReq({}, { plen: 127 }),
    expected: "FES 1@4",
  },
  {
    row: "T9",
    what: "ICReq with a PDU format version that does not exist",
    input: ({ pdus }) => pdus.icReq({ pfv: 1 }),
    expected: "FES 6@8",
  },
  {
    row: "T9",
    what: "ICReq with a version in the high byte",
    input: ({ pdus }) => pdus.icReq({ pfv: 0x100 }),
    expected: "FES 6@8",
  },
  {
    row: "T10",
    what: "ICReq with HPDA 32",
    input: ({ pdus }) => pdus.icReq({ hpda: 32 }),
    expected: "FES 1@10",
  },
  {
    row: "T13",
    what: "a second ICReq",
    input: ({ pdus }) => joined(pdus.icReq(), pdus.icReq()),
    expected: ["opened", "lost FES 2@0"],
    answers: ["C2HTermReq FES 2@0"],
  },
  {
    row: "T14",
    what: "a command before ICReq",
    input: () => ControllerBench.open().command(1, 0),
    expected: "FES 2@0",
  },
  {
    row: "T15",
    what: "TermReq as first PDU",
    input: ({ pdus }) => pdus.termReq(PduType.H2CTermReq, 2),
    expected: "peer FES 2@0",
  },
  {
    row: "T4",
    what: "128 bytes of a port scanner",
    input: () => bytes(128, 0x5a),
    expected: "FES 1@0",
  },
  {
    row: "T5",
    what: "HTTP",
    input: () => new TextEncoder().encode("GET / HTTP/1.1\r\nHost: target\r\n\r\n"),
    expected: "FES 1@0",
  },
];

const toHost: BadInput<HostBench>[] = [
  {
    row: "H1",
    what: "banner of SSH",
    input: () => new TextEncoder().encode("SSH-2.0-OpenSSH_9.9\r\n"),
    expected: "FES 1@0",
  },
  {
    row: "H1",
    what: "HTTP/1.1 400",
    input: () => new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"),
    expected: "FES 1@0",
  },
  { row: "H1", what: "zeroes", input: () => bytes(128), expected: "FES 1@0" },
  {
    row: "H2",
    what: "ICResp with HLEN 24",
    input: ({ pdus }) => pdus.icResp({}, { hlen: 24 }),
    expected: "FES 1@2",
  },
  {
    row: "H2",
    what: "ICResp with a PDO",
    input: ({ pdus }) => pdus.icResp({}, { pdo: 1 }),
    expected: "FES 1@3",
  },
  {
    row: "H2",
    what: "ICResp with PLEN 132",
    input: ({ pdus }) => pdus.icResp({}, { plen: 132 }),
    expected: "FES 1@4",
  },
  {
    row: "H3",
    what: "ICResp with a PDU format version that does not exist",
    input: ({ pdus }) => pdus.icResp({ pfv: 2 }),
    expected: "FES 6@8",
  },
  {
    row: "H3",
    what: "ICResp with CPDA 32",
    input: ({ pdus }) => pdus.icResp({ cpda: 32 }),
    expected: "FES 1@10",
  },
  ...[0, 4095, 4097].map((maxh2cdata) => ({
    row: "H3",
    what: `ICResp with MAXH2CDATA ${maxh2cdata}`,
    input: ({ pdus }: HostBench) => pdus.icResp({ maxh2cdata }),
    expected: "FES 1@12",
  })),
  {
    row: "H4",
    what: "ICResp with a header digest that was not asked for, or without one that was",
    input: ({ pdus }) => pdus.icResp({ hdgst: pdus.shape.headerDigest ? 0 : 1 }),
    expected: "FES 1@11",
  },
  {
    row: "H4",
    what: "ICResp with a data digest that was not asked for, or without one that was",
    input: ({ pdus }) => pdus.icResp({ ddgst: pdus.shape.dataDigest ? 0 : 1 }),
    expected: "FES 1@11",
  },
  {
    row: "H5",
    what: "two ICResps",
    input: ({ pdus }) => joined(pdus.icResp(), pdus.icResp()),
    expected: ["opened", "lost FES 2@0"],
    answers: ["H2CTermReq FES 2@0"],
  },
  {
    row: "H5",
    what: "a completion before ICResp",
    input: () => HostBench.open().completion(0),
    expected: "FES 2@0",
  },
  {
    row: "H40",
    what: "C2HTermReq instead of ICResp",
    input: ({ pdus }) => pdus.termReq(PduType.C2HTermReq, 6, 8, pdus.icReq()),
    expected: "peer FES 6@8",
  },
  {
    row: "H6",
    what: "our own ICReq, from a peer that echoes",
    input: ({ pdus }) => pdus.icReq(),
    expected: "FES 1@0",
  },
];

describe("what a controller refuses", () => {
  test.each(toController.map((row) => [row.row, row.what, row] as const))(
    "%s: %s",
    (_id, _what, row) => {
      expect(faultsOf(newController, row)).toEqual([]);
    },
  );
});

describe("what a host refuses", () => {
  test.each(toHost.map((row) => [row.row, row.what, row] as const))("%s: %s", (_id, _what, row) => {
    expect(faultsOf(newHost, row)).toEqual([]);
  });
});

test("H4: the error tells which digests there are, and what to do", () => {
  const bench = new HostBench({ headerDigest: true });
  bench.receive(bench.pdus.icResp({ hdgst: 0 }));
  const error = bench.error as ProtocolError;
  expect(error.message).toContain("no digest to a request for header digest");
  expect(error.phase).toBe("initialize");
  expect(error.hint).toContain("--hdr-digest");
});

describe("an initialisation that does not come", () => {
  test("T2: a silent host is dropped after 5 s, and nothing is sent to it", () => {
    const bench = new ControllerBench();
    expect(bench.session.deadlineMs()).toBe(bench.nowMs + 5_000);
    bench.session.tick(bench.nowMs + 4_999);
    expect(bench.events).toEqual([]);
    bench.session.tick(bench.nowMs + 5_000);
    expect(bench.events).toEqual(["lost NVME_ERR_INITIALIZE_TIMEOUT"]);
    expect(bench.sent()).toEqual([]);
    expect(bench.session.deadlineMs()).toBe(Infinity);
  });

  test("T7: an ICReq of one byte a second is not waited for beyond 5 s", () => {
    const bench = new ControllerBench();
    const request = bench.pdus.icReq();
    for (let second = 1; second <= 5; second++) {
      bench.nowMs += 1_000;
      bench.session.tick(bench.nowMs);
      bench.receive(request.subarray(second - 1, second));
    }
    expect(bench.events).toEqual(["lost NVME_ERR_INITIALIZE_TIMEOUT"]);
  });

  test("a host gives up at its own deadline, with a hint", () => {
    const bench = new HostBench();
    bench.session.tick(bench.nowMs + 5_000);
    expect(bench.events).toEqual(["lost NVME_ERR_INITIALIZE_TIMEOUT"]);
    expect(bench.error).toMatchObject({ phase: "initialize" });
    expect(bench.error?.hint).toBeDefined();
  });

  test("an initialisation in time has no deadline behind it", () => {
    const bench = new HostBench();
    bench.receive(bench.pdus.icResp());
    expect(bench.session.deadlineMs()).toBe(Infinity);
    bench.session.tick(bench.nowMs + 1_000_000);
    expect(bench.events).toEqual(["opened"]);
  });
});

test("T11, T12: a peer that goes once it has asked is lost once, and the session stays ended", () => {
  const bench = new ControllerBench({ headerDigest: true, dataDigest: true });
  bench.receive(bench.pdus.icReq());
  bench.session.fail(new Error("gone") as ProtocolError);
  bench.session.fail(new Error("gone again") as ProtocolError);
  bench.receive(bench.command(1, DataDirection.None));
  expect(bench.events).toEqual(["opened", "lost undefined"]);
  expect(bench.sent()).toEqual([]);
});

test("a host's ICReq says one R2T at a time, as the wire counts it", () => {
  const [request] = new HostBench().sent();
  expect(IcReq.maxr2t.get(present(request).view)).toBe(1);
  expect(present(request).view.getUint32(12, true)).toBe(0);
});
