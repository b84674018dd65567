// `top` on a terminal: draws what comes, obeys keys, and leaves the terminal as it was.
// Read first: view.ts and screen.ts, which decide; terminal.ts, which writes.

import type { ControlClient } from "@nvmeof/tools/node";
import type { Context } from "../context.ts";
import { type Known, pageRowsOf, screenLines } from "./screen.ts";
import { Terminal } from "./terminal.ts";
import { type Key, type ViewState, firstView, pressed } from "./view.ts";
import { watched } from "./watch.ts";

/** Until the first rates are shown, ms: nobody wants to look at an empty screen for long. */
const FIRST_MS = 500;

/** Shows the process until q, Ctrl-C or the signal. Rejects when the process has ended. */
export async function live(
  { io, style, signal }: Context,
  client: ControlClient,
  intervalMs: number,
): Promise<void> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  const shown: { state: ViewState; known: Known | undefined } = {
    state: firstView,
    known: undefined,
  };
  const draw = (): void =>
    terminal.show(screenLines(shown.known, shown.state, terminal.size, style));
  const key = (each: Key): void => {
    const { state, known } = shown;
    const next =
      each.name === "interrupt"
        ? "quit"
        : pressed(state, each, known?.rates, pageRowsOf(terminal.size));
    if (next === "quit") end();
    else {
      shown.state = next;
      draw();
    }
  };
  const terminal = new Terminal(io, key, () => draw());
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  terminal.enter();
  try {
    draw();
    const firstMs = Math.min(FIRST_MS, intervalMs);
    for await (const sample of watched(client, intervalMs, ended.signal, firstMs)) {
      if (shown.known === undefined || !shown.state.isPaused) {
        shown.known = { ...sample, intervalMs };
      }
      draw();
    }
  } finally {
    signal.removeEventListener("abort", end);
    terminal.leave();
  }
}
