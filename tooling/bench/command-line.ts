// What `pnpm bench` is asked for.
// Read first: README.md "The command".

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { numberOption } from "@nvmeof/tooling-support";

export interface CommandLine {
  /** Whether a row is wanted. */
  readonly only: (name: string) => boolean;
  readonly isList: boolean;
  readonly isQuick: boolean;
  /** Only the quick check against what was kept. */
  readonly isCheck: boolean;
  /** What is reached is kept in the history. */
  readonly isKept: boolean;
  readonly rounds: number | undefined;
  readonly measureMs: number | undefined;
  /** Where to write the figures. */
  readonly json: string | undefined;
  /** The row to profile. */
  readonly profile: string | undefined;
  readonly profileFolder: string;
}

const options = {
  only: { type: "string" },
  list: { type: "boolean", default: false },
  quick: { type: "boolean", default: false },
  check: { type: "boolean", default: false },
  keep: { type: "boolean", default: false },
  rounds: { type: "string" },
  seconds: { type: "string" },
  json: { type: "string" },
  profile: { type: "string" },
  "profile-folder": { type: "string" },
} as const;

/** `host-*` and `*qd128` stand for all that they fit. */
function pattern(text: string): (name: string) => boolean {
  const literal = text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*");
  const wanted = new RegExp(`^(${literal.replaceAll(",", "|")})$`);
  return (name) => wanted.test(name);
}

/** @throws TypeError for what cannot be understood. */
export function commandLine(args: readonly string[]): CommandLine {
  const { values } = parseArgs({ args: [...args], options });
  const seconds = numberOption("seconds", values.seconds);
  const folder = values["profile-folder"];
  return {
    only: values.only === undefined ? () => true : pattern(values.only),
    isList: values.list,
    isQuick: values.quick,
    isCheck: values.check,
    isKept: values.keep,
    rounds: numberOption("rounds", values.rounds),
    measureMs: seconds === undefined ? undefined : seconds * 1000,
    json: values.json,
    profile: values.profile,
    profileFolder:
      folder === undefined
        ? fileURLToPath(new URL("./node_modules/.cache/bench/profiles", import.meta.url))
        : resolve(folder),
  };
}
