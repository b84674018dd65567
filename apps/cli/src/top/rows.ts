// The rows of `top`: what stands below what, by the place that somebody looks at.
// Read first: @nvmeof/tools control/rates.ts for what is known of each.

import type {
  ControllerRates,
  IoRates,
  NamespaceRates,
  PathRates,
  ProcessRates,
  SubsystemRates,
  Totals,
} from "@nvmeof/tools";
import { formatBytes } from "../units.ts";

/** Where one looks. */
export type Place =
  | { readonly level: "subsystems" }
  | { readonly level: "controllers"; readonly subsystem: string }
  | { readonly level: "paths"; readonly subsystem: string; readonly controller: string }
  | { readonly level: "namespaces"; readonly subsystem: string }
  | { readonly level: "namespace"; readonly subsystem: string; readonly namespace: string };

/** One line. Texts may be of a peer: whoever prints them escapes them. */
export interface TopRow {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly anaState: string;
  readonly rates: IoRates;
  readonly totals: Totals;
  /** What else is known, in a line of its own. */
  readonly detail: string;
  /** Where Enter leads. */
  readonly opens: Place | undefined;
}

const anaText = (states: readonly string[]): string =>
  states.length > 1 ? "mixed" : (states[0] ?? "-");

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

export function subsystemRow(each: SubsystemRates): TopRow {
  const { id, role, name, nqn, controllers, namespaces, anaStates, rates, totals } = each;
  const live = controllers.filter(({ view }) => view.state === "live").length;
  const hasControllers = controllers.length > 0;
  const state = role === "host" ? `${live}/${controllers.length} live` : role;
  const parts = [
    ...(nqn === "" || name === "" ? [] : [name]),
    ...(role === "host" || role === "target" ? [plural(controllers.length, "controller")] : []),
    plural(namespaces.length, "namespace"),
  ];
  return {
    id,
    name: nqn === "" ? name : nqn,
    state,
    anaState: anaText(anaStates),
    rates,
    totals,
    detail: parts.join(", "),
    opens: hasControllers
      ? { level: "controllers", subsystem: id }
      : { level: "namespaces", subsystem: id },
  };
}

export function controllerRow(each: ControllerRates, subsystem: SubsystemRates): TopRow {
  const { id, view, anaStates, rates, totals, commandsPerSecond } = each;
  const isTarget = subsystem.role === "target";
  const commands = commandsPerSecond === null ? "" : `${Math.round(commandsPerSecond)} commands/s`;
  const detail = [
    view.cntlid === null ? "" : `controller ${view.cntlid}`,
    view.host ?? "",
    plural(view.ioQueues, "I/O queue"),
    commands,
    view.reason ?? "",
  ];
  return {
    id,
    name: view.host ?? view.address,
    state: view.state,
    anaState: anaText(anaStates),
    // On a target reads and writes are counted by namespaces, and commands by controllers.
    rates: isTarget ? { ...rates, ...unknownRates } : rates,
    totals,
    detail: detail.filter((text) => text !== "").join(", "),
    opens: isTarget
      ? { level: "namespaces", subsystem: subsystem.id }
      : { level: "paths", subsystem: subsystem.id, controller: id },
  };
}

const unknownRates = { readLatencyMs: null, writeLatencyMs: null, utilizationPercent: null };

export function namespaceRow(each: NamespaceRates, subsystem: SubsystemRates): TopRow {
  const { id, view, anaStates, rates, totals, paths } = each;
  const usable = paths.filter(({ isUsable }) => isUsable).length;
  const waiting = view.waiting === null ? "" : `${view.waiting} wait`;
  const noPath = view.failedNoPath === null ? "" : `${view.failedNoPath} failed without a path`;
  const size = `${formatBytes(view.blockBytes * view.blockCount)}, blocks of ${view.blockBytes} bytes`;
  return {
    id,
    name: view.nsid === 0 ? view.name : `namespace ${view.nsid}`,
    state: paths.length === 0 ? "-" : `${usable}/${plural(paths.length, "path")}`,
    anaState: anaText(anaStates),
    rates,
    totals,
    detail: [view.name, size, waiting, noPath].filter((text) => text !== "").join(", "),
    opens:
      paths.length === 0
        ? undefined
        : { level: "namespace", subsystem: subsystem.id, namespace: id },
  };
}

/** A path, by its controller or by its namespace: the other one is its name. */
export function pathRow(each: PathRates, subsystem: SubsystemRates, by: Place["level"]): TopRow {
  const { id, controller, namespace, anaState, isUsable, rates } = each;
  const address = controller?.address ?? "?";
  const isByController = by === "paths";
  // Requests wait for a namespace, and not for one of its paths.
  const { requeued, failed } = namespace;
  const totals = isByController ? { ...each.totals, requeued, failed } : each.totals;
  return {
    id,
    name: isByController ? `namespace ${namespace.nsid}` : address,
    state: isUsable
      ? "usable"
      : (controller?.state ?? "gone") === "live"
        ? "unusable"
        : controller!.state,
    anaState: anaState ?? "-",
    rates,
    totals,
    detail: [namespace.name, address, controller?.reason ?? ""]
      .filter((text) => text !== "")
      .join(", "),
    opens: isByController
      ? { level: "namespace", subsystem: subsystem.id, namespace: namespace.id }
      : undefined,
  };
}

/** The rows at a place; undefined where that is gone. */
export function rowsAt({ subsystems }: ProcessRates, place: Place): readonly TopRow[] | undefined {
  if (place.level === "subsystems") return subsystems.map(subsystemRow);
  const subsystem = subsystems.find(({ id }) => id === place.subsystem);
  if (subsystem === undefined) return undefined;
  const { controllers, namespaces } = subsystem;
  switch (place.level) {
    case "controllers":
      return controllers.map((each) => controllerRow(each, subsystem));
    case "namespaces":
      return namespaces.map((each) => namespaceRow(each, subsystem));
    case "paths":
      return pathRows(
        controllers.find(({ id }) => id === place.controller),
        subsystem,
        place.level,
      );
    case "namespace":
    default:
      return pathRows(
        namespaces.find(({ id }) => id === place.namespace),
        subsystem,
        place.level,
      );
  }
}

const pathRows = (
  of: ControllerRates | NamespaceRates | undefined,
  subsystem: SubsystemRates,
  by: Place["level"],
): readonly TopRow[] | undefined => of?.paths.map((each) => pathRow(each, subsystem, by));

/** What the place is called: the name of the row that led there. */
export function placeName({ subsystems }: ProcessRates, place: Place): string {
  if (place.level === "subsystems") return "subsystems";
  const subsystem = subsystems.find(({ id }) => id === place.subsystem);
  if (subsystem === undefined) return "gone";
  if (place.level === "controllers") return subsystemRow(subsystem).name;
  if (place.level === "namespaces") return "namespaces";
  const { controllers, namespaces } = subsystem;
  if (place.level === "paths") {
    return controllers.find(({ id }) => id === place.controller)?.view.address ?? "gone";
  }
  const namespace = namespaces.find(({ id }) => id === place.namespace);
  return namespace === undefined ? "gone" : namespaceRow(namespace, subsystem).name;
}
