// A terminal as a screen: keys one by one, rows that changed written anew, and all as it was at the end.
// Read first: screen.ts for what is shown; ECMA-48 for the sequences.

import { type Interface, type Key as ReadlineKey, emitKeypressEvents } from "node:readline";
import type { Io } from "../io.ts";
import type { ScreenSize } from "./screen.ts";
import type { Key } from "./view.ts";

/** Stdin and stdout as what they are on a terminal; in tests, what stands for one. */
interface TerminalStreams {
  readonly stdin: Io["stdin"] & { setRawMode?: (mode: boolean) => unknown };
  readonly stdout: Io["stdout"] & { readonly rows?: number };
}

const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";
const CLEAR = "\u001b[2J";

/** How long Esc is waited for to be the beginning of another key, ms. */
const ESCAPE_MS = 50;

/** Whether both ends of a screen are there. */
export const isScreen = ({ stdin, stdout, env }: Io): boolean =>
  stdin.isTTY === true && stdout.isTTY === true && env["TERM"] !== "dumb";

export class Terminal {
  readonly #streams: TerminalStreams;
  readonly #pressed: (key: Key) => void;
  readonly #resized: () => void;
  #shown: readonly string[] = [];

  readonly #keypress = (text: string | undefined, key: ReadlineKey): void => {
    // Ctrl-C comes as a key here.
    const isQuit = key.ctrl === true && (key.name === "c" || key.name === "d");
    const isText = text !== undefined && key.ctrl !== true && key.meta !== true;
    const typed = isText && /^[^\p{Cc}]$/u.test(text) ? text : "";
    this.#pressed(isQuit ? { name: "interrupt", text: "" } : { name: key.name ?? "", text: typed });
  };

  readonly #resize = (): void => {
    this.#shown = [];
    this.#streams.stdout.write(CLEAR);
    this.#resized();
  };

  /** @param pressed is told of every key; Ctrl-C is "interrupt". */
  constructor(streams: TerminalStreams, pressed: (key: Key) => void, resized: () => void) {
    this.#streams = streams;
    this.#pressed = pressed;
    this.#resized = resized;
  }

  get size(): ScreenSize {
    const { columns = 80, rows = 24 } = this.#streams.stdout;
    return { columns, rows };
  }

  enter(): void {
    const { stdin, stdout } = this.#streams;
    // Of an interface it needs no more than this.
    const options = { escapeCodeTimeout: ESCAPE_MS } as unknown as Interface;
    emitKeypressEvents(stdin, options);
    stdin.setRawMode?.(true);
    stdin.on("keypress", this.#keypress);
    stdin.resume();
    stdout.on("resize", this.#resize);
    stdout.write(ENTER);
    // However the process ends: in raw mode a shell is of no use.
    process.once("exit", this.#restore);
  }

  /** Shows `lines`, and writes those that are others than before. */
  show(lines: readonly string[]): void {
    const changed = lines.flatMap((line, i) =>
      line === this.#shown[i] ? [] : [`\u001b[${i + 1};1H${line}\u001b[K`],
    );
    this.#shown = lines;
    if (changed.length > 0) this.#streams.stdout.write(changed.join(""));
  }

  leave(): void {
    const { stdin, stdout } = this.#streams;
    process.off("exit", this.#restore);
    stdin.off("keypress", this.#keypress);
    stdout.off("resize", this.#resize);
    this.#restore();
    stdin.pause();
  }

  readonly #restore = (): void => {
    const { stdin, stdout } = this.#streams;
    stdin.setRawMode?.(false);
    stdout.write(LEAVE);
  };
}
