// The command line of `pnpm soak`.
// Read first: README.md.

/** What was asked for. */
export interface SoakCommand {
  readonly minutes: number;
  readonly seed: number;
  /** Where the page goes; none named: a place of the soak's own. */
  readonly page: string | undefined;
  readonly help: boolean;
}

const MINUTES = 5;

export const usage = `pnpm soak [options]: traffic with faults, and whether anything grows, is lost or is wrong.

  --minutes N   as long as that (default: ${MINUTES}; 1440 for a day)
  --seed S      another run, or nearly the same again (default: the time)
  --page FILE   where the page with the curves goes (default: tooling/soak/results/)
`;

/** @throws TypeError for what cannot be meant. */
export function parseOptions(args: readonly string[]): SoakCommand {
  let minutes = MINUTES;
  let seed = Date.now() % 1_000_000_000;
  let page: string | undefined;
  let help = false;
  const rest = [...args];
  while (rest.length > 0) {
    const [name, inline] = rest.shift()!.split(/=(.*)/s) as [string, string?];
    const value = (): string => {
      const text = inline ?? rest.shift();
      if (text === undefined) throw new TypeError(`${name} needs a value`);
      return text;
    };
    const number = (least: number): number => {
      const text = value();
      if (text.trim() !== "" && Number(text) >= least) return Number(text);
      throw new TypeError(`${name}: "${text}" is no number from ${least} on`);
    };
    if (name === "--minutes") minutes = number(0.05);
    else if (name === "--seed") seed = Math.floor(number(0));
    else if (name === "--page") page = value();
    else if (name === "--help" || name === "-h") help = true;
    else throw new TypeError(`there is no option ${name}`);
  }
  return { minutes, seed, page, help };
}
