// A source file as a syntax tree, and the few questions the rules ask about it.
import { parseSync } from "oxc-parser";

/** Any node; the rules look only at the fields they name. */
export interface Node {
  type: string;
  start: number;
  end: number;
  [field: string]: unknown;
}

interface Source {
  program: Node;
  /** The text with every comment blanked, line for line. */
  code: string;
}

/** The same file is read by many rules. */
const parsed = new Map<string, Source>();

export function parse(path: string, text: string): Source {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const { program, comments, errors } = parseSync(path, text, { range: false });
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`);
  let code = text;
  for (const { start, end } of comments) {
    code = code.slice(0, start) + code.slice(start, end).replace(/[^\n]/g, " ") + code.slice(end);
  }
  const source = { program: program as unknown as Node, code };
  parsed.set(text, source);
  return source;
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string";

/** Calls `visit` for every node, parents first, with the parent and its field that holds the node. */
export function walk(
  node: Node,
  visit: (node: Node, parent: Node, field: string) => void,
  parent: Node = node,
  field = "",
): void {
  visit(node, parent, field);
  for (const [key, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit, node, key);
    }
  }
}

/** Everything of one type. */
export function nodesOf(path: string, text: string, ...types: string[]): Node[] {
  const found: Node[] = [];
  walk(parse(path, text).program, (node) => {
    if (types.includes(node.type)) found.push(node);
  });
  return found;
}

export const lineOf = (text: string, offset: number): number =>
  text.slice(0, offset).split("\n").length;

/** The name an identifier, a private name or a string literal spells. */
export function nameOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "PrivateIdentifier") return `#${String(node["name"])}`;
  return node.type === "Identifier" || node.type === "Literal"
    ? String(node["name"] ?? node["value"])
    : "";
}

export interface Import {
  specifier: string;
  line: number;
}

/** What the file imports: statements, re-exports, `import()` and import types. */
export function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  walk(parse(path, text).program, (node) => {
    if (
      !/^(Import(Declaration|Expression)|Export(Named|All)Declaration|TSImportType)$/.test(
        node.type,
      )
    )
      return;
    const specifier = nameOf(node["source"] ?? node["argument"]);
    if (specifier !== "") found.push({ specifier, line: lineOf(text, node.start) });
  });
  return found;
}

/** Identifiers that refer to something, as opposed to naming a member. */
export function referencesOf(path: string, text: string): Node[] {
  const found: Node[] = [];
  walk(parse(path, text).program, (node, parent, field) => {
    if (node.type !== "Identifier") return;
    const isMember =
      parent["computed"] !== true && (field === "key" || field === "property" || field === "label");
    const isRenamed = field === "imported" || field === "exported";
    if (!isMember && !isRenamed && !(parent.type === "TSQualifiedName" && field === "right"))
      found.push(node);
  });
  return found;
}
