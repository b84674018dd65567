// The logs that every controller has, or that say how the device is doing.
// Read first: row.ts; Base 2.0 §5.16.1 "Log Specific Information". Rarer ones are in more-rows.ts.

import {
  AdminOpcode,
  COMMAND_EFFECTS_BYTES,
  CommandEffects,
  type Decoded,
  ErrorLogEntry,
  FirmwareSlotLog,
  LSP_ANA_GROUPS_ONLY,
  Lid,
  NvmOpcode,
  SUPPORTED_LOG_PAGES_BYTES,
  SmartLog,
  SupportedLogPage,
  anaStateName,
  commandEffectsOffset,
  decode,
  decodeAnaLog,
  decodeChangedNamespaces,
  describeStatus,
  nameIn,
  opcodeName,
  viewOf,
} from "@nvmeof/codec";
import { anaLogBytes } from "../ana-log.ts";
import { smartBits } from "../bit-names.ts";
import { fieldLines } from "../fields.ts";
import { bitsFor, type Shown } from "../identify/row.ts";
import { places } from "../identify/compat.ts";
import type { Style } from "../style.ts";
import { type Column, table } from "../table.ts";
import type { LogOptions, LogRow } from "./row.ts";

/** Kelvin, as people know it. */
const celsius = (kelvin: number): string => `${kelvin - 273} °C (${kelvin} K)`;

function smart(log: Uint8Array, options: LogOptions): Shown {
  const page = decode(SmartLog, viewOf(log));
  const sensors = Object.entries(page).filter(
    ([name, value]) => name.startsWith("tsen") && value !== 0,
  );
  const without = Object.entries(page).filter(([name]) => !name.startsWith("tsen"));
  const lines = {
    ...Object.fromEntries(without),
    ctemp: celsius(page.ctemp),
    ...Object.fromEntries(sensors.map(([name, kelvin]) => [name, celsius(Number(kelvin))])),
  };
  return {
    data: page,
    text: () => fieldLines(lines, new Set(["cw"]), bitsFor(options, smartBits)),
    compat: () => compatSmart(log),
  };
}

/** `smart-log -o json` of nvme-cli. */
function compatSmart(log: Uint8Array): object {
  const sensors = Array.from({ length: 8 }, (_, i) => [
    `temperature_sensor_${i + 1}`,
    viewOf(log).getUint16(200 + 2 * i, true),
  ]).filter(([, kelvin]) => kelvin !== 0);
  return {
    ...places(log, {
      critical_warning: "u8@0",
      temperature: "u16@1",
      avail_spare: "u8@3",
      spare_thresh: "u8@4",
      percent_used: "u8@5",
      endurance_grp_critical_warning_summary: "u8@6",
      data_units_read: "u128@32",
      data_units_written: "u128@48",
      host_read_commands: "u128@64",
      host_write_commands: "u128@80",
      controller_busy_time: "u128@96",
      power_cycles: "u128@112",
      power_on_hours: "u128@128",
      unsafe_shutdowns: "u128@144",
      media_errors: "u128@160",
      num_err_log_entries: "u128@176",
      warning_temp_time: "u32@192",
      critical_comp_time: "u32@196",
    }),
    ...Object.fromEntries(sensors),
    ...places(log, {
      thm_temp1_trans_count: "u32@216",
      thm_temp2_trans_count: "u32@220",
      thm_temp1_total_time: "u32@224",
      thm_temp2_total_time: "u32@228",
    }),
  };
}

type ErrorEntry = Decoded<typeof ErrorLogEntry>;

const statusName = ({ status }: ErrorEntry): string => describeStatus(status).name;
const commandName = ({ sqid, opc }: ErrorEntry): string => opcodeName(sqid === 0, opc);

const errorColumns: readonly Column<ErrorEntry>[] = [
  { title: "Count", value: ({ ecnt }) => String(ecnt), align: "right" },
  { title: "Queue", value: ({ sqid }) => String(sqid), align: "right" },
  { title: "CID", value: ({ cid }) => String(cid), align: "right", drop: 1 },
  { title: "Command", value: commandName },
  { title: "NSID", value: ({ nsid }) => String(nsid), align: "right", drop: 3 },
  { title: "LBA", value: ({ lba }) => String(lba), align: "right", drop: 2 },
  { title: "Status", value: statusName },
];

function errors(log: Uint8Array, { logEntries = Infinity }: LogOptions): Shown {
  const count = Math.min(logEntries, Math.floor(log.length / ErrorLogEntry.size));
  const all = Array.from({ length: count }, (_, i) =>
    decode(ErrorLogEntry, viewOf(log), i * ErrorLogEntry.size),
  );
  // Entries that were never used have no count.
  const used = all.filter(({ ecnt }) => ecnt !== 0n);
  return {
    data: {
      errors: used.map((each) => ({
        ...each,
        command: commandName(each),
        statusName: statusName(each),
      })),
    },
    text: (style: Style) => (used.length === 0 ? "no errors\n" : table(errorColumns, used, style)),
    compat: () => ({ errors: all.map((_, i) => compatError(log.subarray(64 * i, 64 * (i + 1)))) }),
  };
}

function compatError(entry: Uint8Array): object {
  const status = viewOf(entry).getUint16(12, true);
  return {
    ...places(entry, { error_count: "u64@0", sqid: "u16@8", cmdid: "u16@10" }),
    status_field: status >> 1,
    phase_tag: status & 1,
    ...places(entry, {
      parm_error_location: "u16@14",
      lba: "u64@16",
      nsid: "u32@24",
      vs: "u8@28",
      trtype: "u8@29",
      csi: "u8@30",
      opcode: "u8@31",
      cs: "u64@32",
      trtype_spec_info: "u16@40",
      log_page_version: "u8@63",
    }),
  };
}

function firmware(log: Uint8Array): Shown {
  const page = decode(FirmwareSlotLog, viewOf(log));
  const slots = [1, 2, 3, 4, 5, 6, 7].map((slot) => [
    slot,
    page[`frs${slot}` as "frs1"].replaceAll("�", ""),
  ]);
  const filled = slots.filter(([, revision]) => revision !== "");
  const { cafs: activeSlot, nafs: nextSlot } = page;
  const data = { activeSlot, nextSlot, slots: Object.fromEntries(filled) as object };
  const lines = filled.map(([slot, revision]) => [`slot ${slot}`, revision]);
  return {
    data,
    text: () => fieldLines({ activeSlot, nextSlot, ...Object.fromEntries(lines) }),
  };
}

function changed(log: Uint8Array): Shown {
  const nsids = decodeChangedNamespaces(log);
  const isOverflow = nsids === "overflow";
  return {
    data: { overflow: isOverflow, namespaces: isOverflow ? [] : nsids },
    text: () =>
      isOverflow
        ? "more namespaces have changed than the log can hold\n"
        : nsids.length === 0
          ? "no namespace has changed\n"
          : nsids.map((nsid, i) => `[${String(i).padStart(4)}]:0x${nsid.toString(16)}\n`).join(""),
  };
}

interface EffectRow extends Decoded<typeof CommandEffects> {
  readonly queue: "admin" | "io";
  readonly opcode: number;
  readonly name: string;
}

const effectNames: Readonly<Record<string, string>> = {
  lbcc: "changes data",
  ncc: "changes a namespace",
  nic: "changes the inventory of namespaces",
  ccc: "changes the controller",
  uss: "takes a UUID",
};

const effectsOf = (row: EffectRow): string =>
  Object.entries(effectNames)
    .filter(([field]) => row[field as "lbcc"] === 1)
    .map(([, text]) => text)
    .concat(row.cse === 0 ? [] : [row.cse === 1 ? "alone in its namespace" : "alone"])
    .join(", ");

const effectColumns: readonly Column<EffectRow>[] = [
  { title: "Queue", value: ({ queue }) => (queue === "io" ? "I/O" : "admin") },
  { title: "Opcode", value: ({ opcode }) => `0x${opcode.toString(16).padStart(2, "0")}` },
  { title: "Command", value: ({ name }) => name },
  { title: "Effects", value: effectsOf },
];

function effects(log: Uint8Array): Shown {
  const view = viewOf(log);
  const rows = (["admin", "io"] as const).flatMap((queue) =>
    Array.from({ length: 256 }, (_, opcode): EffectRow => {
      const isAdmin = queue === "admin";
      const entry = decode(CommandEffects, view, commandEffectsOffset(isAdmin, opcode));
      return { queue, opcode, name: opcodeName(isAdmin, opcode), ...entry };
    }).filter(({ csupp }) => csupp === 1),
  );
  return {
    data: { commands: rows },
    text: (style: Style) =>
      rows.length === 0 ? "no commands\n" : table(effectColumns, rows, style),
  };
}

function ana(log: Uint8Array): Shown {
  const { chgcnt, groups } = decodeAnaLog(log);
  const rows = groups.map((group) => ({ ...group, stateName: anaStateName(group.state) }));
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { title: "Group", value: ({ anagrpid }) => String(anagrpid), align: "right" },
    {
      title: "State",
      value: ({ stateName, state }) =>
        `${stateName.toLowerCase()} (0x${state.toString(16).padStart(2, "0")})`,
    },
    { title: "Changes", value: (group) => String(group.chgcnt), align: "right" },
    { title: "Namespaces", value: ({ nsids }) => nsids.join(", ") || "-" },
  ];
  return {
    data: { chgcnt, groups: rows },
    text: (style: Style) => (rows.length === 0 ? "no ANA groups\n" : table(columns, rows, style)),
    compat: () => ({
      chgcnt: Number(chgcnt),
      ngrps: groups.length,
      "ANA DESC LIST ": groups.map((group) => ({
        grpid: group.anagrpid,
        nnsids: group.nsids.length,
        chgcnt: Number(group.chgcnt),
        state: anaStateName(group.state).toLowerCase().replace(" ", "-"),
        NSIDS: group.nsids.map((nsid) => ({ nsid })),
      })),
    }),
  };
}

function supported(log: Uint8Array): Shown {
  const view = viewOf(log);
  const pages = Array.from({ length: 256 }, (_, lid) => ({
    lid,
    name: nameIn(Lid, lid),
    ...decode(SupportedLogPage, view, lid * SupportedLogPage.size),
  })).filter(({ lsupp }) => lsupp === 1);
  const columns: readonly Column<(typeof pages)[number]>[] = [
    { title: "LID", value: ({ lid }) => `0x${lid.toString(16).padStart(2, "0")}` },
    { title: "Log", value: ({ name }) => name },
    { title: "Index", value: ({ ios }) => (ios === 1 ? "takes an index" : ""), drop: 1 },
  ];
  return {
    data: { pages },
    text: (style: Style) => (pages.length === 0 ? "no logs\n" : table(columns, pages, style)),
    compat: () => ({
      supported_logs: pages.map(({ lid, lsupp, ios, lidsp }) => ({
        lid,
        supported: lsupp | (ios << 1) | (lidsp << 16),
      })),
    }),
  };
}

const fixed = (bytes: number) => (): number => bytes;

/** By the name of the verb behind `log`. */
export const logRows: Readonly<Record<string, LogRow>> = {
  smart: { lid: Lid.SmartHealth, bytes: fixed(SmartLog.size), show: smart },
  error: {
    lid: Lid.ErrorInformation,
    bytes: (handle, { logEntries = 64 }) =>
      Math.min(logEntries, handle.facts.identify.elpe) * ErrorLogEntry.size,
    show: errors,
  },
  fw: { lid: Lid.FirmwareSlot, bytes: fixed(FirmwareSlotLog.size), show: firmware },
  "changed-ns-list": { lid: Lid.ChangedNamespaces, bytes: fixed(4096), show: changed },
  effects: {
    lid: Lid.CommandEffects,
    bytes: fixed(COMMAND_EFFECTS_BYTES),
    ask: ({ csi = 0 }) => ({ csi }),
    show: effects,
  },
  ana: {
    lid: Lid.Ana,
    bytes: () => 0,
    read: anaLogBytes,
    ask: ({ groups }) => ({ lsp: groups === true ? LSP_ANA_GROUPS_ONLY : 0 }),
    show: ana,
  },
  "supported-pages": {
    lid: Lid.SupportedLogPages,
    bytes: fixed(SUPPORTED_LOG_PAGES_BYTES),
    show: supported,
  },
};

/** Opcodes of which the effects log speaks, for those who look for one. */
export const knownOpcodes = { admin: AdminOpcode, io: NvmOpcode } as const;
