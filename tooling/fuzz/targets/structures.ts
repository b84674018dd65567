// Identify structures, lists and log pages: all that a host reads from a controller's data.
// Read first: parser.ts; Base 2.0 §5.16 "Get Log Page", §5.17 "Identify". Declared structures must also
// come out of their own encoding as they went in.

import * as codec from "@nvmeof/codec";
import {
  AnaState,
  CrossControllerResetEntry,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  LostHostEntry,
  checkNamespaceSize,
  currentLbaFormat,
  decode,
  decodeAnaLog,
  decodeAsyncEvent,
  decodeChangedNamespaces,
  decodeCommandSets,
  decodeControllerList,
  decodeDiscoveryHeader,
  decodeDiscoveryLog,
  decodeEntryLog,
  decodeNamespaceDescriptors,
  decodeNsidList,
  describeStatus,
  encode,
  encodeAnaLog,
  encodeChangedNamespaces,
  encodeControllerList,
  encodeEntryLog,
  encodeNamespaceDescriptors,
  encodeNsidList,
  isNvmeofError,
  readNqn,
  viewOf,
} from "@nvmeof/codec";
// @boundaries-ignore what no package exports is tried as well
import { decodeNamespace } from "../../../packages/core/src/namespace-facts.ts";
import { joined } from "../bytes.ts";
import { Broken, type FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";
import { type Choice, parsers } from "./parser.ts";

/** Increasing NSIDs. */
function nsids(random: Random, most: number): number[] {
  let last = 0;
  return Array.from({ length: random.below(most + 1) }, () => (last += random.between(1, 5)));
}

const page = (random: Random, bytes: number, filled: number): Uint8Array => {
  const out = new Uint8Array(bytes);
  out.set(random.bytes(Math.min(filled, bytes)));
  return out;
};

const anaLog = (random: Random): Uint8Array => {
  let next = 1;
  const groups = Array.from({ length: random.below(6) }, (_, at) => ({
    anagrpid: at + 1,
    chgcnt: BigInt(random.next32()),
    state: random.pick([...Object.values(AnaState), 0, 9]) as AnaState,
    nsids: Array.from({ length: random.below(8) }, () => next++),
  }));
  return encodeAnaLog({ chgcnt: 1n, groups });
};

const discoveryLog = (random: Random): Uint8Array => {
  const count = random.below(5);
  const log = new Uint8Array(DiscoveryLogHeader.size + count * DiscoveryLogEntry.size);
  const view = viewOf(log);
  const numrec = random.once(4) ? BigInt(random.edge()) : BigInt(count);
  encode(DiscoveryLogHeader, view, 0, { genctr: BigInt(random.next32()), numrec });
  for (let at = 0; at < count; at++) {
    encode(DiscoveryLogEntry, view, DiscoveryLogHeader.size + at * DiscoveryLogEntry.size, {
      trtype: random.pick([1, 2, 3, 254, random.byte()]),
      adrfam: random.pick([1, 2, random.byte()]),
      subtype: random.pick([1, 2, 3, random.byte()]),
      portid: random.edge() & 0xffff,
      cntlid: 0xffff,
      asqsz: 32,
      traddr: random.pick(["192.0.2.1", "2001:db8::1", "storage.example", ""]),
      trsvcid: random.pick(["4420", "99999", ""]),
      subnqn: "nqn.2024-01.org.example:fuzz",
    });
  }
  return log;
};

const identifyNamespace = (random: Random): Uint8Array => {
  const out = new Uint8Array(4096);
  const { IdentifyNamespace, LbaFormat } = codec;
  encode(IdentifyNamespace, viewOf(out), 0, {
    nsze: BigInt(random.edge()),
    ncap: BigInt(random.edge()),
    nlbaf: random.between(1, 64),
  });
  encode(LbaFormat, viewOf(out), 128, { lbads: random.pick([9, 12, 0, 8, 31, 63]) });
  return out;
};

const descriptors = (random: Random): Uint8Array =>
  encodeNamespaceDescriptors({
    ...(random.once(2) ? { uuid: random.bytes(16) } : {}),
    ...(random.once(2) ? { nguid: random.bytes(16) } : {}),
    ...(random.once(2) ? { eui64: random.bytes(8) } : {}),
  }).slice(0, random.pick([80, 4096]));

const name = (random: Random): Uint8Array => {
  const out = new Uint8Array(random.pick([256, 256, 224, 10]));
  const text = random.pick(["nqn.2024-01.org.example:disk", "x", "", "a".repeat(240)]);
  out.set(new TextEncoder().encode(text).subarray(0, out.length));
  return out;
};

const choices: readonly Choice[] = [
  { valid: anaLog, decode: (input) => decodeAnaLog(input) },
  { valid: anaLog, decode: (input) => decodeAnaLog(input, 4) },
  { valid: discoveryLog, decode: decodeDiscoveryLog },
  { valid: discoveryLog, decode: decodeDiscoveryHeader },
  { valid: descriptors, decode: decodeNamespaceDescriptors },
  {
    valid: (random) => encodeNsidList(nsids(random, 20)),
    decode: (input) => decodeNsidList(input),
  },
  {
    valid: (random) => encodeNsidList(nsids(random, 20)),
    decode: (input) => decodeNsidList(input, 3),
  },
  { valid: (random) => encodeControllerList(nsids(random, 20)), decode: decodeControllerList },
  {
    valid: (random) => encodeChangedNamespaces(nsids(random, 20)),
    decode: decodeChangedNamespaces,
  },
  { valid: (random) => page(random, 4096, 64), decode: decodeCommandSets },
  {
    valid: (random) =>
      encodeEntryLog(
        CrossControllerResetEntry,
        nsids(random, 5).map((icid) => ({ icid })),
      ),
    decode: (input) => decodeEntryLog(CrossControllerResetEntry, input),
  },
  {
    valid: (random) => page(random, 4096, 128),
    decode: (input) => decodeEntryLog(LostHostEntry, input),
  },
  {
    valid: (random) => joined(identifyNamespace(random), descriptors(random)),
    decode: (input) => {
      const whole = new Uint8Array(8192);
      whole.set(input.subarray(0, 8192));
      checkNamespaceSize(viewOf(whole));
      currentLbaFormat(viewOf(whole));
      const { format, blockCount, identifiers } = decodeNamespace(
        1,
        whole.subarray(0, 4096),
        whole.subarray(4096),
      );
      return { format, blockCount, identifiers };
    },
  },
  {
    valid: name,
    decode: (input) => {
      const field = new Uint8Array(256);
      field.set(input.subarray(0, 256));
      return readNqn(viewOf(field), 0);
    },
  },
  {
    valid: (random) => random.bytes(4),
    decode: (input) => {
      const view = new DataView(new ArrayBuffer(4));
      for (const [at, byte] of input.subarray(0, 4).entries()) view.setUint8(at, byte);
      const word = view.getUint32(0);
      const event = decodeAsyncEvent(word);
      return [
        event,
        describeStatus(word & 0x7fff),
        describeStatus(word & 0x7fff, { fabrics: true }),
      ];
    },
  },
];

export const structures: FuzzTarget = parsers(
  "structures",
  "Identify structures, lists and log pages, in a host",
  choices,
  2_000,
);

type Layout = { readonly size: number };

const isLayout = (value: unknown): value is Layout =>
  typeof value === "object" && value !== null && typeof (value as Layout).size === "number";

/** Every declared structure of the codec, by name. */
const layouts = Object.entries(codec)
  .filter((entry): entry is [string, typeof codec.Cqe] => isLayout(entry[1]))
  .toSorted(([a], [b]) => (a < b ? -1 : 1));

export const layoutTarget: FuzzTarget = {
  name: "layouts",
  reads: "every declared structure: read, written, and read again",
  quickCases: 2_000,
  make: (random) => {
    const at = random.below(layouts.length);
    const size = layouts[at]![1].size;
    const body = random.once(3) ? random.bytes(size) : page(random, size, random.below(size + 1));
    return joined(Uint8Array.of(at & 0xff, at >> 8), body);
  },
  run: (input) => {
    const at = ((input[0] ?? 0) | ((input[1] ?? 0) << 8)) % layouts.length;
    const [layoutName, layout] = layouts[at]!;
    const bytes = new Uint8Array(layout.size);
    bytes.set(input.subarray(2, 2 + layout.size));
    const values = decode(layout, viewOf(bytes));
    const written = new Uint8Array(layout.size).fill(0xff);
    try {
      encode(layout, viewOf(written), 0, values);
    } catch (error) {
      // A text that is none is shown with escapes, and those do not fit its field.
      if (error instanceof RangeError || isNvmeofError(error)) return `${layoutName} not written`;
      throw error;
    }
    const again = decode(layout, viewOf(written));
    for (const [field, value] of Object.entries(values)) {
      const back = (again as Record<string, unknown>)[field];
      const same =
        (value as unknown) instanceof Uint8Array
          ? Buffer.compare(value as unknown as Uint8Array, back as Uint8Array) === 0
          : Object.is(value, back);
      if (!same)
        throw new Broken(`${layoutName}.${field} is ${String(value)}, then ${String(back)}`);
    }
    return layoutName;
  },
};
