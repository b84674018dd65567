// The completion scripts, in the shells themselves where they are installed. Those that are not are skipped.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { commands } from "../commands.ts";
import { metadata } from "../metadata.ts";
import { failure, freshPath, nvmeof, nvmeofJson } from "../testing/run.ts";

const shells = ["bash", "zsh", "fish", "powershell"] as const;
type Shell = (typeof shells)[number];

function isThere(program: string): boolean {
  try {
    execFileSync(program, [program === "pwsh" ? "-Version" : "--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** The script of a shell in a file. */
const files = new Map<Shell, string>();
beforeAll(async () => {
  for (const shell of shells) {
    const { stdout, exitCode } = await nvmeof(["completion", shell]);
    expect(exitCode).toBe(0);
    const file = freshPath(`nvmeof.${shell}`);
    writeFileSync(file, stdout);
    files.set(shell, file);
  }
});

/** What a shell prints, line by line. */
function lines(program: string, args: readonly string[]): string[] {
  const env = { ...process.env, HOME: dirname(freshPath("home")) };
  const text = execFileSync(program, args, { encoding: "utf8", env, timeout: 60_000 });
  return text.split("\n").filter((line) => line !== "");
}

/** What a person has typed so far, the last word begun; and words that must and must not be offered. */
const typed: readonly (readonly [words: readonly string[], offered: string[], not: string[]])[] = [
  [[""], ["discover", "id", "id-ctrl", "smart-log", "completion"], ["ctrl", "--json"]],
  [["disco"], ["discover", "discovery-log"], ["connect"]],
  [
    ["id", ""],
    ["ctrl", "ns", "ns-list"],
    ["smart", "discover"],
  ],
  [["log", "sm"], ["smart"], ["error"]],
  [["connect", "--h"], ["--hdr-digest", "--hold", "--hostnqn"], ["--json"]],
  [["id", "ctrl", "-"], ["--json", "--traddr"], ["--hold"]],
  [["id-ctrl", "--vendor"], ["--vendor-specific"], ["--json"]],
  [["list", "--transport", ""], ["tcp", "fc"], ["--json"]],
];

describe.skipIf(!isThere("bash"))("bash", () => {
  const complete = (words: readonly string[]): string[] => {
    const quoted = ["nvmeof", ...words].map((word) => `'${word}'`).join(" ");
    const script = `source ${files.get("bash")!}
      COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _nvmeof; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return lines("bash", ["--norc", "--noprofile", "-c", script]);
  };

  test.each(typed)("%j", (words, offered, not) => {
    const found = complete(words);
    expect(found).toEqual(expect.arrayContaining(offered));
    expect(found.filter((word) => not.includes(word))).toEqual([]);
  });

  test("a file is completed where one is meant", () => {
    const folder = dirname(files.get("bash")!);
    expect(complete(["write", "--data", `${folder}/`])).toContain(`${folder}/nvmeof.bash`);
    expect(complete(["write", "--start-block", ""])).toEqual([]);
  });
});

describe.skipIf(!isThere("zsh"))("zsh", () => {
  /** With the functions of zsh's own completion replaced by some that print what they are given. */
  const complete = (words: readonly string[]): string[] => {
    const quoted = ["nvmeof", ...words].map((word) => `'${word}'`).join(" ");
    const script = `
      _describe() { local name=$2; print -l -- \${(P)name}; }
      _arguments() { print -l -- "$@"; }
      words=(${quoted}); CURRENT=$#words
      source ${files.get("zsh")!}`;
    return lines("zsh", ["-f", "-c", script]).flatMap((line) => {
      const [, flag] = /(?:^|\))(--[\w-]+)/.exec(line) ?? [];
      return flag === undefined ? [line.replace(/:.*$/, "")] : [flag];
    });
  };
  // It is zsh that chooses from them, by what was typed.
  test.each(typed.filter(([words]) => words.at(-1) === "" || words.at(-1)!.startsWith("-")))(
    "%j",
    (words, offered) => {
      const found = complete(words).join("\n");
      const isValue = words.at(-2)?.startsWith("--");
      for (const word of isValue === true ? ["--transport"] : offered) {
        expect(found).toContain(word);
      }
    },
  );

  test("its syntax is right", () => {
    expect(lines("zsh", ["-f", "-n", files.get("zsh")!])).toEqual([]);
  });
});

describe.skipIf(!isThere("fish"))("fish", () => {
  test.each(typed)("%j", (words, offered, not) => {
    const line = ["nvmeof", ...words].join(" ");
    const script = `source ${files.get("fish")!}; complete -C ${JSON.stringify(line)}`;
    const found = lines("fish", ["--no-config", "-c", script]).map((each) => each.split("\t")[0]);
    expect(found).toEqual(expect.arrayContaining(offered));
    expect(found.filter((word) => not.includes(word!))).toEqual([]);
  });
});

describe.skipIf(!isThere("pwsh"))("PowerShell", () => {
  test.each(typed)("%j", (words, offered, not) => {
    const line = ["nvmeof", ...words].join(" ");
    const script = `. ${files.get("powershell")!}
      (TabExpansion2 '${line}' ${line.length}).CompletionMatches | ForEach-Object CompletionText`;
    const found = lines("pwsh", ["-NoProfile", "-Command", script]);
    expect(found).toEqual(expect.arrayContaining(offered));
    expect(found.filter((word) => not.includes(word))).toEqual([]);
  });
});

test.each(shells)("%s knows every command and every option", async (shell) => {
  const { data } = await nvmeofJson(["completion", shell]);
  const { script } = data as { script: string };
  for (const { name, aliases, options } of metadata(commands)) {
    for (const word of [...name.split(" "), ...aliases]) expect(script).toContain(word);
    for (const { long } of options) {
      expect(script).toContain(shell === "fish" ? `-l ${long.slice(2)}` : long);
    }
  }
});

test("PowerShell finds no key twice, for which case does not count", async () => {
  const { stdout } = await nvmeof(["completion", "powershell"]);
  for (const [table = ""] of stdout.matchAll(/^\$\w+ = @\{\n[^}]*^\}/gm)) {
    const keys = [...table.matchAll(/^ {2}'([^']+)' =/gm)].map(([, key]) => key!.toLowerCase());
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
  }
});

test("there is none for another shell", async () => {
  expect(await failure(["completion", "csh"])).toMatchObject({
    exitCode: 2,
    hint: "There is: bash, zsh, fish, powershell.",
  });
});
