// Every structure that Identify gives, but for those of `id ctrl` and `id ns`.
// Read first: row.ts; Base 2.0 §5.17.2 "Identify Data Structures".

import {
  Cns,
  Csi,
  IdentifyControllerNvm,
  IdentifyNamespaceIndependent,
  NSID_ALL,
  decode,
  decodeCommandSets,
  decodeControllerList,
  decodeNamespaceDescriptors,
  decodeNsidList,
  hexText,
  lbaFormat,
  nameIn,
  uuidText,
  viewOf,
} from "@nvmeof/codec";
import {
  ExtendedLbaFormat,
  IdentifyNamespaceNvm,
  PrimaryControllerCapabilities,
  decodeDomains,
  decodeEnduranceGroups,
  decodeGranularity,
  decodeNvmSets,
  decodeSecondaryControllers,
  decodeUuids,
  extendedLbaFormatOffset,
} from "@nvmeof/codec/management";
import { namespaceBits } from "../bit-names.ts";
import { fieldLines } from "../fields.ts";
import type { Style } from "../style.ts";
import { table } from "../table.ts";
import { type IdentifyOptions, type IdentifyRow, type Shown, bitsFor } from "./row.ts";

const cns = (value: number) => () => value;

/** A structure of fields. */
const fields = (structure: object, hex: ReadonlySet<string> = new Set()): Shown => ({
  data: structure,
  text: () => fieldLines(structure, hex),
});

/** A list of entries that all have the same fields, as a table. */
function entries(name: string, rows: readonly object[], none: string): Shown {
  const columns = Object.keys(rows[0] ?? {}).map((title) => ({
    title,
    value: (row: object) => shownValue(Object.entries(row).find(([key]) => key === title)?.[1]),
  }));
  return {
    data: { [name]: rows },
    text: (style: Style) => (rows.length === 0 ? `${none}\n` : table(columns, rows, style)),
  };
}

const shownValue = (value: unknown): string =>
  value instanceof Uint8Array ? hexText(value) : String(value);

/** A list of numbers, one on a line as nvme-cli has it: "[   0]:0x1". */
function numbers(
  name: string,
  list: readonly number[],
  none: string,
  compat?: () => unknown,
): Shown {
  const line = (value: number, i: number): string =>
    `[${String(i).padStart(4)}]:0x${value.toString(16)}\n`;
  return {
    data: { [name]: list },
    text: () => (list.length === 0 ? `${none}\n` : list.map(line).join("")),
    ...(compat === undefined ? {} : { compat }),
  };
}

function nsidList(data: Uint8Array, { namespaceId = 0 }: IdentifyOptions): Shown {
  const nsids = decodeNsidList(data, namespaceId);
  return numbers("namespaces", nsids, "no namespaces", () => ({
    nsid_list: nsids.map((nsid) => ({ nsid })),
  }));
}

function controllerList(data: Uint8Array): Shown {
  const list = decodeControllerList(data);
  return numbers("controllers", list, "no controllers", () => ({
    num_ctrl: list.length,
    ctrl_list: list.map((id) => ({ ctrl_id: id })),
  }));
}

function descriptors(data: Uint8Array): Shown {
  const { eui64, nguid, uuid, csi } = decodeNamespaceDescriptors(data);
  return fields({
    eui64: eui64 === undefined ? null : hexText(eui64),
    nguid: nguid === undefined ? null : hexText(nguid),
    uuid: uuid === undefined ? null : uuidText(uuid),
    csi: csi === undefined ? null : nameIn(Csi, csi),
  });
}

function nvmNamespace(data: Uint8Array): Shown {
  const view = viewOf(data);
  const structure = decode(IdentifyNamespaceNvm, view);
  const formats = Array.from({ length: 64 }, (_, i) => ({
    format: i,
    ...decode(ExtendedLbaFormat, view, extendedLbaFormatOffset(i)),
  })).filter(({ sts, pif }) => sts !== 0 || pif !== 0);
  const list = entries("formats", formats, "no format has extended fields");
  const hex = new Set(["lbstm", "pic"]);
  return {
    data: { ...structure, ...list.data },
    text: (style) => fieldLines(structure, hex) + list.text(style),
  };
}

function formatOf(data: Uint8Array, { lbaFormatIndex = 0 }: IdentifyOptions): Shown {
  return fields({ lbaFormat: lbaFormatIndex, ...lbaFormat(viewOf(data), lbaFormatIndex) });
}

function extendedFormatOf(data: Uint8Array, { lbaFormatIndex = 0 }: IdentifyOptions): Shown {
  const format = decode(ExtendedLbaFormat, viewOf(data), extendedLbaFormatOffset(lbaFormatIndex));
  return fields({ lbaFormat: lbaFormatIndex, ...format });
}

/** Bit n of a combination is the command set with CSI n. */
function commandSets(data: Uint8Array): Shown {
  const combinations = decodeCommandSets(data).map((vector, index) => ({
    index,
    vector: `0x${vector.toString(16)}`,
    commandSets: Object.values(Csi)
      .filter((csi) => ((vector >> BigInt(csi)) & 1n) === 1n)
      .map((csi) => nameIn(Csi, csi))
      .join(", "),
  }));
  return entries("combinations", combinations, "no command sets");
}

const secondary = (data: Uint8Array, { numEntries = Infinity }: IdentifyOptions): Shown =>
  entries(
    "controllers",
    decodeSecondaryControllers(data).slice(0, numEntries),
    "no secondary controllers",
  );

function granularity(data: Uint8Array): Shown {
  const { perFormat, descriptors: rows } = decodeGranularity(data);
  const list = entries("descriptors", rows, "no descriptors");
  return { data: { perFormat, ...list.data }, text: list.text };
}

function independent(data: Uint8Array, options: IdentifyOptions): Shown {
  const structure = decode(IdentifyNamespaceIndependent, viewOf(data));
  const bits = bitsFor(options, namespaceBits);
  const hex = new Set(["nsfeat", "nmic", "rescap", "nsattr"]);
  return { data: structure, text: () => fieldLines(structure, hex, bits) };
}

/** By the name of the verb behind `id`. */
export const identifyRows: Readonly<Record<string, IdentifyRow>> = {
  "ns-list": {
    cns: ({ all, csi }) =>
      csi === undefined
        ? all === true
          ? Cns.AllocatedNamespaces
          : Cns.ActiveNamespaces
        : all === true
          ? Cns.CommandSetAllocatedNamespaces
          : Cns.CommandSetActiveNamespaces,
    nsid: 0,
    ask: ({ csi }) => (csi === undefined ? {} : { csi }),
    show: nsidList,
  },
  "ctrl-list": {
    cns: ({ namespaceId }) =>
      namespaceId === undefined ? Cns.Controllers : Cns.NamespaceControllers,
    nsid: 0,
    ask: ({ cntid = 0 }) => ({ cntid }),
    show: controllerList,
  },
  "ns-descs": { cns: cns(Cns.NamespaceDescriptors), nsid: "namespace", show: descriptors },
  "ns-ind": { cns: cns(Cns.IndependentNamespace), nsid: "namespace", show: independent },
  "nvm-ctrl": {
    cns: cns(Cns.CommandSetController),
    show: (data) => fields(decode(IdentifyControllerNvm, viewOf(data))),
  },
  "nvm-ns": {
    cns: cns(Cns.CommandSetNamespace),
    nsid: "namespace",
    ask: ({ uuidIndex = 0 }) => ({ uidx: uuidIndex }),
    show: nvmNamespace,
  },
  "ns-lba-format": {
    cns: cns(Cns.NamespaceFormat),
    nsid: NSID_ALL,
    ask: ({ lbaFormatIndex = 0, uuidIndex = 0 }) => ({ cnssid: lbaFormatIndex, uidx: uuidIndex }),
    show: formatOf,
  },
  "nvm-ns-lba-format": {
    cns: cns(Cns.CommandSetNamespaceFormat),
    nsid: NSID_ALL,
    ask: ({ lbaFormatIndex = 0, uuidIndex = 0 }) => ({ cnssid: lbaFormatIndex, uidx: uuidIndex }),
    show: extendedFormatOf,
  },
  "ns-granularity": { cns: cns(Cns.NamespaceGranularity), show: granularity },
  iocs: {
    cns: cns(Cns.CommandSets),
    ask: ({ controllerId = 0xffff }) => ({ cntid: controllerId }),
    show: commandSets,
  },
  nvmset: {
    cns: cns(Cns.NvmSets),
    ask: ({ nvmsetId = 0 }) => ({ cnssid: nvmsetId }),
    show: (data) => entries("nvmSets", decodeNvmSets(data), "no NVM sets"),
  },
  uuid: {
    cns: cns(Cns.UuidList),
    show: (data) =>
      entries(
        "uuids",
        decodeUuids(data).map(({ association, uuid }) => ({ association, uuid: uuidText(uuid) })),
        "no UUIDs",
      ),
  },
  domain: {
    cns: cns(Cns.Domains),
    ask: ({ domId = 0 }) => ({ cnssid: domId }),
    show: (data) => entries("domains", decodeDomains(data), "no domains"),
  },
  "endgrp-list": {
    cns: cns(Cns.EnduranceGroups),
    ask: ({ endgrpId = 0 }) => ({ cnssid: endgrpId }),
    show: (data) => numbers("enduranceGroups", decodeEnduranceGroups(data), "no endurance groups"),
  },
  "primary-ctrl-caps": {
    cns: cns(Cns.PrimaryController),
    ask: ({ cntlid = 0 }) => ({ cntid: cntlid }),
    show: (data) => fields(decode(PrimaryControllerCapabilities, viewOf(data))),
  },
  "secondary-ctrl-list": {
    cns: cns(Cns.SecondaryControllers),
    nsid: 0,
    ask: ({ cntid = 0 }) => ({ cntid }),
    show: secondary,
  },
};
