// The figures of a capture: what each connection did, and how long commands took.

import { expect, test } from "vitest";
import { latencyHistogram } from "../node/histogram.ts";
import { Summary } from "./summary.ts";
import { told } from "./testing/recording.ts";
import { Talk } from "./testing/talk.ts";
import { worldCapture, worldShapes } from "./testing/world.ts";

test("commands by opcode, of each connection and of all", async () => {
  const summary = new Summary(latencyHistogram);
  for (const event of told(await worldCapture(worldShapes[0]!)).events) summary.add(event);
  const { connections, opcodes, commands, errors, open, violations, rules } = summary.result();
  expect([errors, open, violations, rules]).toEqual([0, 0, 0, []]);
  expect(connections).toHaveLength(3);
  const io = connections[2]!.opcodes;
  expect(io.map(({ name, commands }) => [name, commands])).toEqual([
    ["Read", 4],
    ["Write", 4],
    ["Connect", 1],
    ["Flush", 1],
    ["Write Zeroes", 1],
  ]);
  expect(io[0]).toMatchObject({ bytes: 1217 * 512, latency: { count: 4 } });
  expect(opcodes.find(({ name }) => name === "Connect")?.commands).toBe(3);
  expect(commands).toBe(opcodes.reduce((sum, each) => sum + each.commands, 0));
});

test("rules that were broken, how often, and where first", () => {
  const talk = new Talk().initialize().connect();
  const answer = talk.pdus.capsuleResp({ cid: 7, sqhd: 0xffff });
  talk.controller(answer).controller(answer);
  const summary = new Summary(latencyHistogram);
  for (const event of talk.told().events) summary.add(event);
  expect(summary.result()).toMatchObject({
    violations: 2,
    rules: [{ rule: "response-command", severity: "violation", count: 2, frame: 8 }],
  });
});
