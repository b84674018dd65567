// Names and first lines: what a reader sees before the code.
import { basename } from "node:path";
import { lineOf, nameOf, nodesOf, walk, parse, type Node } from "./syntax.ts";
import { isSource, type Rule } from "./rule.ts";

export const kebabCase: Rule = {
  says: "a file name is in kebab-case",
  holdsFor: isSource,
  complaints: (path) =>
    /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.(ts|mjs|js)$/.test(basename(path))
      ? []
      : ["1: the name is not in kebab-case"],
};

export const firstLine: Rule = {
  says: "the first line of a file is a comment that says what it is",
  holdsFor: isSource,
  complaints(_path, text) {
    const [first = "", second = ""] = text.split("\n");
    const line = first.startsWith("#!") ? second : first;
    const isComment = /^(\/\/|\/\*\*?)( \S|$)/.test(line);
    const isDirective = /^\/[/*]\s*(@ts-|oxlint|eslint|prettier)/.test(line);
    return isComment && !isDirective ? [] : ["1: does not begin with a comment on what it is"];
  },
};

export const noDefaultExport: Rule = {
  says: "nothing is exported by default, except from a configuration file",
  holdsFor: (path) => isSource(path) && !/\.config\.(ts|js)$/.test(path),
  complaints(path, text) {
    const found = [
      ...nodesOf(path, text, "ExportDefaultDeclaration"),
      ...nodesOf(path, text, "ExportSpecifier").filter(
        (node) => nameOf(node["exported"]) === "default",
      ),
    ];
    return found.map((node) => `${lineOf(text, node.start)}: exports by default`);
  },
};

const isFunction = (node: unknown): boolean =>
  /Function|TSMethod/.test((node as Node | undefined)?.type ?? "");

/** `isClosing`, and a field `closing` that is a boolean: both are a state in disguise. */
const disguised = /^#?is[A-Z]\w*ing$/;
const phase =
  /^#?(clos|connect|disconnect|reconnect|reset|recover|destruct|destroy|delet|remov|drain|fenc)\w*ing$/;

function isBoolean(node: Node): boolean {
  const annotation = node["typeAnnotation"] as { typeAnnotation?: Node } | null | undefined;
  const value = node["value"] as Node | null | undefined;
  return (
    annotation?.typeAnnotation?.type === "TSBooleanKeyword" || typeof value?.["value"] === "boolean"
  );
}

export const noLifecycleBoolean: Rule = {
  says: "a lifecycle is one state, never a boolean such as isClosing",
  holdsFor: (path) => /^(packages|apps)\//.test(path) && isSource(path),
  complaints(path, text) {
    const found: string[] = [];
    walk(parse(path, text).program, (node, _parent, holder) => {
      const isField = /^(PropertyDefinition|TSPropertySignature|AccessorProperty)$/.test(node.type);
      const isVariable = node.type === "VariableDeclarator";
      const isParameter = holder === "params";
      if (!isField && !isVariable && !isParameter) return;
      // A parameter with a default value has its name on the left.
      const name = nameOf(node["key"] ?? node["id"] ?? node["left"] ?? node);
      if (isFunction(node["value"] ?? node["init"]) || name === "isString") return;
      if (disguised.test(name) || (isField && phase.test(name) && isBoolean(node)))
        found.push(`${lineOf(text, node.start)}: ${name} is a state in disguise`);
    });
    return found;
  },
};
