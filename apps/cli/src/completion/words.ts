// What completions are made of: commands as they are typed, their options, and what those take.
// Read first: ../metadata.ts.

import type { CommandFacts, OptionFacts } from "../metadata.ts";

/** A command as it is typed: its name, or one of its aliases. */
export interface Typed {
  /** "id ctrl", "id-ctrl". */
  readonly words: string;
  readonly facts: CommandFacts;
}

/** Descriptions are cut to this: a line of a terminal has more than one column. */
export const TEXT_MAX = 60;

export const shortText = (text: string): string =>
  text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;

/** Every way to type every command. */
export const allTyped = (commands: readonly CommandFacts[]): Typed[] =>
  commands.flatMap((facts) =>
    [facts.name, ...facts.aliases].map((words): Typed => ({ words, facts })),
  );

/** First words, with what they are: verbs of their own, and groups. */
export function firstWords(
  typed: readonly Typed[],
  groups: Readonly<Record<string, string>>,
): readonly (readonly [word: string, text: string])[] {
  const found = new Map<string, string>();
  for (const { words, facts } of typed) {
    const [first = "", second] = words.split(" ");
    found.set(first, second === undefined ? facts.summary : (groups[first] ?? facts.summary));
  }
  return [...found].map(([word, text]) => [word, shortText(text)] as const);
}

/** Second words of a group. */
export const verbsOf = (
  typed: readonly Typed[],
  group: string,
): readonly (readonly [word: string, text: string])[] =>
  typed
    .filter(({ words }) => words.startsWith(`${group} `))
    .map(({ words, facts }) => [words.slice(group.length + 1), shortText(facts.summary)] as const);

/** What an option takes. */
export type Takes = "nothing" | "file" | "words" | "text";

export function takesOf({ value, choices }: OptionFacts): Takes {
  if (value === null) return "nothing";
  if (choices !== null) return "words";
  return /file|path/.test(value) ? "file" : "text";
}

/** "-a --traddr". */
export const flagsOf = ({ short, long }: OptionFacts): string[] =>
  short === null ? [long] : [short, long];
