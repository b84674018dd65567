// The libraries know no platform: time, chance and I/O come in through ports. Only what lies in a
// `node` folder (or file) may touch Node.
import { builtinModules } from "node:module";
import { importsOf, lineOf, nameOf, nodesOf, referencesOf } from "./syntax.ts";
import { isTest, type Rule } from "./rule.ts";

const globals = new Set(
  `Buffer process console require __dirname __filename Date performance
   setTimeout setInterval setImmediate queueMicrotask requestAnimationFrame
   clearTimeout clearInterval clearImmediate`.split(/\s+/),
);

const members = new Set([
  "Math.random",
  "crypto.getRandomValues",
  "crypto.randomUUID",
  "AbortSignal.timeout",
  "Atomics.wait",
  "Atomics.waitAsync",
]);

const isPlatformModule = (specifier: string): boolean =>
  specifier.startsWith("node:") ||
  builtinModules.includes(specifier) ||
  /^(@nvmeof\/|\.).*\/node(\/|\.ts$|$)/.test(specifier);

export const platform: Rule = {
  says: "no library touches Node, a clock, a timer or chance outside its node folder",
  holdsFor: (path) =>
    /^packages\/(codec|transport|core|bdev|target|sim)\/src\/.*\.ts$/.test(path) &&
    !isTest(path) &&
    (path.startsWith("packages/codec/") || !/\/node(\/|\.ts$)/.test(path)),
  complaints(path, text) {
    const modules = importsOf(path, text)
      .filter(({ specifier }) => isPlatformModule(specifier))
      .map(({ specifier, line }) => `${line}: imports ${specifier}`);
    const names = referencesOf(path, text)
      .filter((node) => globals.has(nameOf(node)))
      .map((node) => `${lineOf(text, node.start)}: uses ${nameOf(node)}`);
    const uses = nodesOf(path, text, "MemberExpression").flatMap((node) => {
      const [object, property] = [nameOf(node["object"]), nameOf(node["property"])];
      const isHidden = object === "globalThis" && globals.has(property);
      if (!isHidden && !members.has(`${object}.${property}`)) return [];
      return [`${lineOf(text, node.start)}: uses ${object}.${property}`];
    });
    return [...modules, ...names, ...uses];
  },
};
