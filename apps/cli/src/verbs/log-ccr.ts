// `log ccr`: the Cross-Controller Reset log of a controller (log page 1Eh).

import {
  CCR_ACID_NONE,
  CcrFlag,
  CcrStatus,
  CrossControllerResetEntry,
  type Decoded,
  ENTRY_LOG_MAX,
  EntryLogHeader,
  LSP_CCR_REMOVE_COMPLETED,
  Lid,
  NSID_ALL,
  decodeEntryLog,
  nameIn,
} from "@nvmeof/codec";
import type { Verb } from "../context.ts";
import type { TargetOptions } from "../options.ts";
import { withController } from "../session.ts";
import type { Style } from "../style.ts";
import { type Column, table } from "../table.ts";
import { subsystemEndpoint } from "../target-options.ts";

/** Options of the verb. */
export interface LogCcrOptions extends TargetOptions {
  readonly removeCompleted?: boolean;
}

type Entry = Decoded<typeof CrossControllerResetEntry>;

const LOG_BYTES = EntryLogHeader.size + ENTRY_LOG_MAX * CrossControllerResetEntry.size;

const stagesOf = ({ ccrf }: Entry): string =>
  ccrf === 0
    ? "-"
    : Object.entries(CcrFlag)
        .filter(([, bit]) => (ccrf & bit) !== 0)
        .map(([name]) => name.toLowerCase())
        .join(", ");

const columns: readonly Column<Entry>[] = [
  { title: "Controller", value: ({ icid }) => String(icid), align: "right" },
  { title: "CIU", value: ({ ciu }) => String(ciu), align: "right" },
  {
    title: "Alternate",
    value: ({ acid }) => (acid === CCR_ACID_NONE ? "-" : String(acid)),
    align: "right",
    drop: 1,
  },
  { title: "Status", value: ({ ccrs }) => nameIn(CcrStatus, ccrs) },
  { title: "Reset", value: stagesOf, drop: 2 },
];

/** The log as text; it says so when it is empty. */
export const logText = (entries: readonly Entry[], style: Style): string =>
  entries.length === 0 ? "The log is empty.\n" : table(columns, entries, style);

export const run: Verb<LogCcrOptions> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const lsp = options.removeCompleted === true ? LSP_CCR_REMOVE_COMPLETED : 0;
  const { result } = await withController(
    context,
    endpoint,
    { ...options, nrIoQueues: 0 },
    (handle) => handle.logPage({ lid: Lid.CrossControllerReset, lsp, nsid: NSID_ALL }, LOG_BYTES),
  );
  const entries = decodeEntryLog(CrossControllerResetEntry, result);
  return {
    data: {
      entries: entries.map((entry) => ({ ...entry, status: nameIn(CcrStatus, entry.ccrs) })),
    },
    text: (style: Style) => logText(entries, style),
    binary: result,
  };
};
