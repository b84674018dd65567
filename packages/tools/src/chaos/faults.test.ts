// Every kind of fault between our own host and target: what they say of it, and that nothing is lost by it.
// Read first: testing/chaos-lab.ts; kinds.ts. Each row strikes once, or for a while, and then all is well.

import { expect, test } from "vitest";
import { type FaultKind, faultKinds } from "./kinds.ts";
import { ChaosLab, reads, writes } from "./testing/chaos-lab.ts";

/** What host and target say; what is not named must not be. */
interface Sees {
  /** Why the host has lost its controller first. */
  readonly lost?: string;
  /** Why the target has ended a connection. */
  readonly refused?: RegExp;
  /** Requests that fail, by their status. */
  readonly failed?: number;
  /** A read that succeeds has wrong data: nobody can know. */
  readonly wrong?: true;
  /** Host and target agree on digests. */
  readonly digests?: true;
}

type Row = readonly [kind: FaultKind, values: object, select: object, sees: Sees];

const io = { queue: "io", opcode: ["read", "write"], count: 1 };
const late = { afterMs: 30, connection: [1, 2] };
const timeout = { lost: "NVME_ERR_TIMEOUT" };
const protocol = { lost: "NVME_ERR_PROTOCOL", refused: /^the peer ended the connection/ };
const gone = { lost: "NVME_ERR_CONNECTION_LOST" };
const terminated = "NVME_ERR_PEER_TERMINATED";

/** Status that a request fails with: Command ID Conflict; Unrecovered Read Error, DNR. */
const CONFLICT = 0x0003;
const READ_ERROR_DNR = 0x4281;

const flow: readonly Row[] = [
  ["drop-pdu", {}, { ...io, pdu: "CapsuleCmd", opcode: "read" }, timeout],
  ["drop-pdu", {}, { ...io, pdu: "CapsuleResp", opcode: "write" }, timeout],
  ["drop-pdu", {}, { ...io, pdu: "C2HData" }, timeout],
  ["drop-pdu", {}, { ...io, pdu: "R2T" }, timeout],
  ["drop-pdu", {}, { ...io, pdu: "H2CData" }, timeout],
  // The host has answered once, and what it reads of a copy is a second command with its CID.
  ["dup-pdu", {}, { ...io, pdu: "CapsuleCmd", opcode: "read" }, { ...protocol, failed: CONFLICT }],
  ["dup-pdu", {}, { ...io, pdu: "CapsuleResp" }, protocol],
  ["dup-pdu", {}, { ...io, pdu: "C2HData" }, protocol],
  ["dup-pdu", {}, { ...io, pdu: "H2CData" }, { lost: terminated, refused: /TTAG .* not issued/ }],
  ["delay-pdu", { delayMs: 100 }, { ...io, pdu: "CapsuleResp" }, {}],
  ["delay-pdu", { delayMs: 600 }, { ...io, pdu: "CapsuleResp" }, timeout],
  ["hold-response", { holdMs: 100 }, io, {}],
  ["hold-response", { holdMs: 2000 }, io, timeout],
  ["reorder", {}, { ...io, pdu: "CapsuleResp" }, {}],
  ["reorder", { afterPdus: 2 }, { ...io, pdu: "CapsuleCmd" }, {}],
  ["reorder", { afterPdus: 64, holdMs: 50 }, { ...io, pdu: "C2HData" }, {}],
  ["truncate", {}, { ...io, pdu: "C2HData" }, gone],
  ["truncate", { bytes: 7, ends: "reset" }, { ...io, pdu: "CapsuleCmd" }, gone],
  ["truncate", { bytes: 0, ends: "silence" }, { ...io, pdu: "C2HData" }, timeout],
  ["blackhole", {}, { ...io, pdu: "CapsuleCmd" }, { ...timeout, refused: /host-left/ }],
  ["blackhole", { silences: "downstream" }, { ...io, pdu: "CapsuleCmd" }, timeout],
  ["blackhole", { silences: "upstream", forMs: 100 }, { ...io, pdu: "CapsuleCmd" }, timeout],
  ["half-open", {}, { ...io, pdu: "CapsuleCmd" }, timeout],
  ["half-open", { loses: "host" }, { ...io, pdu: "CapsuleCmd" }, { ...gone, refused: /host-left/ }],
  ["kato-starve", {}, { untilMs: 5000 }, { ...gone, refused: /keep-alive-expired/ }],
  ["kato-starve", { drops: "answers" }, { count: 1 }, { lost: "NVME_ERR_KEEP_ALIVE" }],
  ["term-req", { fes: 5 }, { ...io, pdu: "CapsuleResp" }, { lost: terminated }],
  ["term-req", {}, { ...io, pdu: "CapsuleCmd" }, { ...gone, refused: /the peer ended/ }],
];

const content: readonly Row[] = [
  ["flip-bit", { where: "data" }, { ...io, pdu: "C2HData" }, { wrong: true, digests: true }],
  ["flip-bit", { where: "data" }, { ...io, pdu: "H2CData" }, { wrong: true }],
  ["flip-bit", { where: "data", digests: "left" }, { ...io, pdu: "C2HData" }, { digests: true }],
  ["flip-bit", { where: "data", digests: "left" }, { ...io, pdu: "H2CData" }, { digests: true }],
  ["flip-bit", { where: "header", bit: 7 }, { ...io, pdu: "CapsuleResp" }, protocol],
  [
    "flip-bit",
    { where: "header", digests: "left" },
    { ...io, pdu: "R2T" },
    { lost: "NVME_ERR_PROTOCOL", refused: /ended the connection/, digests: true },
  ],
  ["bad-hdgst", {}, { ...io, direction: "downstream" }, { ...protocol, digests: true }],
  [
    "bad-hdgst",
    {},
    { ...io, direction: "upstream" },
    { lost: terminated, refused: /header digest mismatch/, digests: true },
  ],
  ["bad-ddgst", {}, { ...io, direction: "downstream" }, { digests: true }],
  ["bad-ddgst", {}, { ...io, direction: "upstream" }, { digests: true }],
  ["dup-completion", {}, { ...io, pdu: "CapsuleResp" }, protocol],
  ["dup-completion", {}, { ...io, pdu: "C2HData" }, protocol],
  ["unknown-cid", {}, { ...io, pdu: "CapsuleResp" }, protocol],
  ["unknown-cid", {}, { ...io, pdu: "C2HData" }, protocol],
  ["unknown-cid", {}, { ...io, pdu: "R2T" }, protocol],
  ["swap-cid", {}, { ...io, pdu: "CapsuleResp" }, protocol],
  ["swap-cid", {}, { ...io, pdu: "C2HData" }, protocol],
  ["swap-cid", {}, { ...io, pdu: "R2T" }, protocol],
  ["early-completion", {}, { ...io, opcode: "write" }, protocol],
  ["early-completion", {}, { ...io, opcode: "read" }, { ...protocol, failed: CONFLICT }],
  ["early-completion", { command: "drop" }, { ...io, opcode: "write" }, { wrong: true }],
  ["early-completion", { command: "drop" }, { ...io, opcode: "read" }, {}],
  ["r2t-overrun", {}, io, protocol],
  ["r2t-zero", {}, io, protocol],
  ["short-data", {}, { ...io, pdu: "C2HData" }, {}],
  [
    "short-data",
    { bytes: 4 },
    { ...io, pdu: "H2CData" },
    { lost: terminated, refused: /LAST_PDU/ },
  ],
  ["extra-data", {}, { ...io, pdu: "C2HData" }, protocol],
  ["extra-data", {}, { ...io, pdu: "H2CData" }, { lost: terminated, refused: /of 32768/ }],
  ["status", { sct: 0, sc: 0x82 }, io, {}],
  [
    "status",
    { sct: 2, sc: 0x81, dnr: true },
    { ...io, opcode: "read" },
    { failed: READ_ERROR_DNR },
  ],
];

const bytes: readonly Row[] = [
  ["latency", { latencyMs: 20, jitterMs: 5 }, {}, {}],
  ["latency", { latencyMs: 600 }, late, timeout],
  ["jitter", { jitterMs: 20 }, {}, {}],
  ["bandwidth", { bytesPerSecond: 1_000_000 }, {}, {}],
  ["bandwidth", { bytesPerSecond: 20_000 }, late, timeout],
  ["slicer", { averageBytes: 100, variationBytes: 100, delayMs: 0.1 }, {}, {}],
  ["slow_close", { delayMs: 300 }, { connection: 2 }, {}],
  ["timeout", {}, late, timeout],
  ["timeout", { timeoutMs: 100 }, late, { ...gone, refused: /host-left/ }],
  ["reset_peer", { timeoutMs: 15 }, { connection: 2 }, gone],
  ["limit_data", { bytes: 20_000 }, { connection: 2 }, gone],
  ["down", {}, { afterMs: 30, untilMs: 300 }, { ...gone, refused: /host-left/ }],
];

const all = [...flow, ...content, ...bytes];

test.each(all)("%s %j of %j", async (kind, values, select, sees) => {
  const digests = sees.digests === true;
  const lab = new ChaosLab([{ kind, ...values, select }], { digests, diskMs: 1 });
  await lab.attach();
  await lab.idle(20);
  const under = [...(await lab.load(writes)), ...(await lab.load(reads))];
  await lab.idle(4_000);
  const after = [...(await lab.load(writes, 9)), ...(await lab.load(reads, 9))];
  const tookMs = await lab.close();

  // What delays an end is told when one comes: the last of all, here.
  const done = lab.faults.filter((fault) => fault.kind === kind).length;
  if ("count" in select) expect(done).toBe(1);
  else if (kind !== "slow_close") expect(done).toBeGreaterThan(0);
  expect(lab.losses[0]).toBe(sees.lost);
  const ends = lab.refusals.filter(
    (why) => !/reset the connection|target-closed|closed the/.test(why),
  );
  if (sees.refused === undefined) expect(ends).toEqual([]);
  else expect(ends[0]).toMatch(sees.refused);
  expect(under.flatMap(({ error }) => error?.status ?? [])).toEqual(
    sees.failed === undefined ? [] : [sees.failed],
  );
  expect(under.filter(({ isWrong }) => isWrong).length > 0).toBe(sees.wrong === true);
  // What is over is over: nothing is left of it, in nobody.
  expect(after).toEqual(
    after.map(({ what }) => ({ what, times: 1, error: undefined, isWrong: false })),
  );
  for (const { times } of under) expect(times).toBe(1);
  expect(tookMs).toBeLessThanOrEqual(2_000);
  expect(lab.proxy.counters).toMatchObject({ open: 0, heldBytes: 0 });
  expect(lab.clock.armed).toBe(0);
});

test("a slow close keeps the other side in the dark for so long", async () => {
  const faults = [
    { kind: "slow_close", delayMs: 300 },
    { kind: "limit_data", bytes: 20_000, select: { connection: 2, direction: "downstream" } },
  ];
  const lab = new ChaosLab(faults);
  await lab.attach();
  await lab.load(writes);
  const [closes] = await Promise.all([lab.load(reads), lab.idle(1_000)]);
  expect(closes.map(({ error }) => error)).toEqual([undefined, undefined, undefined, undefined]);
  const at = (kind: string): number => lab.faults.find((fault) => fault.kind === kind)!.atMs;
  const { atMs } = lab.events.find(
    ({ type, connection }) => type === "closed" && connection === 2,
  )!;
  expect(atMs - at("limit_data")).toBeGreaterThanOrEqual(300);
  await lab.close();
});

test("every kind of fault has its row", () => {
  const rows = new Set<string>(all.map(([kind]) => kind));
  expect(Object.keys(faultKinds).filter((kind) => !rows.has(kind))).toEqual([]);
});
