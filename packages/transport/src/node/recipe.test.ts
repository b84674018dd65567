// Recipes: what a transport of Node is made of, as another thread is given it.

import { expect, test } from "vitest";
import { fc, tcp, transportOf } from "./index.ts";

test.each([
  ["tcp", tcp({ host: "127.0.0.1", port: 4420, headerDigest: true, receiveBytes: 65_536 })],
  ["fc", fc({ host: "127.0.0.1", port: 4421, names: { nodeName: 1n, portName: 2n } })],
])("a transport by %s is the same again when it is made of a copy", (trtype, transport) => {
  const recipe = structuredClone(transport.recipe!());
  expect(recipe.trtype).toBe(trtype);
  const again = transportOf(recipe);
  expect(again.address).toEqual(transport.address);
  expect(again.recipe!()).toEqual(transport.recipe!());
});

test("a kind that is not known is refused", () => {
  expect(() => transportOf({ trtype: "rdma", options: {} })).toThrow(TypeError);
});
