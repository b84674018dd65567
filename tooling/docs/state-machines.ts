// docs/state-machines.md, printed from the tables: a picture, an overview, and every transition.

import { format } from "prettier";
import {
  type Cell,
  type Event,
  type State,
  type Transition,
  events,
  lifecycle,
  states,
} from "../../packages/core/src/lifecycle.ts";

const HEAD = `# State machines

Printed from the tables by \`tooling/docs/state-machines.ts\`: do not edit. \`npm run docs\` prints it
again, and a test fails while it is stale.

## Controller

The table is \`packages/core/src/lifecycle.ts\`, which says what each state, event and effect means.
\`controller.ts\` carries the effects out, in their order; nothing else changes the state.

While \`fencing\`, commands of unknown outcome are with whoever owns the controller: it holds them until
another controller has reset the lost one, or for the time in which that must have noticed. Only the
first is waited for here; time alone does not keep a controller from connecting again.
How it all moves: [ARCHITECTURE.md](../ARCHITECTURE.md#life-of-one-failure).
`;

const isTransition = (cell: Cell): cell is Transition => typeof cell === "object";

/** Transitions of a state by where they lead to: the events of one arrow. */
function arrows(from: State): Map<State, Event[]> {
  const found = new Map<State, Event[]>();
  for (const event of events) {
    const cell = lifecycle[from][event];
    if (isTransition(cell)) found.set(cell.to, [...(found.get(cell.to) ?? []), event]);
  }
  return found;
}

function diagram(): string {
  const lines = states.flatMap((from) =>
    [...arrows(from)].map(([to, on]) => `  ${from} --> ${to}: ${on.join(", ")}`),
  );
  return [
    "```mermaid",
    "stateDiagram-v2",
    "  [*] --> connecting",
    ...lines,
    "  closed --> [*]",
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

const overview = (): string =>
  table(
    ["event", ...states],
    events.map((event) => [event, ...states.map((state) => brief(lifecycle[state][event]))]),
  );

const transitions = (): string =>
  table(
    ["state", "event", "next state", "effects, in this order"],
    states.flatMap((state) =>
      events.flatMap((event) => {
        const cell = lifecycle[state][event];
        return isTransition(cell) ? [[state, event, cell.to, cell.run.join(", ")]] : [];
      }),
    ),
  );

/** The whole page. */
export function stateMachines(): Promise<string> {
  const page = [
    HEAD,
    diagram(),
    "### Every state meets every event",
    "A name in bold is the next state. `join`: what is asked for is under way, and the request gets its result. `refuse`: the request gets an error that says why. `ignore`: nothing is to be done. A dash cannot happen: it is an assertion.",
    overview(),
    "### Every transition",
    transitions(),
  ].join("\n\n");
  return format(page, { parser: "markdown", printWidth: 100, proseWrap: "always" });
}
