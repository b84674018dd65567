// The programs in examples/, as data: what each is for, what it imports and what it prints.
import { readdirSync } from "node:fs";
import { read, root } from "./repository.ts";

export interface Example {
  /** `read-one-block` */
  name: string;
  /** `examples/read-one-block.ts` */
  path: string;
  /** Its first line. */
  purpose: string;
  /** Lines that are neither blank nor comment. */
  codeLines: number;
  /** Every module it imports by name. */
  imports: string[];
  /** All that it writes to stdout: `*` stands for a part of a line, `...` for lines. */
  output: RegExp;
}

/** The lines under "Expected output:" in the first comment, as one expression. */
export function outputOf(text: string): RegExp {
  const [, lines = ""] = /^\/\/ Expected output:\n((?:\/\/ {3}.*\n)+)/m.exec(text) ?? [];
  const patterns = lines.match(/(?<=^\/\/ {3}).*/gm) ?? [];
  if (patterns.length === 0) throw new Error("an example says what it prints");
  const escaped = (line: string): string =>
    line.replace(/[\\^$.+?()[\]{}|]/g, "\\$&").replaceAll("*", ".*");
  const source = patterns.map((line) => (line === "..." ? "(.*\\n)*?" : `${escaped(line)}\\n`));
  return new RegExp(`^${source.join("")}$`);
}

export function examples(): Example[] {
  return readdirSync(`${root}examples`)
    .filter((file) => /^[a-z-]+\.ts$/.test(file))
    .map((file) => ({ path: `examples/${file}`, name: file.replace(".ts", "") }))
    .filter(({ path }) => read(path).includes("\n// Expected output:\n"))
    .map(({ path, name }) => {
      const text = read(path);
      return {
        name,
        path,
        purpose: (/^\/\/ (.*)/.exec(text) ?? [])[1] ?? "",
        codeLines: text.split("\n").filter((line) => !/^\s*(\/\/.*|\/\*\*.*)?$/.test(line)).length,
        imports: [...text.matchAll(/ from "([^"]+)";$/gm)].map(([, name]) => name ?? ""),
        output: outputOf(text),
      };
    });
}
