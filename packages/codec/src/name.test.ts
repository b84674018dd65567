// Names for people, out of the keys of constants.

import { expect, test } from "vitest";
import { hexh, nameIn } from "./name.ts";

test("a number is written as the specifications write it", () => {
  expect(hexh(0x2c)).toBe("2Ch");
  expect(hexh(3, 1)).toBe("3h");
  expect(hexh(0x1234)).toBe("1234h");
});

test("a constant's name is the words of its key, acronyms in capitals", () => {
  const table = { GetLogPage: 2, CreateIoSq: 1, NvmeMiSend: 0x1d, IPv4: 4, AnaChange: 3 };
  expect(nameIn(table, 2)).toBe("Get Log Page");
  expect(nameIn(table, 1)).toBe("Create I/O SQ");
  expect(nameIn(table, 0x1d)).toBe("NVMe MI Send");
  expect(nameIn(table, 4)).toBe("IPv4");
  expect(nameIn(table, 3)).toBe("ANA Change");
});

test("a value that is not in the table is shown as its number", () => {
  expect(nameIn({ None: 0 }, 0xc5)).toBe("unknown (C5h)");
});
