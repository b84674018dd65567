// Names of options: one that is not known is a mistake, and the one that was meant is usually near.
// Why: an option that is silently ignored is a protection that somebody believes to have.

/** Names are compared up to this length. */
const COMPARED_MAX = 64;

/** How many single edits lead from one text to the other. */
function editsBetween(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const edit = a[i - 1] === b[j - 1] ? 0 : 1;
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + edit));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** The name that was probably meant; `undefined` where none is near. */
export function nearestName(wrong: string, known: readonly string[]): string | undefined {
  const given = wrong.slice(0, COMPARED_MAX);
  let best: string | undefined;
  // More edits than half of it make another word.
  let least = Math.ceil(given.length / 2);
  for (const name of known) {
    const edits = editsBetween(given.toLowerCase(), name.toLowerCase());
    if (edits < least) [best, least] = [name, edits];
  }
  return best;
}

/** @throws TypeError for the first name in `given` that is not known. */
export function checkNames(given: object, known: readonly string[], what: string): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const meant = nearestName(name, known);
    const suggestion = meant === undefined ? "" : `; did you mean ${meant}?`;
    throw new TypeError(`there is no ${what} "${name.slice(0, COMPARED_MAX)}"${suggestion}`);
  }
}
