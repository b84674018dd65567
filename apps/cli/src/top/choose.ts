// Lets somebody at a terminal choose one of several processes.
// Read first: terminal.ts for keys and rows.

import type { Context } from "../context.ts";
import type { Style } from "../style.ts";
import type { ScreenSize } from "./screen.ts";
import { Terminal } from "./terminal.ts";
import { clipped } from "./text.ts";
import type { Key } from "./view.ts";

/** Lines that are there beside those to choose from. */
const FIXED_LINES = 4;

/** The list as lines: the page with the one that is chosen. */
export function chooserLines(
  names: readonly string[],
  at: number,
  { columns, rows }: ScreenSize,
  style: Style,
): string[] {
  const page = Math.max(1, rows - FIXED_LINES);
  const first = Math.floor(at / page) * page;
  const list = names.slice(first, first + page).map((name, i) => {
    const isChosen = first + i === at;
    const line = clipped(`${isChosen ? "> " : "  "}${name}`, columns);
    return isChosen ? style.bold(line) : line;
  });
  const room = Array.from({ length: page - list.length }, () => "");
  const title = clipped(`nvmeof top  which of ${names.length} processes?`, columns);
  const keys = style.dim(clipped("up, down choose  Enter watch  q quit", columns));
  return [style.bold(title), "", ...list, ...room, "", keys].slice(0, Math.max(1, rows));
}

/** What a key makes of the choice; "take" it, or "quit". */
export function chosenBy(key: Key, at: number, count: number): number | "take" | "quit" {
  switch (key.name) {
    case "up":
    case "k":
      return Math.max(0, at - 1);
    case "down":
    case "j":
      return Math.min(count - 1, at + 1);
    case "home":
      return 0;
    case "end":
      return count - 1;
    case "return":
    case "enter":
      return "take";
    case "q":
    case "escape":
    case "interrupt":
      return "quit";
    default:
      return at;
  }
}

/** The index of the name that was chosen; undefined where somebody quits, or the signal aborts. */
export function choose(
  { io, style, signal }: Context,
  names: readonly string[],
): Promise<number | undefined> {
  return new Promise((resolve) => {
    let at = 0;
    const draw = (): void => terminal.show(chooserLines(names, at, terminal.size, style));
    const end = (result: number | undefined): void => {
      signal.removeEventListener("abort", quit);
      terminal.leave();
      resolve(result);
    };
    const quit = (): void => end(undefined);
    const terminal = new Terminal(
      io,
      (key) => {
        const next = chosenBy(key, at, names.length);
        if (next === "quit") quit();
        else if (next === "take") end(at);
        else {
          at = next;
          draw();
        }
      },
      () => draw(),
    );
    signal.addEventListener("abort", quit, { once: true });
    terminal.enter();
    if (signal.aborted) quit();
    else draw();
  });
}
