// docs/state-machines.md, printed from the tables: a picture, an overview, and every transition of each.

import { format } from "prettier";
import {
  workerEvents,
  workerLife,
  workerStates,
} from "../../packages/bdev/src/shared/worker-states.ts";
import { controllerAuthTable } from "../../packages/core/src/auth/controller-table.ts";
import { hostAuthTable } from "../../packages/core/src/auth/host-exchange.ts";
import { events, lifecycle, states } from "../../packages/core/src/lifecycle.ts";

const HEAD = `# State machines

Printed from the tables by \`tooling/docs/state-machines.ts\`: do not edit. \`npm run docs\` prints it
again, and a test fails while it is stale.
`;

const CONTROLLER = `## Controller

The table is \`packages/core/src/lifecycle.ts\`, which says what each state, event and effect means.
\`controller.ts\` carries the effects out, in their order; nothing else changes the state.

While \`fencing\`, commands of unknown outcome are with whoever owns the controller: it holds them until
another controller has reset the lost one, or for the time in which that must have noticed. Only the
first is waited for here; time alone does not keep a controller from connecting again.
How it all moves: [ARCHITECTURE.md](../ARCHITECTURE.md#life-of-one-failure).
`;

const WORKER = `## Worker

A worker thread that a namespace was lent to, as the main thread sees it. The table is
\`packages/bdev/src/shared/worker-states.ts\`; \`attached-worker.ts\` carries it out. \`overdue\` comes only
where the thread may be terminated. How a worker ended is part of the report of a close.
`;

const AUTHENTICATION = `## Authentication

One exchange of DH-HMAC-CHAP on one queue. What either side does about a message of the other: the tables
are in \`packages/core/src/auth/host-exchange.ts\` and \`packages/core/src/auth/controller-table.ts\`, which
say what each phase and each word means. \`receive\` is the request of a host for a message. After \`done\`
another exchange may begin; after \`over\` the connection ends.
`;

/** A transition as tables have it. */
interface Transition {
  readonly to: string;
  readonly run: readonly string[];
  /** How it ended, where the table says so. */
  readonly end?: string;
}

type Cell = Transition | "ignore" | "join" | "refuse" | "impossible";

/** A table, and where it begins and ends. */
interface Machine {
  readonly states: readonly string[];
  readonly events: readonly string[];
  readonly cell: (state: string, event: string) => Cell;
  readonly begin: string;
  readonly end: string;
}

function machine<State extends string, Event extends string>(
  named: { readonly states: readonly State[]; readonly events: readonly Event[] },
  table: Readonly<Record<State, Readonly<Record<Event, Cell>>>>,
): Machine {
  return {
    ...named,
    cell: (state, event) => table[state as State][event as Event],
    begin: named.states[0] ?? "",
    end: named.states.at(-1) ?? "",
  };
}

const controller = machine({ states, events }, lifecycle);
const worker = machine({ states: workerStates, events: workerEvents }, workerLife);

const isTransition = (cell: Cell): cell is Transition => typeof cell === "object";

/** Transitions of a state by where they lead to: the events of one arrow. */
function arrows({ events, cell }: Machine, from: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const event of events) {
    const there = cell(from, event);
    if (isTransition(there)) found.set(there.to, [...(found.get(there.to) ?? []), event]);
  }
  return found;
}

function diagram(of: Machine): string {
  const lines = of.states.flatMap((from) =>
    [...arrows(of, from)].map(([to, on]) => `  ${from} --> ${to}: ${on.join(", ")}`),
  );
  return [
    "```mermaid",
    "stateDiagram-v2",
    `  [*] --> ${of.begin}`,
    ...lines,
    `  ${of.end} --> [*]`,
    "```",
  ].join("\n");
}

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

/** What a cell says in the overview: a dash is an assertion. */
function brief(cell: Cell): string {
  if (isTransition(cell)) return `**${cell.to}**`;
  return cell === "impossible" ? "–" : cell;
}

const overview = ({ states, events, cell }: Machine): string =>
  table(
    ["event", ...states],
    events.map((event) => [event, ...states.map((state) => brief(cell(state, event)))]),
  );

const transitions = ({ states, events, cell }: Machine): string =>
  table(
    ["state", "event", "next state", "effects, in this order"],
    states.flatMap((state) =>
      events.flatMap((event) => {
        const there = cell(state, event);
        if (!isTransition(there)) return [];
        const to = there.end === undefined ? there.to : `${there.to} (${there.end})`;
        return [[state, event, to, there.run.join(", ")]];
      }),
    ),
  );

/** What is done about each message in each phase. */
function exchange(rows: Readonly<Record<string, Readonly<Record<string, string>>>>): string {
  const phases = Object.keys(rows);
  const messages = Object.keys(Object.values(rows)[0] ?? {});
  return table(
    ["message", ...phases],
    messages.map((message) => [message, ...phases.map((phase) => rows[phase]?.[message] ?? "")]),
  );
}

/** The whole page. */
export function stateMachines(): Promise<string> {
  const page = [
    HEAD,
    CONTROLLER,
    diagram(controller),
    "### Every state meets every event",
    "A name in bold is the next state. `join`: what is asked for is under way, and the request gets its result. `refuse`: the request gets an error that says why. `ignore`: nothing is to be done. A dash cannot happen: it is an assertion.",
    overview(controller),
    "### Every transition",
    transitions(controller),
    WORKER,
    diagram(worker),
    "### Every state of a worker meets every event",
    overview(worker),
    "### Every transition of a worker",
    transitions(worker),
    AUTHENTICATION,
    "### The host",
    exchange(hostAuthTable),
    "### The controller",
    exchange(controllerAuthTable),
  ].join("\n\n");
  return format(page, { parser: "markdown", printWidth: 100, proseWrap: "always" });
}
