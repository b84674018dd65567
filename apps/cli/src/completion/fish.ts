// Completion for fish: a line for each command and option. Read first: words.ts; complete(1) of fish.

import type { CommandFacts, OptionFacts } from "../metadata.ts";
import { allTyped, firstWords, shortText, takesOf, verbsOf } from "./words.ts";

const quoted = (text: string): string =>
  `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

function optionLine(names: readonly string[], option: OptionFacts): string {
  const { long, short, text, choices } = option;
  const takes = takesOf(option);
  const flags = `${short === null ? "" : ` -s ${short.slice(1)}`} -l ${long.slice(2)}`;
  const value =
    takes === "nothing"
      ? ""
      : takes === "words"
        ? ` -xa ${quoted(choices!.join(" "))}`
        : takes === "file"
          ? " -rF"
          : " -x";
  const when = quoted(`__nvmeof_at ${names.map((name) => `"${name}"`).join(" ")}`);
  return `complete -c nvmeof -n ${when}${flags}${value} -d ${quoted(shortText(text))}\n`;
}

/** The script. */
export function fishCompletion(
  commands: readonly CommandFacts[],
  groups: Readonly<Record<string, string>>,
): string {
  const typed = allTyped(commands);
  const first = firstWords(typed, groups).map(
    ([word, text]) => `complete -c nvmeof -n '__nvmeof_at ""' -fa ${word} -d ${quoted(text)}\n`,
  );
  const seconds = Object.keys(groups).flatMap((group) =>
    verbsOf(typed, group).map(
      ([word, text]) =>
        `complete -c nvmeof -n '__nvmeof_at "${group}"' -fa ${word} -d ${quoted(text)}\n`,
    ),
  );
  const options = commands.flatMap((facts) =>
    facts.options.map((option) => optionLine([facts.name, ...facts.aliases], option)),
  );
  return `# fish completion for nvmeof; printed by \`nvmeof completion fish\`.

# Whether the words typed so far, without options, begin with one of these commands, and no other one.
function __nvmeof_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l said (string match -v -- '-*' $words)[1..2]
    set -l groups ${Object.keys(groups).join(" ")}
    set -l command "$said[1]"
    if contains -- "$command" $groups; and test -n "$said[2]"
        set command "$said[1] $said[2]"
    end
    contains -- "$command" $argv
end

${first.join("")}${seconds.join("")}${options.join("")}`;
}
