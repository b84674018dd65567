// A number on a command line of ours: what `parseArgs` leaves as text.

/**
 * The number that `--name` was given: from `least` on, or above 0 where that is not said. Not given, it is none.
 *
 * @throws TypeError for what is no such number.
 */
export function numberOption(
  name: string,
  text: string | undefined,
  least?: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (least === undefined ? value > 0 : value >= least) return value;
  const range = least === undefined ? "above 0" : `from ${least} on`;
  throw new TypeError(`--${name}: "${text}" is no number ${range}`);
}
