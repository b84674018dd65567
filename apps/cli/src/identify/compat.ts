// Identify structures as nvme-cli prints them in JSON: names of its own, and numbers as they are stored.
// Read first: Base 2.0 §5.17.2; nvme-cli-2 `id-ctrl -o json`, of which parsers know the names.

import { hexText, viewOf } from "@nvmeof/codec";

/** Where a number or text lies: "u16@78", "s20@4". */
type Place = `${"u8" | "u16" | "u32" | "u64" | "u128" | "s8" | "s20" | "s40"}@${number}`;

/** JSON numbers are exact up to 2^53; what may exceed that is text, as nvme-cli has it. */
const numberOf = (value: bigint): number | string =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();

/** Text is not trimmed there: fields have their width. */
const textAt = (bytes: Uint8Array, at: number, length: number): string =>
  Array.from(bytes.subarray(at, at + length), (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : byte === 0 ? "" : "?",
  ).join("");

/** Reads named places of a structure. */
export function places(
  bytes: Uint8Array,
  named: Readonly<Record<string, Place>>,
): Record<string, unknown> {
  const view = viewOf(bytes);
  const read = (place: Place): number | string => {
    const [kind = "", where = "0"] = place.split("@");
    const at = Number(where);
    switch (kind) {
      case "u8":
        return view.getUint8(at);
      case "u16":
        return view.getUint16(at, true);
      case "u32":
        return view.getUint32(at, true);
      case "u64":
        return numberOf(view.getBigUint64(at, true));
      case "u128":
        return numberOf((view.getBigUint64(at + 8, true) << 64n) | view.getBigUint64(at, true));
      default:
        return textAt(bytes, at, Number(kind.slice(1)));
    }
  };
  return Object.fromEntries(Object.entries(named).map(([name, place]) => [name, read(place)]));
}

const controllerHead: Readonly<Record<string, Place>> = {
  vid: "u16@0",
  ssvid: "u16@2",
  sn: "s20@4",
  mn: "s40@24",
  fr: "s8@64",
  rab: "u8@72",
};

const controllerBody: Readonly<Record<string, Place>> = {
  cmic: "u8@76",
  mdts: "u8@77",
  cntlid: "u16@78",
  ver: "u32@80",
  rtd3r: "u32@84",
  rtd3e: "u32@88",
  oaes: "u32@92",
  ctratt: "u32@96",
  rrls: "u16@100",
  cntrltype: "u8@111",
};

const controllerRest: Readonly<Record<string, Place>> = {
  crdt1: "u16@128",
  crdt2: "u16@130",
  crdt3: "u16@132",
  nvmsr: "u8@253",
  vwci: "u8@254",
  mec: "u8@255",
  oacs: "u16@256",
  acl: "u8@258",
  aerl: "u8@259",
  frmw: "u8@260",
  lpa: "u8@261",
  elpe: "u8@262",
  npss: "u8@263",
  avscc: "u8@264",
  apsta: "u8@265",
  wctemp: "u16@266",
  cctemp: "u16@268",
  mtfa: "u16@270",
  hmpre: "u32@272",
  hmmin: "u32@276",
  tnvmcap: "u128@280",
  unvmcap: "u128@296",
  rpmbs: "u32@312",
  edstt: "u16@316",
  dsto: "u8@318",
  fwug: "u8@319",
  kas: "u16@320",
  hctma: "u16@322",
  mntmt: "u16@324",
  mxtmt: "u16@326",
  sanicap: "u32@328",
  hmminds: "u32@332",
  hmmaxd: "u16@336",
  nsetidmax: "u16@338",
  endgidmax: "u16@340",
  anatt: "u8@342",
  anacap: "u8@343",
  anagrpmax: "u32@344",
  nanagrpid: "u32@348",
  pels: "u32@352",
  domainid: "u16@356",
  megcap: "u128@368",
  sqes: "u8@512",
  cqes: "u8@513",
  maxcmd: "u16@514",
  nn: "u32@516",
  oncs: "u16@520",
  fuses: "u16@522",
  fna: "u8@524",
  vwc: "u8@525",
  awun: "u16@526",
  awupf: "u16@528",
  icsvscc: "u8@530",
  nwpc: "u8@531",
  acwu: "u16@532",
  ocfs: "u16@534",
  sgls: "u32@536",
  mnan: "u32@540",
  maxdna: "u128@544",
  maxcna: "u32@560",
  ioccsz: "u32@1792",
  iorcsz: "u32@1796",
  icdoff: "u16@1800",
  fcatt: "u8@1802",
  msdbd: "u8@1803",
  ofcs: "u16@1804",
};

/** Power State Descriptors lie from here on, 32 bytes each. */
const PSD_OFFSET = 2048;

function powerState(bytes: Uint8Array): object {
  const view = viewOf(bytes);
  const [flags = 0, scale = 0, work = 0] = [bytes[3], bytes[18], bytes[22]];
  return {
    max_power: view.getUint16(0, true),
    max_power_scale: flags & 1,
    "non-operational_state": (flags >> 1) & 1,
    entry_lat: view.getUint32(4, true),
    exit_lat: view.getUint32(8, true),
    read_tput: bytes[12],
    read_lat: bytes[13],
    write_tput: bytes[14],
    write_lat: bytes[15],
    idle_power: view.getUint16(16, true),
    idle_scale: scale >> 6,
    active_power: view.getUint16(20, true),
    active_power_work: work & 7,
    active_scale: work >> 6,
  };
}

/** `id-ctrl -o json`. */
export function compatController(bytes: Uint8Array, subnqn: string): object {
  const [low = 0, middle = 0, high = 0] = bytes.subarray(73, 76);
  const guid = hexText(bytes.subarray(112, 128));
  const npss = bytes[263] ?? 0;
  return {
    ...places(bytes, controllerHead),
    ieee: (high << 16) | (middle << 8) | low,
    ...places(bytes, controllerBody),
    fguid: guid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    ...places(bytes, controllerRest),
    ...(subnqn === "" ? {} : { subnqn }),
    psds: Array.from({ length: npss + 1 }, (_, i) =>
      powerState(bytes.subarray(PSD_OFFSET + 32 * i, PSD_OFFSET + 32 * (i + 1))),
    ),
  };
}

const namespaceHead: Readonly<Record<string, Place>> = {
  nsze: "u64@0",
  ncap: "u64@8",
  nuse: "u64@16",
  nsfeat: "u8@24",
  nlbaf: "u8@25",
  flbas: "u8@26",
  mc: "u8@27",
  dpc: "u8@28",
  dps: "u8@29",
  nmic: "u8@30",
  rescap: "u8@31",
  fpi: "u8@32",
  dlfeat: "u8@33",
  nawun: "u16@34",
  nawupf: "u16@36",
  nacwu: "u16@38",
  nabsn: "u16@40",
  nabo: "u16@42",
  nabspf: "u16@44",
  noiob: "u16@46",
  nvmcap: "u128@48",
};

const namespacePerformance: Readonly<Record<string, Place>> = {
  npwg: "u16@64",
  npwa: "u16@66",
  npdg: "u16@68",
  npda: "u16@70",
  nows: "u16@72",
};

const namespaceRest: Readonly<Record<string, Place>> = {
  mssrl: "u16@74",
  mcl: "u32@76",
  msrc: "u8@80",
  nulbaf: "u8@82",
  anagrpid: "u32@92",
  nsattr: "u8@99",
  nvmsetid: "u16@100",
  endgid: "u16@102",
};

/** NSFEAT.OPTPERF: the preferred sizes mean something. */
const OPTPERF = 0x10;

/** `id-ns -o json`. */
export function compatNamespace(bytes: Uint8Array): object {
  const view = viewOf(bytes);
  const [nsfeat = 0, nlbaf = 0, flbas = 0] = bytes.subarray(24, 27);
  return {
    ...places(bytes, namespaceHead),
    ...((nsfeat & OPTPERF) === 0 ? {} : places(bytes, namespacePerformance)),
    ...places(bytes, namespaceRest),
    nguid: hexText(bytes.subarray(104, 120)),
    eui64: hexText(bytes.subarray(120, 128)),
    lbafs: Array.from({ length: nlbaf + 1 }, (_, i) => ({
      ms: view.getUint16(128 + 4 * i, true),
      ds: view.getUint8(130 + 4 * i),
      rp: view.getUint8(131 + 4 * i) & 3,
      in_use: i === (flbas & 0xf) ? 1 : 0,
    })),
  };
}
