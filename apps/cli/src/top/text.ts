// Text of a given width, made of what may come from a peer.

import { printable } from "../printable.ts";
import { displayWidth } from "../table.ts";

/** As much of `text` as `width` columns show; an ellipsis in its middle says that some is left out. */
export function shortened(text: string, width: number): string {
  const plain = printable(text);
  if (displayWidth(plain) <= width) return plain;
  if (width <= 1) return "…".slice(0, width);
  const characters = Array.from(plain);
  // The end of an NQN or an address says more than its beginning.
  let head = Math.floor((width - 1) / 3);
  let tail = width - 1 - head;
  const cut = (): string =>
    `${characters.slice(0, head).join("")}…${characters.slice(characters.length - tail).join("")}`;
  while (displayWidth(cut()) > width && head + tail > 0) {
    if (tail > 0) tail--;
    else head--;
  }
  return cut();
}

/** The same, and spaces up to the width. */
export function fitted(text: string, width: number, align: "left" | "right" = "left"): string {
  const short = shortened(text, width);
  const space = " ".repeat(Math.max(0, width - displayWidth(short)));
  return align === "left" ? short + space : space + short;
}

/** The beginning of a line, for one that is no longer than the screen. */
export const clipped = (text: string, width: number): string => {
  const plain = printable(text);
  if (displayWidth(plain) <= width) return plain;
  let line = "";
  for (const character of Array.from(plain)) {
    if (displayWidth(line + character) > width - 1) break;
    line += character;
  }
  return width < 1 ? "" : `${line}…`;
};
