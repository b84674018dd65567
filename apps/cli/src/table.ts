// Aligned columns without boxes, made of text that may come from a peer.

import { printable } from "./printable.ts";
import type { Style } from "./style.ts";

/** One column of a table of `Row`s. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: "left" | "right";
  /** Where the screen is too narrow, columns go in the order of this; those without it stay. */
  readonly drop?: number;
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;

/** Columns that text takes on a terminal. */
export const displayWidth = (text: string): number =>
  Array.from(text).reduce((sum, character) => sum + (wide.test(character) ? 2 : 1), 0);

const GAP = "  ";

function padded(text: string, width: number, align: "left" | "right"): string {
  const space = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "left" ? text + space : space + text;
}

/** The table as text, with a line end; "" where there are no rows. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  style: Style,
): string {
  if (rows.length === 0) return "";
  const cells = columns.map(({ title, value }) => [
    title,
    ...rows.map((row) => printable(value(row))),
  ]);
  const widths = cells.map((texts) => Math.max(...texts.map(displayWidth)));
  const shown = fitting(columns, widths, style.columns ?? Infinity);
  const lines = [0, ...rows.keys()].map((_, line) => {
    const texts = shown.map((at, i) => {
      const { align = "left" } = columns[at]!;
      const isLast = i === shown.length - 1;
      const text = cells[at]![line]!;
      return isLast && align === "left" ? text : padded(text, widths[at]!, align);
    });
    return line === 0 ? style.bold(texts.join(GAP)) : texts.join(GAP);
  });
  return `${lines.join("\n")}\n`;
}

/** Indexes of the columns that stay. */
function fitting<Row>(columns: readonly Column<Row>[], widths: number[], space: number): number[] {
  const shown = [...columns.keys()];
  const needed = (): number =>
    shown.reduce((sum, at) => sum + widths[at]! + GAP.length, -GAP.length);
  const order = shown
    .filter((at) => columns[at]!.drop !== undefined)
    .sort((a, b) => columns[a]!.drop! - columns[b]!.drop!);
  for (const at of order) {
    if (needed() <= space) break;
    shown.splice(shown.indexOf(at), 1);
  }
  return shown;
}

/** "name : value" lines, the colons below each other. */
export function facts(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => displayWidth(name)));
  return pairs
    .map(([name, value]) => `${padded(name, width, "left")} : ${printable(value)}\n`)
    .join("");
}
