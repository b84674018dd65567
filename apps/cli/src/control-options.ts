// The option of verbs that stay: whether `nvmeof top` may look in.
// Read first: control.ts, which opens the socket.

import { Option } from "commander";

/** What was said about being looked at. */
export interface ControlOptions {
  readonly control?: boolean;
}

export const controlOption = (): Option =>
  new Option("--no-control", "no socket for `nvmeof top`; else there is one, for you alone");
