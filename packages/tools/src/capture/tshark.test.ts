// Captures of this project, field by field, against Wireshark's reading of them. Where there is no
// tshark the tests are reported as skipped.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PduType } from "@nvmeof/codec";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PduEvent } from "./events.ts";
import type { FieldValue } from "./show/field.ts";
import { pduSections } from "./show/pdu-fields.ts";
import { told } from "./testing/recording.ts";
import { Talk } from "./testing/talk.ts";
import { worldCapture, worldShapes } from "./testing/world.ts";

function tshark(...args: readonly string[]): string {
  const stdio = ["ignore", "pipe", "ignore"] as const;
  const encoding = "utf8" as const;
  return execFileSync("tshark", args, { encoding, stdio: [...stdio], maxBuffer: 2 ** 30 });
}

function versionOf(): string | undefined {
  try {
    return tshark("--version").split("\n")[0];
  } catch {
    return undefined;
  }
}

const version = versionOf();
if (version === undefined) console.warn("No tshark found: captures are not compared with it.");

const folder = mkdtempSync(join(tmpdir(), "nvmeof-tshark-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Names of all fields that Wireshark has. */
let known: ReadonlySet<string>;
beforeAll(() => {
  if (version === undefined) return;
  const lines = tshark("-G", "fields").split("\n");
  known = new Set(lines.map((line) => line.split("\t")[2] ?? ""));
}, 60_000);

/** Values of fields by frame and name, in the order of the frame. */
type Values = ReadonlyMap<number, ReadonlyMap<string, readonly string[]>>;

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const swapped = (word: number): string =>
  Buffer.from(Uint32Array.of(word).buffer).readUInt32BE().toString();
const little = (value: bigint, bytes: number): string => {
  const digits = value.toString(16).padStart(2 * bytes, "0");
  return Buffer.from(digits, "hex").reverse().toString("hex");
};

/** Fields that Wireshark has by the same name and in another shape. */
const shapes: Readonly<Record<string, (value: never) => string>> = {
  // A digest is little-endian on the wire; Wireshark shows its bytes in their order.
  "nvme-tcp.hdgst": swapped,
  "nvme-tcp.ddgst": swapped,
  // Bytes, and not a number or text.
  "nvme.fabrics.cmd.opc": (opc: number) => opc.toString(16),
  "nvme.cmd.identify.ctrl.fr": (text: string) => Buffer.from(text.padEnd(8)).toString("hex"),
  "nvme.cmd.identify.ctrl.ieee": (bytes: Uint8Array) => String(parseInt(hexOf(bytes), 16)),
  "nvme.cmd.identify.ctrl.tnvmcap": (bytes: bigint) => little(bytes, 16),
  "nvme.cmd.identify.ctrl.unvmcap": (bytes: bigint) => little(bytes, 16),
  // A boolean, by mistake.
  "nvme.cmd.identify.ctrl.lpa": (lpa: number) => (lpa === 0 ? "0" : "1"),
};

function textOf(name: string, value: FieldValue): string {
  const shape = shapes[name] as ((value: FieldValue) => string) | undefined;
  if (shape !== undefined) return shape(value);
  return value instanceof Uint8Array ? hexOf(value) : String(value).trim();
}

function ourValues(pdus: readonly PduEvent[]): Values {
  const all = new Map<number, Map<string, string[]>>();
  for (const event of pdus) {
    const frame = all.get(event.frame) ?? new Map<string, string[]>();
    all.set(event.frame, frame);
    for (const { name, value } of pduSections(event).flatMap(({ fields }) => fields)) {
      frame.set(name, [...(frame.get(name) ?? []), textOf(name, value)]);
    }
  }
  return all;
}

const plain = (text: string): string =>
  /^0x[0-9a-f]+$/i.test(text) ? BigInt(text).toString() : text.trim();

const PREFERENCES = ["-o", "nvme-tcp.check_hdgst:TRUE", "-o", "nvme-tcp.check_ddgst:TRUE"];
const AGGREGATOR = "|";

function theirValues(file: Uint8Array, names: readonly string[]): Values {
  const path = join(folder, "capture.pcapng");
  writeFileSync(path, file);
  const shape = ["-E", "occurrence=a", "-E", "separator=/t", "-E", `aggregator=${AGGREGATOR}`];
  const fields = ["frame.number", ...names].flatMap((name) => ["-e", name]);
  const lines = tshark("-r", path, ...PREFERENCES, "-T", "fields", ...shape, ...fields).split("\n");
  return new Map(
    lines
      .filter((line) => line !== "")
      .map((line) => {
        const [frame, ...columns] = line.split("\t");
        const values = names.map((name, i): [string, string[]] => {
          const column = columns[i] ?? "";
          return [name, column === "" ? [] : column.split(AGGREGATOR).map(plain)];
        });
        return [Number(frame), new Map(values)];
      }),
  );
}

/** Whether all of `some` are in `all`, in this order. */
function isWithin(some: readonly string[], all: readonly string[]): boolean {
  let at = 0;
  for (const each of all) if (at < some.length && some[at] === each) at++;
  return at === some.length;
}

/** Fields that both show wherever they occur. */
const always: ReadonlySet<string> = new Set([
  "nvme-tcp.type",
  "nvme-tcp.flags",
  "nvme-tcp.hlen",
  "nvme-tcp.pdo",
  "nvme-tcp.plen",
]);

interface Comparison {
  /** Values that both have. */
  readonly compared: number;
  readonly names: readonly string[];
  readonly differences: readonly string[];
}

/**
 * All fields that both know. Wireshark leaves some out at times, such as the length of a transport
 * SGL; what it shows must be what we show.
 */
function compare(file: Uint8Array, only?: ReadonlySet<string>): Comparison {
  const ours = ourValues(told(file).pdus);
  const all = new Set([...ours.values()].flatMap((frame) => [...frame.keys()]));
  const names = [...all].filter((name) => known.has(name) && only?.has(name) !== false).sort();
  const differences: string[] = [];
  let compared = 0;
  for (const [frame, fields] of theirValues(file, names)) {
    for (const [name, theirs] of fields) {
      const mine = ours.get(frame)?.get(name) ?? [];
      const agrees = always.has(name) ? String(theirs) === String(mine) : isWithin(theirs, mine);
      if (!agrees)
        differences.push(`frame ${frame} ${name}: ${String(theirs)}, not ${String(mine)}`);
      compared += theirs.length;
    }
  }
  return { compared, names, differences };
}

describe.skipIf(version === undefined)("as tshark reads it", { timeout: 60_000 }, () => {
  test.each(worldShapes.filter(({ pda }) => pda === undefined))("$name", async (shape) => {
    const { compared, names, differences } = compare(await worldCapture(shape));
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(2_000);
    expect(names.length).toBeGreaterThan(150);
  });

  test("padded data: Wireshark 4.0 expects none, so headers alone are compared", async () => {
    const padded = worldShapes.find(({ pda }) => pda !== undefined)!;
    const { compared, differences } = compare(await worldCapture(padded), always);
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(400);
  });

  test("a write by several R2Ts, an error, a wrong digest, and a TermReq of each end", () => {
    const shape = { headerDigest: true, dataDigest: true };
    const talk = new Talk(shape).initialize(2).connect({ qid: 1 });
    const { pdus } = talk;
    talk.host(talk.command(1, { opcode: 0x01, bytes: 8192 }));
    talk.controller(
      pdus.r2t({ cccid: 1, ttag: 7, r2to: 0, r2tl: 4096 }),
      pdus.r2t({ cccid: 1, ttag: 8, r2to: 4096, r2tl: 4096 }),
    );
    const data = new Uint8Array(4096).fill(0x5a);
    talk.host(pdus.h2cData({ cccid: 1, ttag: 7 }, { data }));
    talk.host(pdus.h2cData({ cccid: 1, ttag: 8, datao: 4096 }, { data, badDataDigest: true }));
    talk.controller(pdus.capsuleResp({ cid: 1, sct: 0, sc: 0x22, dnr: 1, sqhd: 0xffff }));
    talk.controller(pdus.termReq(PduType.C2HTermReq, 1, 16, pdus.r2t({})));
    const other = new Talk(shape, talk.recording, 50_001).initialize();
    other.host(other.pdus.termReq(PduType.H2CTermReq, 3, 0x1234_5678, other.pdus.icResp({})));
    const { compared, names, differences } = compare(talk.recording.bytes);
    expect(differences).toEqual([]);
    expect(compared).toBeGreaterThan(150);
    const expected = [
      "nvme-tcp.r2t.offset",
      "nvme-tcp.data.offset",
      "nvme-tcp.ddgst.status",
      "nvme-tcp.c2htermreq.phfo",
      "nvme-tcp.h2ctermreq.phd",
      "nvme.cqe.status.dnr",
    ];
    expect(names).toEqual(expect.arrayContaining(expected));
  });

  test("its checksums are right, and its sequence numbers leave nothing to analyse", async () => {
    const path = join(folder, "checked.pcapng");
    writeFileSync(path, await worldCapture(worldShapes[0]!));
    const check = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    const wrong = "tcp.checksum.status != 1 or ip.checksum.status != 1 or tcp.analysis.flags";
    expect(tshark("-r", path, ...check, "-Y", wrong)).toBe("");
    expect(tshark("-r", path, ...check, "-Y", "tcp.checksum.status == 1")).not.toBe("");
  });
});
