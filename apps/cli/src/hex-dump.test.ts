// A hex dump shows place, bytes and text, and leaves out what repeats.

import { expect, test } from "vitest";
import { hexDump } from "./hex-dump.ts";

test("lines that repeat are one star, and the end is named", () => {
  const bytes = new Uint8Array(70);
  bytes.set(new TextEncoder().encode("NVMe over \u0007"), 0);
  expect(hexDump(bytes, 0x1000)).toBe(
    [
      "00001000  4e 56 4d 65 20 6f 76 65  72 20 07 00 00 00 00 00  |NVMe over ......|",
      "00001010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
      "*",
      "00001040  00 00 00 00 00 00                                 |......|",
      "00001046",
      "",
    ].join("\n"),
  );
});
