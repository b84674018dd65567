// What `top` knows after an interval, without a screen: a table for people, data for scripts.
// Read first: rows.ts; @nvmeof/tools control/rates.ts.

import type {
  ControlSnapshot,
  ControllerRates,
  NamespaceRates,
  PathRates,
  ProcessRates,
  SubsystemRates,
} from "@nvmeof/tools";
import type { Style } from "../style.ts";
import { type Column, table } from "../table.ts";
import { formatMs } from "../units.ts";
import { topColumns } from "./columns.ts";
import { type TopRow, controllerRow, namespaceRow, pathRow, subsystemRow } from "./rows.ts";

/** One interval, as data. Rates are of the interval, totals since the beginning. */
export function sampleData(snapshot: ControlSnapshot, rates: ProcessRates): object {
  const { at, process, resources, eventLoop, leftOut } = snapshot;
  return {
    at,
    intervalMs: rates.elapsedMs,
    process,
    eventLoop: { utilizationPercent: rates.loopPercent, delay: eventLoop.delay },
    cpuPercent: rates.cpuPercent,
    rssBytes: resources.rssBytes,
    leftOut,
    subsystems: rates.subsystems.map(subsystemData),
  };
}

const subsystemData = (each: SubsystemRates): object => ({
  id: each.id,
  role: each.role,
  name: each.name,
  nqn: each.nqn,
  ...each.rates,
  ...each.totals,
  anaStates: each.anaStates,
  controllers: each.controllers.map(controllerData),
  namespaces: each.namespaces.map(namespaceData),
});

function controllerData({ view, rates, totals, commandsPerSecond }: ControllerRates): object {
  const { id, cntlid, address, host, state, reason, losses, ioQueues, queues } = view;
  const facts = { id, cntlid, address, host, state, reason };
  return { ...facts, ...rates, ...totals, losses, commandsPerSecond, ioQueues, queues };
}

function namespaceData({ view, rates, totals, anaStates, paths }: NamespaceRates): object {
  const { id, nsid, name, blockBytes, blockCount, waiting, failedNoPath } = view;
  const facts = { id, nsid, name, blockBytes, blockCount };
  const own = { ...rates, ...totals, waiting, failedNoPath, anaStates };
  return { ...facts, ...own, paths: paths.map(pathData) };
}

const pathData = ({ id, controller, anaState, isUsable, rates, totals }: PathRates): object => ({
  id,
  controller: controller?.id ?? null,
  address: controller?.address ?? null,
  state: controller?.state ?? null,
  anaState,
  isUsable,
  ...rates,
  errors: totals.errors,
  retries: totals.retries,
  failovers: totals.failovers,
});

interface Nested {
  readonly row: TopRow;
  readonly depth: number;
}

/** Subsystems with what is below them, down to the paths of each controller. */
function nested(rates: ProcessRates): Nested[] {
  return rates.subsystems.flatMap((subsystem) => [
    { row: subsystemRow(subsystem), depth: 0 },
    ...subsystem.controllers.flatMap((each) => [
      { row: controllerRow(each, subsystem), depth: 1 },
      ...each.paths.map((path) => ({ row: pathRow(path, subsystem, "paths"), depth: 2 })),
    ]),
    // Paths have been told of already; what has none has not.
    ...subsystem.namespaces
      .filter(({ paths }) => paths.length === 0)
      .map((each) => ({ row: namespaceRow(each, subsystem), depth: 1 })),
  ]);
}

const tableColumns: readonly Column<Nested>[] = [
  { title: "Name", value: ({ row, depth }) => "  ".repeat(depth) + row.name },
  ...topColumns.map(({ title, align, drop, value }): Column<Nested> => ({
    title,
    align,
    ...(drop === 0 ? {} : { drop: -drop }),
    value: ({ row }) => value(row),
  })),
];

/** One interval, as a table. */
export function sampleText(snapshot: ControlSnapshot, rates: ProcessRates, style: Style): string {
  const { pid, name } = snapshot.process;
  const left = snapshot.leftOut === 0 ? "" : `, ${snapshot.leftOut} rows left out`;
  const loop = `event loop ${rates.loopPercent.toFixed(0)}%, CPU ${rates.cpuPercent.toFixed(0)}%`;
  const head = `${pid} ${name}, in ${formatMs(rates.elapsedMs)}: ${loop}${left}`;
  const rows = nested(rates);
  return `${style.bold(head)}\n${rows.length === 0 ? "nothing to tell of yet\n" : table(tableColumns, rows, style)}`;
}
