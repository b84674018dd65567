// Tests do not sleep: they wait for the event itself, or move virtual time. Nor do those who help them.
import { isTest, type Rule } from "./rule.ts";
import {
  type Node,
  importsOf,
  lineOf,
  nameOf,
  nodesOf,
  parse,
  referencesOf,
  walk,
} from "./syntax.ts";

/**
 * Files that may use a timer, with the reason. For those that have to bound a wait for an event, or to
 * show that an event does not come; nothing else belongs here.
 */
export const exempt: Readonly<Record<string, string>> = {
  "packages/transport/src/node/clock.test.ts": "tests the timers themselves, and waits for events",
  "packages/transport/src/node/event-pace.ts": "bounds the wait for an event of a real socket",
  "tooling/fuzz/worker.ts": "looks for work in slices, so that a case that hangs is seen",
  "tooling/interop/deadline.mjs": "bounds the wait for a guest or a program that may never answer",
  "tooling/planted-bugs/hunt.ts": "bounds the wait for threads that may never be done",
  "tooling/soak/soak.test.ts": "leaves timers behind, to see that they are found",
  "tooling/soak/soak.ts":
    "runs for minutes, and bounds the wait for the platform to close its handles",
  "tooling/support/execute.ts": "ends a program that is still running after its deadline",
  "tooling/support/timer.ts": "bounds runs of minutes, and notices what hangs in them",
};
export const exemptMax = 9;

/** What tests are helped by: everything they import that is not shipped, and the scripts that check. */
const supports =
  /^(packages|apps)\/.*\/(testing|conformance)\/|\/event-pace\.ts$|^tooling\/(?!tidy\/|peers\/)/;

const sleeps = /^(sleep|delay|pause)$/;
const timers = /^(setTimeout|setInterval)$/;
const globals = "(globalThis|global|window|self)";
/** Members that wait for time, or that ask again and again. */
const members = new RegExp(
  [
    `^${globals}\\.set(Timeout|Interval)$`,
    "^Atomics\\.wait(Async)?$",
    "^AbortSignal\\.timeout$",
    "^scheduler\\.wait$",
    "^vi\\.wait(For|Until)$",
    "^expect\\.poll$",
    "^systemClock\\.at$",
  ].join("|"),
);
const clocks = /^(Date\.now|performance\.now|systemClock\.nowMs|hrtime\.bigint|process\.hrtime)$/;

export const noSleep: Rule = {
  says: "a test never sleeps, nor does what helps it",
  holdsFor: (path) =>
    /\.(ts|mjs|js)$/.test(path) && (isTest(path) || supports.test(path)) && !(path in exempt),
  complaints(path, text) {
    const modules = importsOf(path, text)
      .filter(({ specifier }) => /^(node:)?timers(\/promises)?$/.test(specifier))
      .map(({ line }) => line);
    const names = referencesOf(path, text).filter((node) => timers.test(nameOf(node)));
    const found = [
      ...names,
      ...takenApart(path, text),
      ...nodesOf(path, text, "CallExpression").filter((node) =>
        sleeps.test(nameOf(node["callee"])),
      ),
      ...nodesOf(path, text, "AwaitExpression").filter(isAwaitedSleep),
      ...nodesOf(path, text, "MemberExpression").filter((node) => members.test(member(node))),
      ...nodesOf(path, text, "WhileStatement", "DoWhileStatement", "ForStatement").filter(isBusy),
    ].map((node) => lineOf(text, node.start));
    return [...modules, ...found].map((line) => `${line}: sleeps`);
  },
};

const member = (node: Node): string => `${nameOf(node["object"])}.${nameOf(node["property"])}`;

/** `const { setTimeout: later } = globalThis` */
function takenApart(path: string, text: string): Node[] {
  const found: Node[] = [];
  walk(parse(path, text).program, (node, parent) => {
    if (parent.type !== "ObjectPattern" || node.type !== "Property") return;
    // Without a new name the pattern's value is the name, and is found as such.
    const isRenamed = nameOf(node["value"]) !== nameOf(node["key"]);
    if (isRenamed && timers.test(nameOf(node["key"]))) found.push(node);
  });
  return found;
}

/** `await clock.sleep(10)`; not `peer.delay("read", 10)`, which is about somebody else's time. */
function isAwaitedSleep(node: Node): boolean {
  const call = node["argument"] as Node;
  if (call.type !== "CallExpression") return false;
  const callee = call["callee"] as Node;
  return callee.type === "MemberExpression" && /^(sleep|delay)$/.test(nameOf(callee["property"]));
}

/** A loop that goes on until a clock says so. */
function isBusy(node: Node): boolean {
  const test = node["test"] as Node | null;
  if (test === null) return false;
  let asks = false;
  walk(test, (each) => {
    if (each.type === "MemberExpression" && clocks.test(member(each))) asks = true;
  });
  return asks;
}
