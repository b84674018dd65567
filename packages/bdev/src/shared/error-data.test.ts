// Errors that cross from thread to thread, and what cannot.

import { NvmeofError } from "@nvmeof/codec";
import { ConnectRejectedError, TimeoutError } from "@nvmeof/core";
import { expect, test } from "vitest";
import { errorData, errorOf } from "./error-data.ts";
import { strangeIn } from "./plain-data.ts";

const there = (error: unknown): NvmeofError => errorOf(structuredClone(errorData(error)));

test("an error says the same on the other side, its causes and what only some have included", () => {
  const timeout = new TimeoutError("Read", 300);
  const rejected = new ConnectRejectedError(0, 0x4182, 0x1_0100);
  const error = new NvmeofError("NVME_ERR_NO_PATH", "no path", {
    outcome: "unknown",
    cause: timeout,
  });
  const found = there(error);
  expect(found).toBeInstanceOf(NvmeofError);
  expect(found).toMatchObject({ code: "NVME_ERR_NO_PATH", message: "no path", outcome: "unknown" });
  expect(found.cause).toMatchObject({ code: "NVME_ERR_TIMEOUT", message: timeout.message });
  const { field, permanent, status, hint } = rejected;
  expect(there(rejected)).toMatchObject({ field, permanent, status, hint });
});

test("what is no error of ours keeps its message, and a circle of causes comes to an end", () => {
  expect(there(new RangeError("too much"))).toMatchObject({
    code: "NVME_ERR_INTERNAL",
    message: "too much",
  });
  expect(there("a text").message).toBe("a text");
  const circle = new Error("round");
  circle.cause = circle;
  let depth = 0;
  for (let at: unknown = there(circle); at instanceof Error; at = at.cause) depth++;
  expect(depth).toBe(9);
});

test.each([
  ["numbers, texts, bytes", { a: 1, b: "x", c: new Uint8Array(2), d: 1n, e: null }, undefined],
  ["lists of records", [{ a: [undefined, true] }], undefined],
  ["a function", { tls: { keyFor: () => "x" } }, "o.tls.keyFor"],
  ["an object of a class", { random: new Map() }, "o.random"],
  ["a symbol in a list", [1, Symbol("x")], "o.1"],
])("plain data: %s", (_what, value, strange) => {
  expect(strangeIn(value, "o")).toBe(strange);
});

test("plain data: a circle is none", () => {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  expect(strangeIn(circle, "o")).toMatch(/^o(\.self){8}$/);
});
