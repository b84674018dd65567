// Rows of the table of bad input, and how one is gone through: in every shape of a connection, whole,
// cut at every byte, byte by byte, and with good PDUs behind it that must not count.

import { type PduShape, joined } from "./raw-pdu.ts";
import { ControllerBench, HostBench, shapes } from "./session-bench.ts";

/** What goes in, and what must come of it. */
export interface BadInput<B> {
  /** The row of the table: "T47". */
  readonly row: string;
  readonly what: string;
  /** What the peer sends. May set up the session first, by `bench`. */
  input(bench: B): Uint8Array;
  /** Events that follow: "FES 1@20" stands for a loss by that error, told to the peer. */
  readonly expected: string | readonly string[];
  /** The peer is told nothing. */
  readonly silent?: boolean;
  /** PDUs sent in answer, where it is not the one TermReq that `expected` says. */
  readonly answers?: readonly string[];
  /** For what depends on a digest being on or off. */
  readonly shapes?: (shape: PduShape) => boolean;
}

/** Everything that can be seen of a session from outside. */
interface Seen {
  readonly events: readonly string[];
  readonly sent: readonly string[];
  readonly guardsIntact: boolean;
}

type Bench = HostBench | ControllerBench;

/** How a row begins: with which end of a connection, before its initialisation or after. */
export interface Start<B extends Bench> {
  readonly start: (shape: PduShape) => B;
  /** A PDU that would be good. */
  readonly good: (bench: B) => Uint8Array;
  readonly termReq: string;
}

/** A host with command 15 outstanding. */
export const runningHost: Start<HostBench> = {
  start: (shape) => {
    const bench = HostBench.open(shape);
    bench.flush(15);
    bench.sent();
    return bench;
  },
  good: (bench) => bench.completion(15),
  termReq: "H2CTermReq",
};

/** A host that has sent its ICReq. */
export const newHost: Start<HostBench> = {
  start: (shape) => {
    const bench = new HostBench(shape);
    bench.sent();
    return bench;
  },
  good: (bench) => bench.pdus.icResp(),
  termReq: "H2CTermReq",
};

export const runningController: Start<ControllerBench> = {
  start: (shape) => ControllerBench.open(shape),
  good: (bench) => bench.command(99, 0),
  termReq: "C2HTermReq",
};

export const newController: Start<ControllerBench> = {
  start: (shape) => new ControllerBench(shape),
  good: (bench) => bench.pdus.icReq(),
  termReq: "C2HTermReq",
};

function run<B extends Bench>(
  from: Start<B>,
  row: BadInput<B>,
  shape: PduShape,
  cutsOf: (length: number) => readonly number[],
  followers = 0,
): Seen {
  const bench = from.start(shape);
  const input = row.input(bench);
  bench.sent();
  bench.events = [];
  const good = Array.from({ length: followers }, () => from.good(bench));
  const bytes = joined(input, ...good);
  bench.receive(bytes, cutsOf(bytes.length));
  return {
    events: bench.events,
    sent: bench.sentTexts().map((text) => text.replace(/ quoting \d+$/, "")),
    guardsIntact: bench.guardsIntact,
  };
}

const everyByte = (length: number): number[] => Array.from({ length: length - 1 }, (_, i) => i + 1);

/** Goes through a row and gives what is wrong, in words; empty when all is as the row says. */
export function faultsOf<B extends Bench>(from: Start<B>, row: BadInput<B>): string[] {
  const { expected } = row;
  const faults: string[] = [];
  const ends = typeof expected === "string";
  const told = ends && expected.startsWith("FES ") && row.silent !== true;
  const wanted = JSON.stringify({
    events: ends ? [`lost ${expected}`] : expected,
    sent: row.answers ?? (told ? [`${from.termReq} ${expected}`] : []),
    guardsIntact: true,
  });
  for (const shape of shapes) {
    if (row.shapes?.(shape) === false) continue;
    const see = (how: string, cutsOf: (length: number) => readonly number[], behind = 0): void => {
      const seen = JSON.stringify(run(from, row, shape, cutsOf, behind));
      if (seen !== wanted) faults.push(`${shape.name}, ${how}: ${seen}`);
    };
    see("whole", () => []);
    const { length } = row.input(from.start(shape));
    for (let cut = 1; cut < length; cut++) see(`cut at ${cut}`, () => [cut]);
    see("byte by byte", everyByte);
    if (ends) see("with good PDUs behind it", () => [], 5);
    if (faults.length > 5) break;
  }
  return faults;
}
