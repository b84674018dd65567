// Errors of the project: what they carry, and how they are known, also those of another copy of it.
// Read first: errors.ts.

import { expect, test } from "vitest";
import { NvmeofError, fesName, isNvmeofError } from "./errors.ts";

test("a cause is there where one was given, and not even as undefined where none was", () => {
  const cause = new Error("inner");
  expect(new NvmeofError("NVME_ERR_X", "outer", { cause }).cause).toBe(cause);
  expect("cause" in new NvmeofError("NVME_ERR_X", "outer")).toBe(false);
});

test("an error of this project is an Error with a code of ours, from whichever copy", () => {
  const other = Object.assign(new Error("of a copy"), { code: "NVME_ERR_TIMEOUT" });
  expect(isNvmeofError(other)).toBe(true);
  expect(isNvmeofError(new NvmeofError("NVME_ERR_X", "own"))).toBe(true);
  expect(isNvmeofError(new Error("NVME_ERR_X"))).toBe(false);
  expect(isNvmeofError(Object.assign(new Error("of Node"), { code: "ECONNRESET" }))).toBe(false);
  expect(isNvmeofError({ code: "NVME_ERR_TIMEOUT" })).toBe(false);
  expect(isNvmeofError(undefined)).toBe(false);
});

test("a fatal error status has its name, and what is none its number", () => {
  expect([0, 1, 6, 7].map(fesName)).toEqual([
    "reserved",
    "Invalid PDU Header Field",
    "Unsupported Parameter",
    "unknown (7)",
  ]);
});
