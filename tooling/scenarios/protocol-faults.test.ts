// A controller that breaks the protocol, seen from a host's user: rows F71 to F84 of the fault matrix.
// Read first: docs/fault-matrix.md; lying-port.ts. The rules one by one: transport/src/tcp/host-rules.test.ts.

import { BlockOp, type BlockRequest } from "@nvmeof/bdev";
import { PduFlag, PduType, TermReq } from "@nvmeof/codec";
import type { SessionOptions } from "@nvmeof/transport";
import { RawPdus, type ReceivedPdu } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { expectCleanEnd, expectNoErrors, expectNothingLeft } from "./expectations.ts";
import { type Lie, LyingPort } from "./lying-port.ts";
import { BLOCK_BYTES, World, type WorldOptions } from "./world.ts";

const pdus = new RawPdus();
const GUARD_BYTES = 64;
/** Links of the first association. */
const ADMIN = 0;
const IO = 1;

function liars(options: WorldOptions = {}, asked: Partial<SessionOptions> = {}) {
  const world = new World({ over: "tcp", ...options });
  const port = new LyingPort("liar", world.clock, asked);
  world.replacePort(0, port);
  return { world, port };
}

/** Lies once: about the first PDU of that name on the I/O queue. */
const once = (name: string, lie: (pdu: ReceivedPdu) => readonly Uint8Array[]): Lie => {
  let told: "no" | "yes" = "no";
  return (pdu, link) => {
    if (link !== IO || pdu.name !== name || told === "yes") return undefined;
    told = "yes";
    return lie(pdu);
  };
};

/** With other bytes at some places. */
function changed(pdu: ReceivedPdu, change: (view: DataView) => void): Uint8Array {
  const bytes = pdu.bytes.slice();
  change(new DataView(bytes.buffer));
  return bytes;
}

const withStatus = (pdu: ReceivedPdu, status: number): Uint8Array =>
  changed(pdu, (view) => view.setUint16(22, status, true));

const cidOf = ({ view }: ReceivedPdu): number => view.getUint16(20, true);
const cccidOf = ({ view }: ReceivedPdu): number => view.getUint16(8, true);

/** "FES 1@20": what the last H2CTermReq on a link says. */
function termReqOn(port: LyingPort, link: number): string | undefined {
  const found = port.sent.filter((each) => each.link === link && each.pdu.name === "H2CTermReq");
  if (found.length > 1) throw new Error(`${found.length} TermReqs on one connection`);
  const view = found[0]?.pdu.view;
  return view && `FES ${TermReq.fes.get(view)}@${TermReq.fei.get(view)}`;
}

interface Fault {
  readonly row: string;
  readonly what: string;
  readonly request: Partial<BlockRequest>;
  readonly lie: Lie;
  /** What the host says before it ends the connection; `undefined` where it goes on. */
  readonly told: string | undefined;
}

const read = { op: BlockOp.Read, blockCount: 8 };
const write = { op: BlockOp.Write, blockCount: 1 };
/** More than fits into a capsule. */
const largeWrite = { op: BlockOp.Write, blockCount: 64 };
const flush = { op: BlockOp.Flush, blockCount: 0 };
const whole = new Uint8Array(8 * BLOCK_BYTES).fill(0xee);
const last = PduFlag.Last;
const done = PduFlag.Last | PduFlag.Success;

/** In place of the read's data. */
const c2h = (row: string, what: string, told: string | undefined, ...parts: DataPart[]): Fault => ({
  row,
  what,
  told,
  request: read,
  lie: once("C2HData", (pdu) =>
    parts.map(({ cccid, flags, data = whole, ...fields }) =>
      pdus.c2hData({ cccid: cccid ?? cccidOf(pdu), ...fields }, { data, flags: flags ?? done }),
    ),
  ),
});

interface DataPart {
  readonly cccid?: number;
  readonly datao?: number;
  readonly flags?: number;
  readonly data?: Uint8Array;
}

/** In place of the R2T for a large write, or before the answer to something else. */
const r2t = (
  row: string,
  what: string,
  told: string,
  fields: { cccid?: number; r2to?: number; r2tl?: number },
  request: Partial<BlockRequest> = largeWrite,
): Fault => ({
  row,
  what,
  told,
  request,
  lie: once(
    request === largeWrite ? "R2T" : request === read ? "C2HData" : "CapsuleResp",
    (pdu) => {
      const cccid = request === largeWrite || request === read ? cccidOf(pdu) : cidOf(pdu);
      return [pdus.r2t({ cccid, ttag: 1, r2tl: 4096, ...fields })];
    },
  ),
});

const faults: readonly Fault[] = [
  {
    row: "F71",
    what: "a completion that comes twice",
    request: write,
    lie: once("CapsuleResp", (pdu) => [pdu.bytes, pdu.bytes]),
    told: "FES 1@20",
  },
  {
    row: "F72",
    what: "a completion for a CID that was never used",
    request: write,
    lie: once("CapsuleResp", (pdu) => [pdus.capsuleResp({ cid: cidOf(pdu) + 1, sqid: 1 })]),
    told: "FES 1@20",
  },
  c2h("F74", "data for a command that there is none of", "FES 1@8", { cccid: 100 }),
  {
    row: "F74",
    what: "data for a write",
    request: write,
    lie: once("CapsuleResp", (pdu) => [pdus.c2hData({ cccid: cidOf(pdu) }, { data: whole })]),
    told: "FES 1@8",
  },
  {
    row: "F74",
    what: "data for a flush",
    request: flush,
    lie: once("CapsuleResp", (pdu) => [pdus.c2hData({ cccid: cidOf(pdu) }, { data: whole })]),
    told: "FES 1@8",
  },
  {
    row: "F74",
    what: "data after the completion",
    request: read,
    lie: once("C2HData", (pdu) => [pdu.bytes, pdu.bytes]),
    told: "FES 1@8",
  },
  c2h("F75", "data beyond what was asked for", "FES 4@0", { datao: 512 }),
  c2h("F75", "data with a gap before it", "FES 1@12", { datao: 512, data: whole.subarray(512) }),
  c2h(
    "F75",
    "data that overlaps what has come",
    "FES 1@12",
    { data: whole.subarray(0, 1024), flags: 0 },
    { data: whole.subarray(0, 3584), datao: 512 },
  ),
  c2h("F76", "SUCCESS without LAST_PDU", "FES 1@1", { flags: PduFlag.Success }),
  c2h(
    "F76",
    "LAST_PDU, and more data",
    "FES 2@0",
    { data: whole.subarray(0, 1024), flags: last },
    { data: whole.subarray(1024), datao: 1024 },
  ),
  c2h("F76", "success with half of the data", undefined, { data: whole.subarray(0, 2048) }),
  r2t("F77", "R2T for a read", "FES 1@8", {}, read),
  r2t("F77", "R2T for a command that there is none of", "FES 1@8", { cccid: 100 }),
  r2t("F77", "R2T of nothing", "FES 1@16", { r2tl: 0 }),
  r2t("F77", "R2T that leaves something out", "FES 1@12", { r2to: 512 }),
  r2t("F77", "R2T beyond the end", "FES 4@0", { r2tl: 64 * BLOCK_BYTES + 4 }),
  r2t("F77", "R2T for data that went in the capsule", "FES 4@0", {}, write),
  {
    row: "F77",
    what: "the same R2T twice",
    request: largeWrite,
    lie: once("R2T", (pdu) => {
      const half = changed(pdu, (view) => view.setUint32(16, 512, true));
      return [half, half];
    }),
    told: "FES 1@12",
  },
  {
    row: "F84",
    what: "a completion of another queue",
    request: write,
    lie: once("CapsuleResp", (pdu) => [changed(pdu, (view) => view.setUint16(18, 7, true))]),
    told: "FES 1@18",
  },
  {
    row: "F84",
    what: "an SQ head pointer beyond the queue, a phase bit, and reserved bits",
    request: write,
    lie: once("CapsuleResp", (pdu) => [
      changed(pdu, (view) => {
        view.setUint16(16, 0xfffe, true);
        view.setUint16(22, 1, true);
        view.setUint32(12, 0xffff_ffff, true);
      }),
    ]),
    told: undefined,
  },
];

/** A request with a guarded buffer of its own. */
function submitted(world: World, request: Partial<BlockRequest>) {
  const channel = world.device().openChannel();
  const bytes = (request.blockCount ?? 0) * BLOCK_BYTES;
  const guarded = new Uint8Array(bytes + 2 * GUARD_BYTES).fill(0xa5);
  const data = guarded.subarray(GUARD_BYTES, GUARD_BYTES + bytes);
  if (request.op === BlockOp.Write) data.fill(0x17);
  const watched = world.submit(channel, bytes === 0 ? request : { ...request, data });
  const isIntact = (): boolean =>
    guarded.every((byte, at) => byte === 0xa5 || (at >= GUARD_BYTES && at < GUARD_BYTES + bytes));
  return { channel, watched, isIntact, data };
}

describe("a controller that breaks the protocol is told how, left, and connected to anew", () => {
  test.each(faults.map((fault) => [fault.row, fault.what, fault] as const))(
    "%s: %s",
    async (_row, _what, { request, lie, told }) => {
      const { world, port } = liars();
      const { controller } = await world.attach();
      const states: string[] = [];
      controller.observe((event) => event.type === "state" && states.push(event.to));
      port.lie = lie;
      const { watched, isIntact, data } = submitted(world, request);
      await world.runUntil(() => watched.settled.length > 0 && controller.state === "live");
      await world.pass(5_000);
      expect(termReqOn(port, IO)).toBe(told);
      expect(states).toEqual(told === undefined ? [] : ["recovering", "live"]);
      // The last word on the connection is ours.
      if (told !== undefined) expect(port.namesOn(IO).at(-1)).toBe("H2CTermReq");
      expectNoErrors([watched]);
      expect(isIntact()).toBe(true);
      // What the liar sent is not what the user has.
      if (request === read) expect(data.every((byte) => byte === 0)).toBe(true);
      await expectCleanEnd(world);
    },
  );
});

test("F72: the answer to a command that was given up is taken once, and not twice", async () => {
  const { world, port } = liars({ controller: { ioTimeoutMs: 2_000, onTimeout: "abort" } });
  const { controller } = await world.attach();
  let held: ReceivedPdu | undefined;
  port.lie = once("CapsuleResp", (pdu) => {
    held = pdu;
    return [];
  });
  const { watched } = submitted(world, write);
  await world.runUntil(() => watched.settled.length > 0);
  expect(watched.settled[0]!.error?.code).toBe("NVME_ERR_TIMEOUT");
  expect(controller.state).toBe("live");
  const late = held!.bytes;
  port.lie = once("CapsuleResp", (pdu) => [late, pdu.bytes, late]);
  const next = submitted(world, write);
  await world.runUntil(() => next.watched.settled.length > 0);
  expectNoErrors([next.watched]);
  expect(watched.settled).toHaveLength(1);
  expect(termReqOn(port, IO)).toBe("FES 1@20");
  await world.runUntil(() => controller.state === "live");
  await expectCleanEnd(world);
});

test("F73, H15: a CID is not used again while its answer may come, so that none can be mixed up", async () => {
  const { world, port } = liars({
    controller: { ioTimeoutMs: 2_000, onTimeout: "abort", queueEntries: 4 },
  });
  await world.attach();
  const held: ReceivedPdu[] = [];
  port.lie = (pdu, link) => {
    if (link !== IO || pdu.name !== "CapsuleResp" || held.length > 0) return undefined;
    held.push(pdu);
    return [];
  };
  const { watched, channel } = submitted(world, write);
  await world.runUntil(() => watched.settled.length > 0);
  // All other CIDs are used, again and again, while this one is still owed an answer.
  const used = new Set<number>();
  const sentBefore = port.sent.length;
  for (let round = 0; round < 5; round++) {
    const more = world.writes(channel, 3, round);
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(more);
  }
  for (const { pdu, link } of port.sent.slice(sentBefore)) {
    if (link === IO && pdu.name === "CapsuleCmd") used.add(pdu.view.getUint16(10, true));
  }
  expect(used.has(cidOf(held[0]!))).toBe(false);
  expect(used.size).toBe(2);
  await expectCleanEnd(world);
});

test("F78: success of a write before all of its data was asked for is accepted", async () => {
  const { world, port } = liars();
  const { controller } = await world.attach();
  port.lie = once("R2T", (pdu) => [pdus.capsuleResp({ cid: cccidOf(pdu), sqid: 1 })]);
  const { watched } = submitted(world, largeWrite);
  await world.runUntil(() => watched.settled.length > 0);
  expectNoErrors([watched]);
  expect(controller.state).toBe("live");
  expect(port.namesOn(IO)).not.toContain("H2CData");
  await expectCleanEnd(world);
});

test("F79: a bad data digest costs the command its data, and nobody the connection", async () => {
  const { world, port } = liars({}, { dataDigest: true });
  const { controller } = await world.attach();
  const states: string[] = [];
  controller.observe((event) => event.type === "state" && states.push(event.to));
  port.lie = once("C2HData", (pdu) => [
    changed(pdu, (view) => view.setUint8(view.byteLength - 10, 0x77)),
  ]);
  const { watched, data } = submitted(world, read);
  await world.runUntil(() => watched.settled.length > 0);
  expectNoErrors([watched]);
  expect(data.every((byte) => byte === 0)).toBe(true);
  expect(port.namesOn(IO).filter((name) => name === "CapsuleCmd")).toHaveLength(3);
  expect(states).toEqual([]);
  expect(termReqOn(port, IO)).toBeUndefined();
  await expectCleanEnd(world);
});

test("F80: after a bad header digest nothing is believed, however good it looks", async () => {
  const { world, port } = liars({}, { headerDigest: true });
  const { controller } = await world.attach();
  port.lie = once("CapsuleResp", (pdu) => [
    changed(pdu, (view) => view.setUint8(24, view.getUint8(24) ^ 1)),
    pdu.bytes,
  ]);
  const { watched } = submitted(world, write);
  let answered: number | undefined;
  controller.observe((event) => {
    if (event.type === "state") answered ??= watched.settled.length;
  });
  await world.runUntil(() => watched.settled.length > 0);
  expect(answered).toBe(0);
  expect(termReqOn(port, IO)).toMatch(/^FES 3@\d+$/);
  expectNoErrors([watched]);
  await expectCleanEnd(world);
});

describe("F81: a TermReq of the controller is told in its words, and never answered", () => {
  const cases: readonly { readonly what: string; readonly fes: number; readonly plen?: number }[] =
    [
      ...[1, 2, 3, 4, 5, 6].map((fes) => ({ what: `FES ${fes}`, fes })),
      { what: "FES 0", fes: 0 },
      { what: "FES 65,535", fes: 65_535 },
      { what: "PLEN 8", fes: 1, plen: 8 },
      { what: "PLEN 153", fes: 1, plen: 153 },
    ];
  test.each(cases)("F81: $what", async ({ fes, plen }) => {
    const { world, port } = liars();
    const { controller } = await world.attach();
    const reasons: string[] = [];
    controller.observe((event) => {
      if (event.type === "state" && event.reason !== undefined) reasons.push(event.reason.code);
    });
    const quoted = pdus.capsuleCmd({ opc: 1, cid: 3 });
    const parts = plen === undefined ? {} : { plen };
    port.lie = once("CapsuleResp", () => [pdus.termReq(PduType.C2HTermReq, fes, 8, quoted, parts)]);
    const { watched } = submitted(world, write);
    await world.runUntil(() => watched.settled.length > 0 && controller.state === "live");
    expectNoErrors([watched]);
    expect(reasons[0]).toBe(plen === undefined ? "NVME_ERR_PEER_TERMINATED" : "NVME_ERR_PROTOCOL");
    expect(port.namesOn(IO)).not.toContain("H2CTermReq");
    await expectCleanEnd(world);
  });
});

const badStarts: readonly (readonly [what: string, lie: (pdu: ReceivedPdu) => Uint8Array[]])[] = [
  ["a PDU before ICResp", (pdu) => [pdus.capsuleResp({ cid: 0 }), pdu.bytes]],
  ["two ICResps", (pdu) => [pdu.bytes, pdu.bytes]],
  ["a version that does not exist", () => [pdus.icResp({ pfv: 1 })]],
  ["CPDA 32", () => [pdus.icResp({ cpda: 32 })]],
  ["MAXH2CDATA 4,095", () => [pdus.icResp({ maxh2cdata: 4_095 })]],
  ["MAXH2CDATA 4,098", () => [pdus.icResp({ maxh2cdata: 4_098 })]],
];

describe("F82: an initialisation that breaks the protocol fails the attempt, whole", () => {
  test.each(badStarts)("F82: %s", async (_what, lie) => {
    const { world, port } = liars();
    port.lie = (pdu) => (pdu.name === "ICResp" ? lie(pdu) : undefined);
    await expect(world.attach()).rejects.toMatchObject({ code: "NVME_ERR_PROTOCOL" });
    expect(port.namesOn(ADMIN).at(-1)).toBe("H2CTermReq");
    expect(port.attempts).toBe(1);
    await world.pass(5_000);
    expectNothingLeft(world);
  });

  test("F82: a controller that comes back so is asked three times, and then left for good", async () => {
    const { world, port } = liars({ controller: { reconnect: { lossMs: 3_600_000 } } });
    const { controller } = await world.attach();
    port.lie = (pdu) => (pdu.name === "ICResp" ? [pdus.icResp({ pfv: 9 })] : undefined);
    const before = port.attempts;
    port.reset();
    await world.runUntil(() => controller.state === "closed", 60_000);
    expect(port.attempts - before).toBe(3);
    expect(controller.reason?.code).toBe("NVME_ERR_PROTOCOL");
    await world.pass(5_000);
    expect(world.hostClock.armed).toBe(0);
  });
});

const strangers: readonly (readonly [speaks: string, bytes: string])[] = [
  ["HTTP", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"],
  ["TLS", "\u0015\u0003\u0003\u0000\u0002\u0002\u0028"],
  ["SSH", "SSH-2.0-OpenSSH_9.9\r\n"],
];

test.each(strangers)(
  "F83, H1: a server that speaks %s is called by its name",
  async (speaks, text) => {
    const { world, port } = liars();
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    port.lie = (pdu) => (pdu.name === "ICResp" ? [bytes, new Uint8Array(8)] : undefined);
    await expect(world.attach()).rejects.toMatchObject({
      code: "NVME_ERR_PROTOCOL",
      speaks,
      message: expect.stringContaining(`the peer speaks ${speaks}, not NVMe/TCP`),
      hint: expect.stringContaining(speaks === "TLS" ? "--tls-key-file" : "Check the port"),
    });
    await world.pass(5_000);
    expectNothingLeft(world);
  },
);

test("F86: a status that may be retried, again and again, is told in the end", async () => {
  const { world, port } = liars();
  const { controller } = await world.attach();
  // Command Interrupted, SCT 0h, SC 21h, without Do Not Retry.
  port.lie = (pdu, link) =>
    link === IO && pdu.name === "CapsuleResp" ? [withStatus(pdu, 0x21 << 1)] : undefined;
  const { watched } = submitted(world, write);
  await world.runUntil(() => watched.settled.length > 0);
  expect(watched.settled[0]!.error).toMatchObject({ code: "NVME_ERR_STATUS", status: 0x21 });
  const tries = port.namesOn(IO).filter((name) => name === "CapsuleCmd").length - 1;
  expect(tries).toBeGreaterThan(1);
  expect(tries).toBeLessThan(20);
  expect(controller.state).toBe("live");
  port.lie = () => undefined;
  await expectCleanEnd(world);
});

test("F85: nothing with Do Not Retry is tried again", async () => {
  const { world, port } = liars();
  await world.attach();
  port.lie = (pdu, link) =>
    link === IO && pdu.name === "CapsuleResp" ? [withStatus(pdu, 0x8000 | (0x21 << 1))] : undefined;
  const { watched } = submitted(world, write);
  await world.runUntil(() => watched.settled.length > 0);
  expect(watched.settled[0]!.error).toMatchObject({ code: "NVME_ERR_STATUS" });
  expect(port.namesOn(IO).filter((name) => name === "CapsuleCmd")).toHaveLength(2);
  port.lie = () => undefined;
  await expectCleanEnd(world);
});
