// Identify structures as bytes, and the bad ones a host must refuse.

import { expect, test } from "vitest";
import { ParseError } from "./errors.ts";
import {
  Anacap,
  ControllerType,
  Ctratt,
  IdentifyController,
  IdentifyControllerNvm,
  IdentifyNamespace,
  IdentifyNamespaceIndependent,
  LbaFormat,
  Oncs,
  Sgls,
  Vwc,
  checkNamespaceSize,
  currentLbaFormat,
  lbaFormat,
  lbaFormatOffset,
} from "./identify.ts";
import { decode, encode, encoded, viewOf } from "./layout.ts";
import { hexBytes, hexText } from "./nqn.ts";

/** An Identify page with these bytes at these offsets, and zeroes elsewhere. */
function page(parts: Readonly<Record<number, string>>): DataView {
  const bytes = new Uint8Array(4096);
  for (const [offset, hex] of Object.entries(parts)) bytes.set(hexBytes(hex), Number(offset));
  return viewOf(bytes);
}

const ascii = (text: string): string =>
  Array.from(text, (c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("");

const controller = page({
  4: ascii("S1".padEnd(20)),
  24: ascii("Linux".padEnd(40)),
  64: ascii("6.18    "),
  76: "0b", // ports, controllers, ANA
  77: "09", // 2^9 pages
  78: "05 00",
  80: "00 03 02 00", // 2.3.0
  92: "00 09 10 80", // OAES
  96: "41 80 00 00", // CTRATT
  111: "01",
  128: "0a 00 14 00 00 00",
  135: "07 88 77 66 55 44 33 22 11",
  258: "03 03", // ACL, AERL
  261: "06", // LPA
  263: "00", // NPSS
  320: "0a 00",
  342: "0a df", // ANATT, ANACAP
  344: "80 00 00 00 80 00 00 00",
  386: "f4 01",
  512: "66 44 80 00", // SQES, CQES, MAXCMD
  516: "00 04 00 00 2c 00 01 00", // NN, ONCS, FUSES
  525: "07", // VWC
  536: "01 00 30 00 00 04 00 00", // SGLS, MNAN
  768: ascii("nqn.2024-01.com.example:disk"),
  1792: "04 02 00 00 01 00 00 00 00 00 00 01 01 00 00 04",
});

test("Identify Controller of an I/O controller with ANA and Cross-Controller Reset", () => {
  const fields = decode(IdentifyController, controller);
  expect(fields).toMatchObject({
    sn: "S1",
    mn: "Linux",
    fr: "6.18",
    cmic: 0x0b,
    mdts: 9,
    cntlid: 5,
    ver: 0x0002_0300,
    oaes: 0x8010_0900,
    ctratt: Ctratt.HostId128 | Ctratt.TrafficBasedKeepAlive | Ctratt.ExtendedLbaFormats,
    cntrltype: ControllerType.Io,
    crdt1: 10,
    crdt2: 20,
    crdt3: 0,
    ciu: 7,
    cirn: 0x1122_3344_5566_7788n,
    acl: 4,
    aerl: 4,
    npss: 1,
    kas: 10,
    anatt: 10,
    anagrpmax: 128,
    nanagrpid: 128,
    cqt: 500,
    sqes: 0x66,
    cqes: 0x44,
    maxcmd: 128,
    nn: 1024,
    oncs: Oncs.DatasetManagement | Oncs.WriteZeroes | Oncs.Reservations,
    fuses: 1,
    vwc: Vwc.Present | Vwc.FlushAll,
    sgls: Sgls.Supported | Sgls.Offset | Sgls.Transport,
    mnan: 1024,
    subnqn: "nqn.2024-01.com.example:disk",
    ioccsz: 516,
    iorcsz: 1,
    msdbd: 1,
    ofcs: 1,
    ccrl: 4,
  });
  expect(fields.anacap & Anacap.GroupIdFixed).not.toBe(0);
  expect(viewOf(encoded(IdentifyController, fields))).toEqual(controller);
});

test("strings without an end and with control codes are trimmed and replaced [H46]", () => {
  const fields = decode(
    IdentifyController,
    page({ 4: "ff".repeat(20), 768: "41 0a 1b 5b 42 00 43" }),
  );
  expect(fields.sn).toBe("\ufffd".repeat(20));
  expect(fields.subnqn).toBe("A\ufffd\ufffd[B");
});

// 2 GiB in blocks of 512, of two formats the first; deallocated blocks read zeroes.
const namespace = page({
  0: "00 00 40 00 00 00 00 00  00 00 40 00 00 00 00 00  00 00 10 00 00 00 00 00",
  25: "01 00", // NLBAF, FLBAS
  30: "01", // NMIC
  33: "09", // DLFEAT
  92: "03 00 00 00", // ANAGRPID
  104: "00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff  02 46 8a ce 13 57 9b df",
  128: "00 00 09 02  08 00 0c 00",
});

test("Identify Namespace with two formats, the first in use", () => {
  const fields = decode(IdentifyNamespace, namespace);
  expect(fields).toMatchObject({
    nsze: 0x40_0000n,
    ncap: 0x40_0000n,
    nuse: 0x10_0000n,
    nlbaf: 2,
    nmic: 1,
    dlfeat: 9,
    anagrpid: 3,
  });
  expect(hexText(fields.nguid)).toBe("00112233445566778899aabbccddeeff");
  expect(hexText(fields.eui64)).toBe("02468ace13579bdf");
  expect(lbaFormat(namespace, 1)).toEqual({ ms: 8, lbads: 12, rp: 0 });
  expect(currentLbaFormat(namespace)).toEqual({
    index: 0,
    ms: 0,
    lbads: 9,
    rp: 2,
    blockBytes: 512,
    extended: false,
  });
  expect(() => checkNamespaceSize(namespace)).not.toThrow();
});

test("a format is written with the same declaration", () => {
  const view = viewOf(encoded(IdentifyNamespace, { nlbaf: 1, nsze: 8n, ncap: 8n }));
  encode(LbaFormat, view, lbaFormatOffset(0), { lbads: 12 });
  expect(currentLbaFormat(view)).toMatchObject({ index: 0, blockBytes: 4096 });
});

test("metadata at the end of each block makes it an extended LBA", () => {
  const format = currentLbaFormat(page({ 25: "01 11", 132: "08 00 0c 00" }));
  expect(format).toMatchObject({ index: 1, ms: 8, extended: true });
  expect(currentLbaFormat(page({ 25: "01 01", 132: "08 00 0c 00" })).extended).toBe(false);
});

test("with more than 16 formats the index has two more bits, with fewer it has not", () => {
  const many = { 25: "10 20", [lbaFormatOffset(16)]: "00 00 0c 00" };
  expect(currentLbaFormat(page(many))).toMatchObject({ index: 16, lbads: 12 });
  const few = { 25: "0f 60", [lbaFormatOffset(0)]: "00 00 09 00" };
  expect(currentLbaFormat(page(few))).toMatchObject({ index: 0, lbads: 9 });
});

test("formats with attributes of their own count, too (NULBAF)", () => {
  const parts = { 25: "00 01", 82: "01", [lbaFormatOffset(1)]: "00 00 0c 00" };
  expect(currentLbaFormat(page(parts))).toMatchObject({ index: 1, lbads: 12 });
});

/** The error that `run` must throw. */
function parseError(run: () => unknown): ParseError {
  try {
    run();
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test.each([
  ["FLBAS beyond NLBAF", { 25: "01 02", 128: "00 00 09 00" }, 26],
  ["FLBAS beyond NLBAF by its upper bits", { 25: "10 40", 128: "00 00 09 00" }, 26],
  ["blocks of 1 byte", { 25: "00 00", 128: "00 00 00 00" }, 130],
  ["blocks of 256 bytes", { 25: "00 00", 128: "00 00 08 00" }, 130],
  ["blocks of 128 KiB", { 25: "00 00", 128: "00 00 11 00" }, 130],
  ["blocks of 2^63 bytes in format 1", { 25: "01 01", 132: "00 00 3f 00" }, 134],
])("%s: refused at byte %i [H47]", (_what, parts, offset) => {
  expect(parseError(() => currentLbaFormat(page(parts))).offset).toBe(offset);
});

test.each([
  ["NSZE of 2^63 bytes", { 0: "00 00 00 00 00 00 40 00" }, 0],
  ["NSZE of 2^64 - 1 blocks", { 0: "ff ff ff ff ff ff ff ff" }, 0],
  ["NCAP greater than NSZE", { 0: "08 00 00 00 00 00 00 00 09" }, 8],
])("%s: refused [H47]", (_what, parts, offset) => {
  const view = page({ ...parts, 128: "00 00 09 00" });
  expect(parseError(() => checkNamespaceSize(view)).offset).toBe(offset);
});

test("the largest namespace that is not refused", () => {
  const view = page({ 0: "ff ff ff ff ff ff 3f 00", 128: "00 00 09 00" });
  expect(() => checkNamespaceSize(view)).not.toThrow();
  expect(() => checkNamespaceSize(page({}))).toThrow(ParseError); // inactive: no format
});

test("Identify Namespace of any command set", () => {
  const view = page({ 1: "01", 4: "02 00 00 00 01", 10: "03 00 04 00 01" });
  expect(decode(IdentifyNamespaceIndependent, view)).toEqual({
    nsfeat: 0,
    nmic: 1,
    rescap: 0,
    fpi: 0,
    anagrpid: 2,
    nsattr: 1,
    nvmsetid: 3,
    endgid: 4,
    nrdy: 1,
  });
});

test("Identify Controller of the NVM command set", () => {
  const view = page({ 0: "05 06 07 08 00 10 00 00 00 00 00 00 00 00 01 00" });
  expect(decode(IdentifyControllerNvm, view)).toEqual({
    vsl: 5,
    wzsl: 6,
    wusl: 7,
    dmrl: 8,
    dmrsl: 4096,
    dmsl: 1n << 48n,
  });
});
