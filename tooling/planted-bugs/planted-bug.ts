// What a planted bug is, and how it gets into a source: as a replacement of text at build time.
// Read first: bugs/index.ts, which has them all. Production code knows nothing of this.

/** One replacement in one file. */
export interface Change {
  /** From the root of the repository. */
  readonly file: string;
  /** Must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** A bug that somebody might make, or has made. */
export interface PlantedBug {
  /** In kebab case. */
  readonly name: string;
  /** What is wrong with the code that has it. */
  readonly what: string;
  /** The invariants of docs/invariants.md that it breaks; the simulator may notice any of them. */
  readonly breaks: readonly string[];
  readonly changes: readonly Change[];
}

/** How often `part` occurs in `text`. */
const occurrences = (text: string, part: string): number => text.split(part).length - 1;

/** Whether a bug has something to say about a file. */
export const touches = (bug: PlantedBug, file: string): boolean =>
  bug.changes.some((change) => change.file === file);

/**
 * The text of `file` with the bug in it.
 *
 * @throws Error where a change does not fit: the code has moved on, and the bug has to follow.
 */
export function planted(bug: PlantedBug, file: string, text: string): string {
  return bug.changes
    .filter((change) => change.file === file)
    .reduce((before, { find, replace }) => {
      const count = occurrences(before, find);
      if (count !== 1) {
        throw new Error(
          `${bug.name}: its text occurs ${count} times in ${file}, not once: ${find}`,
        );
      }
      return before.replace(find, () => replace);
    }, text);
}
