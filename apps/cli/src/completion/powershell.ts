// Completion for PowerShell: tables, and a block that looks into them.
// Read first: words.ts; about Register-ArgumentCompleter, "-Native".

import type { CommandFacts } from "../metadata.ts";
import { allTyped, firstWords, flagsOf, shortText, takesOf, verbsOf } from "./words.ts";

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The comma keeps a pair together: without it PowerShell makes one long list of them all. */
const rows = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([word, text]) => `    , @(${quoted(word)}, ${quoted(text)})`).join("\n");

/** What looks the words up. */
const completer = String.raw`Register-ArgumentCompleter -Native -CommandName nvmeof -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | ForEach-Object { $_.ToString() })
  $before = @($words | Select-Object -Skip 1)
  if ($wordToComplete -ne '' -and $before.Count -gt 0) { $before = @($before | Select-Object -SkipLast 1) }
  $pairs = @()
  if ($before.Count -eq 0) { $pairs = $nvmeofFirst }
  elseif ($before.Count -eq 1 -and $nvmeofVerbs.ContainsKey($before[0])) { $pairs = $nvmeofVerbs[$before[0]] }
  elseif ($nvmeofChoices.ContainsKey($before[-1])) {
    $pairs = @($nvmeofChoices[$before[-1]] | ForEach-Object { , @($_, $_) })
  } else {
    $command = $before[0]
    if ($nvmeofVerbs.ContainsKey($command)) { $command = "$command $($before[1])" }
    if ($nvmeofAliases.ContainsKey($command)) { $command = $nvmeofAliases[$command] }
    if ($nvmeofOptions.ContainsKey($command)) { $pairs = $nvmeofOptions[$command] }
  }
  $pairs | Where-Object { $_[0] -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterValue', $_[1])
  }
}
`;

/** The script. */
export function powershellCompletion(
  commands: readonly CommandFacts[],
  groups: Readonly<Record<string, string>>,
): string {
  const typed = allTyped(commands);
  const groupNames = Object.keys(groups).filter((group) => verbsOf(typed, group).length > 0);
  const verbs = groupNames.map(
    (group) => `  ${quoted(group)} = @(\n${rows(verbsOf(typed, group))}\n  )`,
  );
  const options = commands.map((facts) => {
    const pairs = facts.options.flatMap((option) =>
      flagsOf(option).map((flag) => [flag, shortText(option.text)] as const),
    );
    return `  ${quoted(facts.name)} = @(\n${rows(pairs)}\n  )`;
  });
  const aliases = commands.flatMap(({ name, aliases: others }) =>
    others.map((alias) => `  ${quoted(alias)} = ${quoted(name)}`),
  );
  const choices = new Map<string, string>();
  for (const { options: own } of commands) {
    for (const option of own) {
      if (takesOf(option) !== "words") continue;
      for (const flag of flagsOf(option)) choices.set(flag, option.choices!.map(quoted).join(", "));
    }
  }
  return `# PowerShell completion for nvmeof; printed by \`nvmeof completion powershell\`.

$nvmeofFirst = @(
${rows(firstWords(typed, groups))}
)
$nvmeofVerbs = @{
${verbs.join("\n")}
}
$nvmeofOptions = @{
${options.join("\n")}
}
$nvmeofAliases = @{
${aliases.join("\n")}
}
$nvmeofChoices = @{
${[...choices].map(([flag, words]) => `  ${quoted(flag)} = @(${words})`).join("\n")}
}

${completer}`;
}
