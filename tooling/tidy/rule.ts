// What a rule is: a sentence, the files it holds for, and a function that finds what breaks it.

export interface Rule {
  /** Reads like a sentence: it is the name of the test. */
  says: string;
  /** A file is named by its path in the repository, with slashes. */
  holdsFor(path: string): boolean;
  /** One complaint for each violation, `[]` if there is none. */
  complaints(path: string, text: string): string[];
}

export const isSource = (path: string): boolean =>
  /^(packages|apps|tooling|scripts|examples)\/.*\.(ts|mjs|js)$/.test(path);

export const isTest = (path: string): boolean => /\.(test|bench)\.ts$/.test(path);
