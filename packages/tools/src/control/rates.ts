// Two snapshots of a process as rates: what was done between them, by path, namespace, controller, subsystem.
// Read first: snapshot.ts. Sums are made of differences, so that a path that goes takes nothing back.

import type {
  ControlSnapshot,
  ControllerView,
  IoView,
  NamespaceView,
  PathView,
  ResourcesView,
  SubsystemRole,
  SubsystemView,
} from "./snapshot.ts";

/** What was done in the time between two snapshots. null: nobody counts it, or nothing was done. */
export interface IoRates {
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  readonly readBytesPerSecond: number;
  readonly writtenBytesPerSecond: number;
  /** Average of those that ended in this time. */
  readonly readLatencyMs: number | null;
  readonly writeLatencyMs: number | null;
  /** Share of the time in which something was in flight, 0 to 100; of a sum, that of its busiest part. */
  readonly utilizationPercent: number | null;
  readonly inflight: number | null;
}

/** Totals since what has them came to be. */
export interface Totals {
  readonly resets: number | null;
  readonly reconnects: number | null;
  readonly errors: number | null;
  readonly retries: number | null;
  readonly failovers: number | null;
  readonly requeued: number | null;
  readonly failed: number | null;
}

/** What every row has. */
export interface Rated {
  readonly id: string;
  readonly rates: IoRates;
  readonly totals: Totals;
}

/** A path, and what goes over it a second. */
export interface PathRates extends Rated {
  readonly controller: ControllerView | undefined;
  readonly namespace: NamespaceView;
  readonly anaState: string | null;
  readonly isUsable: boolean;
}

/** A namespace, and what it does a second. */
export interface NamespaceRates extends Rated {
  readonly view: NamespaceView;
  readonly anaStates: readonly string[];
  readonly paths: readonly PathRates[];
}

/** A controller, and what it does a second. */
export interface ControllerRates extends Rated {
  readonly view: ControllerView;
  readonly anaStates: readonly string[];
  readonly paths: readonly PathRates[];
  /** Of a target, where commands are counted instead of reads and writes. */
  readonly commandsPerSecond: number | null;
}

/** A subsystem, and what it does a second. */
export interface SubsystemRates extends Rated {
  readonly role: SubsystemRole;
  readonly name: string;
  readonly nqn: string;
  readonly anaStates: readonly string[];
  readonly controllers: readonly ControllerRates[];
  readonly namespaces: readonly NamespaceRates[];
}

/** The process between two snapshots. */
export interface ProcessRates {
  /** Time between the two, ms. */
  readonly elapsedMs: number;
  /** Share of the time that the event loop was at work, 0 to 100. */
  readonly loopPercent: number;
  /** Share of one processor, 0 to 100 and more. */
  readonly cpuPercent: number;
  readonly subsystems: readonly SubsystemRates[];
}

/** Differences of counters between two moments. */
interface Delta {
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly readMs: number | null;
  readonly writeMs: number | null;
  readonly busyMs: number | null;
  readonly inflight: number | null;
}

type Before = ReadonlyMap<string, IoView>;
type Commands = ReadonlyMap<string, number | null>;

/** What is known of the snapshot before. */
interface Then {
  readonly io: Before;
  readonly commands: Commands;
  readonly elapsedMs: number;
}

/**
 * Rates between `before` and `after`. undefined where there are none: no time has passed, or it is another
 * process that has the number now.
 */
export function ratesBetween(
  before: ControlSnapshot,
  after: ControlSnapshot,
): ProcessRates | undefined {
  const isSame =
    before.process.pid === after.process.pid &&
    before.process.startedAt === after.process.startedAt;
  const elapsedMs = after.nowMs - before.nowMs;
  if (!isSame || !(elapsedMs > 0)) return undefined;
  const then = { ...thenOf(before), elapsedMs };
  const active = since(before.eventLoop.activeMs, after.eventLoop.activeMs);
  const idle = since(before.eventLoop.idleMs, after.eventLoop.idleMs);
  return {
    elapsedMs,
    loopPercent: active + idle > 0 ? (100 * active) / (active + idle) : 0,
    cpuPercent: (100 * since(cpuMs(before.resources), cpuMs(after.resources))) / elapsedMs,
    subsystems: after.subsystems.map((each) => subsystemRates(each, then)),
  };
}

const cpuMs = ({ cpuUserMs, cpuSystemMs }: ResourcesView): number => cpuUserMs + cpuSystemMs;

/** A counter that has gone back has begun anew: all that it shows is new. */
const since = (before: number, after: number): number => (after >= before ? after - before : after);

const sinceIfAny = (before: number | null | undefined, after: number | null): number | null =>
  after === null ? null : since(before ?? 0, after);

function thenOf({ subsystems }: ControlSnapshot): Omit<Then, "elapsedMs"> {
  const io = new Map<string, IoView>();
  const commands = new Map<string, number | null>();
  for (const subsystem of subsystems) {
    if (subsystem.io !== null) io.set(subsystem.id, subsystem.io);
    for (const each of subsystem.controllers) commands.set(each.id, each.commands);
    for (const namespace of subsystem.namespaces) {
      if (namespace.io !== null) io.set(namespace.id, namespace.io);
      for (const path of namespace.paths) io.set(path.id, path.io);
    }
  }
  return { io, commands };
}

/** What came since the snapshot before has done all that it did since then. */
function deltaOf(id: string, io: IoView, { io: before }: Then): Delta {
  const then = before.get(id);
  return {
    reads: since(then?.reads ?? 0, io.reads),
    writes: since(then?.writes ?? 0, io.writes),
    readBytes: since(then?.readBytes ?? 0, io.readBytes),
    writtenBytes: since(then?.writtenBytes ?? 0, io.writtenBytes),
    readMs: sinceIfAny(then?.readMs, io.readMs),
    writeMs: sinceIfAny(then?.writeMs, io.writeMs),
    busyMs: sinceIfAny(then?.busyMs, io.busyMs),
    inflight: io.inflight,
  };
}

/** Sum of what is known; null where nothing is. */
const sum = (values: readonly (number | null)[]): number | null =>
  values.reduce((all, each) => (each === null ? all : (all ?? 0) + each), null);

const most = (values: readonly (number | null)[]): number | null =>
  values.reduce((all, each) => (each === null ? all : Math.max(all ?? 0, each)), null);

function together(parts: readonly Delta[]): Delta {
  const all = <K extends keyof Delta>(name: K): Delta[K][] => parts.map((each) => each[name]);
  return {
    reads: sum(all("reads")) ?? 0,
    writes: sum(all("writes")) ?? 0,
    readBytes: sum(all("readBytes")) ?? 0,
    writtenBytes: sum(all("writtenBytes")) ?? 0,
    readMs: sum(all("readMs")),
    writeMs: sum(all("writeMs")),
    busyMs: most(all("busyMs")),
    inflight: sum(all("inflight")),
  };
}

function ratesOf(delta: Delta, elapsedMs: number): IoRates {
  const perSecond = (count: number): number => (count * 1000) / elapsedMs;
  const average = (ms: number | null, count: number): number | null =>
    ms === null || count === 0 ? null : ms / count;
  const { reads, writes, readBytes, writtenBytes, readMs, writeMs, busyMs, inflight } = delta;
  return {
    readsPerSecond: perSecond(reads),
    writesPerSecond: perSecond(writes),
    readBytesPerSecond: perSecond(readBytes),
    writtenBytesPerSecond: perSecond(writtenBytes),
    readLatencyMs: average(readMs, reads),
    writeLatencyMs: average(writeMs, writes),
    utilizationPercent: busyMs === null ? null : Math.min(100, (100 * busyMs) / elapsedMs),
    inflight,
  };
}

const unknown: Totals = {
  resets: null,
  reconnects: null,
  errors: null,
  retries: null,
  failovers: null,
  requeued: null,
  failed: null,
};

const totalsTogether = (parts: readonly Totals[]): Totals => ({
  resets: sum(parts.map((each) => each.resets)),
  reconnects: sum(parts.map((each) => each.reconnects)),
  errors: sum(parts.map((each) => each.errors)),
  retries: sum(parts.map((each) => each.retries)),
  failovers: sum(parts.map((each) => each.failovers)),
  requeued: sum(parts.map((each) => each.requeued)),
  failed: sum(parts.map((each) => each.failed)),
});

const ioTotals = (io: IoView | null): Totals =>
  io === null
    ? unknown
    : { ...unknown, errors: io.errors, retries: io.retries, failovers: io.failovers };

const namesOf = (states: readonly (string | null)[]): readonly string[] =>
  [...new Set(states)].filter((each) => each !== null);

/** A path with the difference that it is made of. */
interface Counted {
  readonly row: PathRates;
  readonly delta: Delta;
}

function subsystemRates(view: SubsystemView, then: Then): SubsystemRates {
  const { id, role, name, nqn } = view;
  const counted = view.namespaces.map((namespace) =>
    namespace.paths.map((path) => pathRates(path, namespace, view.controllers, then)),
  );
  const namespaces = view.namespaces.map((each, i) => namespaceRates(each, counted[i]!, then));
  const controllers = view.controllers.map((each) => controllerRates(each, counted.flat(), then));
  const own = view.io === null ? [] : [deltaOf(id, view.io, then)];
  const delta = together([...own, ...namespaces.flatMap((each) => each.delta)]);
  const ofNamespaces = totalsTogether(namespaces.map(({ row }) => row.totals));
  const ofControllers = totalsTogether(controllers.map(({ totals }) => totals));
  const { resets, reconnects } = ofControllers;
  // On a host both have the errors of the paths; on a target commands fail at controllers.
  const errors =
    role === "target" ? ofControllers.errors : sum([ofNamespaces.errors, view.io?.errors ?? null]);
  const inflight =
    role === "target" ? sum(controllers.map(({ rates }) => rates.inflight)) : delta.inflight;
  return {
    id,
    role,
    name,
    nqn,
    rates: ratesOf({ ...delta, inflight }, then.elapsedMs),
    totals: { ...ofNamespaces, resets, reconnects, errors },
    anaStates: namesOf(namespaces.flatMap(({ row }) => row.anaStates)),
    controllers,
    namespaces: namespaces.map(({ row }) => row),
  };
}

function pathRates(
  { id, controller, anaState, isUsable, io }: PathView,
  namespace: NamespaceView,
  controllers: readonly ControllerView[],
  then: Then,
): Counted {
  const delta = deltaOf(id, io, then);
  const row = {
    id,
    controller: controllers.find((each) => each.id === controller),
    namespace,
    anaState,
    isUsable,
    rates: ratesOf(delta, then.elapsedMs),
    totals: ioTotals(io),
  };
  return { row, delta };
}

function namespaceRates(
  view: NamespaceView,
  paths: readonly Counted[],
  then: Then,
): { readonly row: NamespaceRates; readonly delta: readonly Delta[] } {
  const { id, io, requeued, failed } = view;
  const own = io === null ? [] : [deltaOf(id, io, then)];
  const delta = [...own, ...paths.map((each) => each.delta)];
  const ofPaths = totalsTogether([ioTotals(io), ...paths.map(({ row }) => row.totals)]);
  const row = {
    id,
    view,
    anaStates: namesOf([view.anaState, ...paths.map((each) => each.row.anaState)]),
    paths: paths.map((each) => each.row),
    rates: ratesOf(together(delta), then.elapsedMs),
    totals: { ...ofPaths, requeued, failed },
  };
  return { row, delta };
}

function controllerRates(
  view: ControllerView,
  all: readonly Counted[],
  then: Then,
): ControllerRates {
  const mine = all.filter(({ row }) => row.controller?.id === view.id);
  const paths = mine.map(({ row }) => row);
  const { id, resets, reconnects, commands, inflight } = view;
  const ofPaths = totalsTogether(paths.map(({ totals }) => totals));
  const delta = together(mine.map((each) => each.delta));
  const done = sinceIfAny(then.commands.get(id), commands);
  return {
    id,
    view,
    paths,
    anaStates: namesOf(paths.map(({ anaState }) => anaState)),
    rates: ratesOf({ ...delta, inflight }, then.elapsedMs),
    totals: { ...ofPaths, resets, reconnects, errors: sum([ofPaths.errors, view.errors]) },
    commandsPerSecond: done === null ? null : (done * 1000) / then.elapsedMs,
  };
}
