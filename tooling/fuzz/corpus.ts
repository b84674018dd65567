// Inputs that are kept: what was found in the past, and what leads to interesting places.
// A file is hexadecimal, with "#" before what it says about itself; its folder is the target's name.

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";

/** A kept input. */
export interface Kept {
  /** "past-end.hex" */
  readonly file: string;
  readonly input: Uint8Array;
}

const LINE_BYTES = 32;

/** Bytes of a file's text. */
export function parseHex(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, "").replace(/\s+/g, "");
  if (!/^([\da-f]{2})*$/i.test(digits)) throw new TypeError("not hexadecimal");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** The text of a file. */
export function formatHex(input: Uint8Array, about: string): string {
  const lines: string[] = [];
  for (let at = 0; at < input.length; at += LINE_BYTES) {
    lines.push(Buffer.from(input.subarray(at, at + LINE_BYTES)).toString("hex"));
  }
  return `# ${about.replaceAll("\n", " ")}\n${lines.join("\n")}\n`;
}

/** All kept inputs of a target, by the names of their files. `folder` ends with a slash. */
export function readCorpus(folder: string, target: string): Kept[] {
  const own = `${folder}${target}/`;
  if (!existsSync(own)) return [];
  return readdirSync(own)
    .filter((file) => file.endsWith(".hex"))
    .toSorted()
    .map((file) => ({ file, input: parseHex(readFileSync(own + file, "utf8")) }));
}

/** Keeps an input; the path of its file. */
export function keep(folder: string, target: string, name: string, text: string): string {
  const own = `${folder}${target}/`;
  mkdirSync(own, { recursive: true });
  const file = `${own}${name}.hex`;
  writeFileSync(file, text);
  return file;
}
