// Completion for bash: one function over a table in a `case`, without a process per key press.
// Read first: words.ts; bash(1) "Programmable Completion".

import type { CommandFacts } from "../metadata.ts";
import { type Typed, allTyped, firstWords, flagsOf, takesOf, verbsOf } from "./words.ts";

/** Lines of a `case`: patterns that give the same, together. */
function cases(rows: readonly (readonly [pattern: string, result: string])[]): string {
  const byResult = new Map<string, string[]>();
  for (const [pattern, result] of rows) {
    byResult.set(result, [...(byResult.get(result) ?? []), pattern]);
  }
  return [...byResult]
    .map(([result, patterns]) => `    ${patterns.join("|")}) ${result} ;;\n`)
    .join("");
}

const optionWords = ({ facts }: Typed): string => facts.options.flatMap(flagsOf).join(" ");

/** What follows an option: choices, a file, or nothing that could be completed. */
function valueCases(typed: readonly Typed[]): string {
  const rows = new Map<string, string>();
  for (const { words, facts } of typed) {
    for (const option of facts.options) {
      const takes = takesOf(option);
      if (takes === "nothing") continue;
      const result =
        takes === "words"
          ? `_nvmeof_words "${option.choices!.join(" ")}"`
          : takes === "file"
            ? "_nvmeof_files"
            : "COMPREPLY=()";
      for (const flag of flagsOf(option)) rows.set(`"${words} ${flag}"`, result);
    }
  }
  return cases([...rows]);
}

/** The script. */
export function bashCompletion(
  commands: readonly CommandFacts[],
  groups: Readonly<Record<string, string>>,
): string {
  const typed = allTyped(commands);
  const first = firstWords(typed, groups)
    .map(([word]) => word)
    .join(" ");
  const groupNames = Object.keys(groups).filter((group) => verbsOf(typed, group).length > 0);
  const seconds = groupNames.map((group): readonly [string, string] => [
    group,
    `_nvmeof_words "${verbsOf(typed, group)
      .map(([word]) => word)
      .join(" ")}"; return`,
  ]);
  return `# bash completion for nvmeof; printed by \`nvmeof completion bash\`.

_nvmeof_words() { COMPREPLY=($(compgen -W "$1" -- "$cur")); }
_nvmeof_files() { COMPREPLY=($(compgen -f -- "$cur")); compopt -o filenames 2>/dev/null; }

_nvmeof() {
  local cur prev command
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _nvmeof_words "${first} help --help --version"
    return
  fi
  command="\${COMP_WORDS[1]}"
  case "$command" in
    ${groupNames.join("|")})
      if ((COMP_CWORD == 2)); then
        case "$command" in
${cases(seconds).replace(/^ {4}/gm, "          ")}        esac
      fi
      command="$command \${COMP_WORDS[2]}" ;;
  esac
  case "$command $prev" in
${valueCases(typed)}    *)
      if [[ "$cur" == -* ]]; then _nvmeof_options "$command"; else _nvmeof_files; fi ;;
  esac
}

_nvmeof_options() {
  case "$1" in
${cases(typed.map((each) => [`"${each.words}"`, `_nvmeof_words "${optionWords(each)} --help"`]))}  esac
}

complete -F _nvmeof nvmeof
`;
}
