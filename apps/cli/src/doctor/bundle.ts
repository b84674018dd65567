// `doctor --bundle`: what was found, as a file for those who are asked for help. It names nobody.
// Read first: findings.ts; ../redact.ts for secrets, which are in nothing of this.

import { writeFile } from "node:fs/promises";
import { describeError } from "../errors.ts";
import { fileError } from "../files.ts";
import { withoutSecrets } from "../redact.ts";
import { version } from "../version.ts";
import type { Findings } from "./findings.ts";

/** What a bundle must not say, and what it says instead. */
export type Names = ReadonlyMap<string, string>;

const patterns: readonly (readonly [RegExp, string])[] = [
  [/\b[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\b/gi, "(uuid)"],
  [/\bnqn\.\d{4}-\d\d[^\s"',;)]*/g, "(nqn)"],
  [/\b(?!127\.)\d{1,3}(\.\d{1,3}){3}\b/g, "(address)"],
  [/\b[\da-f]{1,4}::[\da-f:]*|\b(?:[\da-f]{1,4}:){3,7}[\da-f]{1,4}\b/gi, "(address)"],
];

/** A text without names: those that are known by a word for each, all others by their looks. */
export function redacted(text: string, names: Names): string {
  let said = withoutSecrets(text);
  // The longest first: one may be a part of another.
  const known = [...names].filter(([name]) => name !== "");
  for (const [name, word] of known.toSorted(([a], [b]) => b.length - a.length)) {
    said = said.replaceAll(name, `(${word})`);
  }
  for (const [pattern, word] of patterns) said = said.replace(pattern, word);
  return said;
}

/** Writes what was found, and why it ended. @throws CliError where the file cannot be written. */
export async function writeBundle(
  path: string,
  found: Findings,
  names: Names,
  failure: unknown,
): Promise<void> {
  const { steps, risks } = found;
  const { platform, arch, versions } = process;
  const content = {
    schema: "nvmeof/doctor-bundle",
    version: 1,
    tool: version,
    node: versions.node,
    openssl: versions.openssl,
    platform,
    arch,
    steps,
    risks,
    error: failure === undefined ? null : { ...describeError(failure), peer: null },
  };
  const text = `${redacted(JSON.stringify(content, undefined, 2), names)}\n`;
  try {
    await writeFile(path, text, { mode: 0o600 });
  } catch (error) {
    throw fileError("write", path, error);
  }
}
