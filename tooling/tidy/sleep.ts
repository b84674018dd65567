// Tests do not sleep: they wait for the event itself, or move virtual time.
import { importsOf, lineOf, nameOf, nodesOf, referencesOf } from "./syntax.ts";
import type { Rule } from "./rule.ts";

/**
 * Tests that may use a timer, with the reason. For tests over real sockets that have to bound a wait
 * for an event, or to show that an event does not come; nothing else belongs here.
 */
export const exempt: Readonly<Record<string, string>> = {};
export const exemptMax = 5;

const sleeps = /^(sleep|delay|pause)$/;
const timers = /^(setTimeout|setInterval)$/;

export const noSleep: Rule = {
  says: "a test never sleeps",
  holdsFor: (path) => path.endsWith(".test.ts") && !(path in exempt),
  complaints(path, text) {
    const modules = importsOf(path, text)
      .filter(({ specifier }) => /^(node:)?timers(\/promises)?$/.test(specifier))
      .map(({ line }) => line);
    const names = referencesOf(path, text)
      .filter((node) => timers.test(nameOf(node)))
      .map((node) => lineOf(text, node.start));
    const calls = nodesOf(path, text, "CallExpression")
      .filter((node) => sleeps.test(nameOf(node["callee"])))
      .map((node) => lineOf(text, node.start));
    const members = nodesOf(path, text, "MemberExpression")
      .filter((node) => /^(globalThis\.set(Timeout|Interval)|Atomics\.wait)$/.test(member(node)))
      .map((node) => lineOf(text, node.start));
    return [...modules, ...names, ...calls, ...members].map((line) => `${line}: sleeps`);
  },
};

const member = (node: { [field: string]: unknown }): string =>
  `${nameOf(node["object"])}.${nameOf(node["property"])}`;
