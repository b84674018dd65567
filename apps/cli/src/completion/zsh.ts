// Completion for zsh: a function that zsh loads by its name, with descriptions.
// Read first: words.ts; zshcompsys(1), "_arguments" and "_describe".

import type { CommandFacts, OptionFacts } from "../metadata.ts";
import { allTyped, firstWords, flagsOf, shortText, takesOf, verbsOf } from "./words.ts";

/** In single quotes; brackets and colons mean something to _arguments and _describe. */
const quoted = (text: string): string => text.replaceAll("'", "'\\''");
const plain = (text: string): string =>
  quoted(text.replace(/[[\]:\\]/g, (character) => `\\${character}`));

function argumentOf(option: OptionFacts): string {
  const flags = flagsOf(option);
  const text = `[${plain(shortText(option.text))}]`;
  const takes = takesOf(option);
  const value =
    takes === "nothing"
      ? ""
      : takes === "words"
        ? `:value:(${option.choices!.join(" ")})`
        : takes === "file"
          ? ":file:_files"
          : ":value: ";
  return flags.length === 1
    ? `'${flags[0]!}${text}${value}'`
    : `'(${flags.join(" ")})'{${flags.join(",")}}'${text}${value}'`;
}

const described = (rows: readonly (readonly [string, string])[]): string =>
  rows.map(([word, text]) => `    '${plain(word)}:${plain(text)}'`).join("\n");

/** The script. */
export function zshCompletion(
  commands: readonly CommandFacts[],
  groups: Readonly<Record<string, string>>,
): string {
  const typed = allTyped(commands);
  const groupNames = Object.keys(groups).filter((group) => verbsOf(typed, group).length > 0);
  const branches = commands.map((facts) => {
    const names = [facts.name, ...facts.aliases].map((name) => `"${name}"`).join("|");
    const lines = facts.options.map((option) => `        ${argumentOf(option)} \\\n`).join("");
    return `      ${names})\n        _arguments -S \\\n${lines}        '*:file:_files' ;;\n`;
  });
  return `#compdef nvmeof
# zsh completion for nvmeof; printed by \`nvmeof completion zsh\`.

_nvmeof() {
  local -a verbs
  local command=$words[2]
  if ((CURRENT == 2)); then
    verbs=(
${described(firstWords(typed, groups))}
    )
    _describe command verbs
    return
  fi
  case $command in
    ${groupNames.join("|")})
      if ((CURRENT == 3)); then
        case $command in
${groupNames.map((group) => `          ${group}) verbs=(\n${described(verbsOf(typed, group))}\n          ) ;;\n`).join("")}        esac
        _describe verb verbs
        return
      fi
      command="$command $words[3]"
      shift words
      ((CURRENT--)) ;;
  esac
  shift words
  ((CURRENT--))
  case $command in
${branches.join("")}  esac
}

_nvmeof "$@"
`;
}
