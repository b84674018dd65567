// Colour and weight, where they are wanted. Nothing depends on colour alone.

import { styleText } from "node:util";
import type { Io, Sink } from "./io.ts";

export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  /** Columns that there are; undefined where nobody's screen is at stake. */
  readonly columns: number | undefined;
}

export type ColorChoice = "auto" | "always" | "never";

/** `--color` beats NO_COLOR and FORCE_COLOR, which beat whether a terminal is there. */
export function wantsColor(choice: ColorChoice, stream: Sink, env: Io["env"]): boolean {
  if (choice !== "auto") return choice === "always";
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

type Format = Parameters<typeof styleText>[0];

export function styleFor(choice: ColorChoice, stream: Sink, env: Io["env"]): Style {
  const color = wantsColor(choice, stream, env);
  const styled = (format: Format, text: string): string =>
    color ? styleText(format, text, { validateStream: false }) : text;
  return {
    bold: (text) => styled("bold", text),
    dim: (text) => styled("dim", text),
    columns: stream.isTTY === true ? (stream.columns ?? 80) : undefined,
  };
}
