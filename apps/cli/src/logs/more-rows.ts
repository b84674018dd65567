// The rarer logs: what a device has been through, and what it has to tell of reservations and sanitizing.
// Read first: row.ts; @nvmeof/codec/management log.ts. The usual ones are in rows.ts.

import {
  Fid,
  Lid,
  LostHostEntry,
  ParseError,
  Trtype,
  decode,
  decodeDiscoveryHeader,
  decodeDiscoveryLog,
  decodeEntryLog,
  nameIn,
  subtypeName,
  trtypeName,
  viewOf,
} from "@nvmeof/codec";
import {
  AggregateLogHeader,
  EnduranceGroupLog,
  FEATURE_EFFECTS_BYTES,
  FeatureEffects,
  LSP_TELEMETRY_CREATE,
  LbaStatusLogHeader,
  PersistentEventHeader,
  PredictableLatencyLog,
  ReservationEvent,
  ReservationNotification,
  SELF_TEST_LOG_BYTES,
  SanitizeLog,
  SanitizeState,
  SelfTest,
  SelfTestOutcome,
  TELEMETRY_BLOCK_BYTES,
  TelemetryHeader,
  decodeSelfTestLog,
} from "@nvmeof/codec/management";
import { usage } from "../errors.ts";
import { fieldLines } from "../fields.ts";
import { hexDump } from "../hex-dump.ts";
import { places } from "../identify/compat.ts";
import type { Shown } from "../identify/row.ts";
import type { Style } from "../style.ts";
import { type Column, table } from "../table.ts";
import type { LogOptions, LogRow } from "./row.ts";

/** Bytes of one log that are held in memory; more has to be read with get-log, piece by piece. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** A length that the log itself names, within bounds and in whole dwords. */
function bounded(bytes: number): number {
  if (bytes <= LOG_BYTES_MAX) return Math.ceil(bytes / 4) * 4;
  throw usage(`the log has ${bytes} bytes`, "Read it in pieces: get-log --lpo … --log-len …");
}

const fixed = (bytes: number) => (): number => bytes;

const structure = (layout: { readonly size: number }, log: Uint8Array): Shown => {
  const page = decode(layout, viewOf(log));
  return { data: page, text: () => fieldLines(page) };
};

function selfTest(log: Uint8Array, { dstEntries = Infinity }: LogOptions): Shown {
  const { operation, completion, results } = decodeSelfTestLog(log);
  const shown = results.slice(0, dstEntries).map((each) => ({
    ...each,
    code: nameIn(SelfTest, each.stc),
    outcome: nameIn(SelfTestOutcome, each.result),
  }));
  const columns: readonly Column<(typeof shown)[number]>[] = [
    { title: "Test", value: ({ code }) => code.toLowerCase() },
    { title: "Result", value: ({ outcome }) => outcome.toLowerCase() },
    { title: "Hours", value: ({ poh }) => String(poh), align: "right" },
    { title: "NSID", value: ({ nsid }) => `0x${nsid.toString(16)}`, align: "right", drop: 1 },
    {
      title: "LBA",
      value: ({ flbaValid, flba }) => (flbaValid === 1 ? String(flba) : "-"),
      align: "right",
    },
  ];
  const running =
    operation === SelfTest.None
      ? "none"
      : `${nameIn(SelfTest, operation).toLowerCase()}, ${completion} %`;
  return {
    data: { operation, completion, results: shown },
    text: (style: Style) =>
      fieldLines({ running }) +
      (shown.length === 0 ? "no test has ended yet\n" : table(columns, shown, style)),
  };
}

function telemetry(log: Uint8Array): Shown {
  const head = decode(TelemetryHeader, viewOf(log));
  const areas = log.subarray(TelemetryHeader.size);
  const { rid: _reason, ...fields } = head;
  return {
    data: { ...fields, data: areas },
    text: () =>
      fieldLines(fields) + (areas.length === 0 ? "" : hexDump(areas, TelemetryHeader.size)),
  };
}

/** Data Area 3, unless another one is asked for; its last block says how far it goes. */
async function telemetryBytes(
  read: (bytes: number) => Promise<Uint8Array>,
  area: number,
): Promise<number> {
  const head = decode(TelemetryHeader, viewOf(await read(TelemetryHeader.size)));
  const last = [head.da1lb, head.da2lb, head.da3lb, head.da4lb][area - 1] ?? head.da3lb;
  return bounded(TelemetryHeader.size + last * TELEMETRY_BLOCK_BYTES);
}

function endurance(log: Uint8Array): Shown {
  return {
    ...structure(EnduranceGroupLog, log),
    compat: () =>
      places(log, {
        critical_warning: "u8@0",
        endurance_group_features: "u8@1",
        avl_spare: "u8@3",
        avl_spare_threshold: "u8@4",
        percent_used: "u8@5",
        domain_identifier: "u16@6",
        endurance_estimate: "u128@32",
        data_units_read: "u128@48",
        data_units_written: "u128@64",
        media_units_written: "u128@80",
        host_read_cmds: "u128@96",
        host_write_cmds: "u128@112",
        media_data_integrity_err: "u128@128",
        num_err_info_log_entries: "u128@144",
        total_end_grp_cap: "u128@160",
        unalloc_end_grp_cap: "u128@176",
      }),
  };
}

const scopes = ["namespace", "controller", "NVM set", "endurance group", "domain", "subsystem"];

function featureEffects(log: Uint8Array): Shown {
  const features = Array.from({ length: 256 }, (_, fid) => ({
    fid,
    name: nameIn(Fid, fid),
    ...decode(FeatureEffects, viewOf(log), fid * FeatureEffects.size),
  })).filter(({ fsupp }) => fsupp === 1);
  const scopeOf = (bits: number): string =>
    scopes.filter((_, bit) => ((bits >> bit) & 1) === 1).join(", ") || "-";
  const columns: readonly Column<(typeof features)[number]>[] = [
    { title: "FID", value: ({ fid }) => `0x${fid.toString(16).padStart(2, "0")}` },
    { title: "Feature", value: ({ name }) => name },
    { title: "Scope", value: ({ fsp }) => scopeOf(fsp) },
  ];
  return {
    data: { features },
    text: (style: Style) =>
      features.length === 0 ? "no features\n" : table(columns, features, style),
  };
}

function notification(log: Uint8Array): Shown {
  const page = decode(ReservationNotification, viewOf(log));
  const type = nameIn(ReservationEvent, page.rnlpt);
  return {
    data: { ...page, type },
    text: () => fieldLines({ ...page, rnlpt: `${page.rnlpt} (${type.toLowerCase()})` }),
  };
}

/** SPROG when nothing is in progress. */
const NO_PROGRESS = 0xffff;

function sanitize(log: Uint8Array): Shown {
  const page = decode(SanitizeLog, viewOf(log));
  const state = nameIn(SanitizeState, page.sos);
  const percent = page.sprog === NO_PROGRESS ? null : (100 * page.sprog) / 65_536;
  const time = (seconds: number): string =>
    seconds === 0xffff_ffff ? "not reported" : `${seconds} s`;
  return {
    data: { ...page, state, percent },
    text: () =>
      fieldLines({
        state: state.toLowerCase(),
        progress: percent === null ? "-" : `${percent.toFixed(1)} %`,
        passes: page.passes,
        "global data erased": page.gde === 1 ? "yes" : "not said",
        scdw10: `0x${page.scdw10.toString(16)}`,
        overwrite: time(page.eto),
        "block erase": time(page.etbe),
        "crypto erase": time(page.etce),
      }),
  };
}

/** A head of which the rest has no form that is the same everywhere. */
const headed =
  (layout: { readonly size: number }) =>
  (log: Uint8Array): Shown => {
    const head = decode(layout, viewOf(log));
    const rest = log.subarray(layout.size);
    return {
      data: { ...head, data: rest },
      text: () => fieldLines(head) + (rest.length === 0 ? "" : hexDump(rest, layout.size)),
    };
  };

/** A log without a form of its own: bytes. */
const bytesShown = (log: Uint8Array): Shown => ({
  data: { data: log },
  text: () => hexDump(log, 0),
});

function lostHosts(log: Uint8Array): Shown {
  const entries = decodeEntryLog(LostHostEntry, log);
  const columns: readonly Column<(typeof entries)[number]>[] = [
    { title: "Controller", value: ({ cntlid }) => String(cntlid), align: "right" },
    { title: "CIU", value: ({ ciu }) => String(ciu), align: "right" },
    { title: "Reason", value: ({ lc }) => String(lc), align: "right" },
  ];
  return {
    data: { entries },
    text: (style: Style) =>
      entries.length === 0 ? "The log is empty.\n" : table(columns, entries, style),
  };
}

function discovery(log: Uint8Array): Shown {
  const { genctr, entries } = decodeDiscoveryLog(log);
  const columns: readonly Column<(typeof entries)[number]>[] = [
    { title: "Subsystem", value: ({ subnqn }) => subnqn },
    { title: "Type", value: ({ subtype }) => subtypeName(subtype) },
    { title: "Transport", value: ({ trtype }) => trtypeName(trtype), drop: 1 },
    { title: "Address", value: ({ traddr }) => traddr },
    { title: "Service", value: ({ trsvcid }) => trsvcid },
  ];
  return {
    data: {
      genctr,
      records: entries.map((each) => ({ ...each, trtypeName: nameIn(Trtype, each.trtype) })),
    },
    text: (style: Style) =>
      entries.length === 0 ? "no subsystems\n" : table(columns, entries, style),
  };
}

/** Head of the discovery log, and of one of its records. */
const DISCOVERY_BYTES = 1024;

async function discoveryBytes(read: (bytes: number) => Promise<Uint8Array>): Promise<number> {
  const { numrec } = decodeDiscoveryHeader(await read(DISCOVERY_BYTES));
  return bounded(DISCOVERY_BYTES * (1 + Number(numrec)));
}

/** Entries of 16 bits behind a count of 64. */
function aggregate(log: Uint8Array): Shown {
  const { nument } = decode(AggregateLogHeader, viewOf(log));
  const held = (log.length - AggregateLogHeader.size) / 2;
  if (nument > BigInt(Math.floor(held))) {
    throw new ParseError("log page", 0, `${nument} entries in ${log.length} bytes`);
  }
  const ids = Array.from({ length: Number(nument) }, (_, i) =>
    viewOf(log).getUint16(8 + 2 * i, true),
  );
  return { data: { ids }, text: () => (ids.length === 0 ? "none\n" : `${ids.join("\n")}\n`) };
}

const aggregateBytes = (_handle: unknown, { logEntries = 2044 }: LogOptions): number =>
  Math.ceil((AggregateLogHeader.size + 2 * logEntries) / 4) * 4;

/** By the name of the verb behind `log`. */
export const moreLogRows: Readonly<Record<string, LogRow>> = {
  "self-test": { lid: Lid.DeviceSelfTest, bytes: fixed(SELF_TEST_LOG_BYTES), show: selfTest },
  telemetry: {
    lid: ({ controllerInit }) =>
      controllerInit === true ? Lid.TelemetryController : Lid.TelemetryHost,
    bytes: (_handle, { dataArea = 3 }, read) => telemetryBytes(read, dataArea),
    ask: ({ hostGenerate, controllerInit }) => ({
      lsp: hostGenerate === 0 || controllerInit === true ? 0 : LSP_TELEMETRY_CREATE,
    }),
    show: telemetry,
  },
  endurance: {
    lid: Lid.EnduranceGroup,
    bytes: fixed(EnduranceGroupLog.size),
    ask: ({ groupId = 1 }) => ({ lsi: groupId }),
    show: endurance,
  },
  "fid-effects": {
    lid: Lid.FeatureEffects,
    bytes: fixed(FEATURE_EFFECTS_BYTES),
    show: featureEffects,
  },
  "mi-cmd-effects": { lid: Lid.MiCommandEffects, bytes: fixed(4096), show: bytesShown },
  "resv-notif": {
    lid: Lid.ReservationNotification,
    bytes: fixed(ReservationNotification.size),
    show: notification,
  },
  sanitize: { lid: Lid.SanitizeStatus, bytes: fixed(SanitizeLog.size), show: sanitize },
  "persistent-event": {
    lid: Lid.PersistentEvent,
    bytes: (_handle, { logLen = PersistentEventHeader.size }) => bounded(logLen),
    ask: ({ action = 0 }) => ({ lsp: action }),
    show: headed(PersistentEventHeader),
  },
  "predictable-lat": {
    lid: Lid.PredictableLatency,
    bytes: fixed(PredictableLatencyLog.size),
    ask: ({ nvmsetId = 1 }) => ({ lsi: nvmsetId }),
    show: (log) => structure(PredictableLatencyLog, log),
  },
  "pred-lat-event-agg": {
    lid: Lid.PredictableLatencyEvents,
    bytes: aggregateBytes,
    show: aggregate,
  },
  "endurance-event-agg": { lid: Lid.EnduranceGroupEvents, bytes: aggregateBytes, show: aggregate },
  "lba-status": {
    lid: Lid.LbaStatus,
    bytes: async (_handle, _options, read) =>
      bounded(LbaStatusLogHeader.lslplen.get(viewOf(await read(LbaStatusLogHeader.size)))),
    show: headed(LbaStatusLogHeader),
  },
  "boot-part": {
    lid: Lid.BootPartition,
    bytes: fixed(16),
    ask: ({ lsp = 0 }) => ({ lsp }),
    show: bytesShown,
  },
  "media-unit-stat": {
    lid: Lid.MediaUnitStatus,
    bytes: fixed(16),
    ask: ({ domainId = 0 }) => ({ lsi: domainId }),
    show: bytesShown,
  },
  "supported-cap-config": {
    lid: Lid.SupportedCapacity,
    bytes: fixed(32),
    ask: ({ domainId = 0 }) => ({ lsi: domainId }),
    show: bytesShown,
  },
  "lost-host": { lid: Lid.LostHostCommunication, bytes: fixed(4096), show: lostHosts },
  discovery: {
    lid: Lid.Discovery,
    bytes: (_handle, _options, read) => discoveryBytes(read),
    show: discovery,
  },
  "host-discovery": { lid: Lid.HostDiscovery, bytes: fixed(DISCOVERY_BYTES), show: bytesShown },
};
