// Lines on a control socket: what is understood, what is answered to the rest, and where a line ends.

import { expect, test } from "vitest";
import { LineCutter, parseReply, parseRequest, replyLine, requestLine } from "./protocol.ts";

test.each([
  ["not JSON", "GET / HTTP/1.1", { id: null, fatal: true }],
  ["no object", "[1]", { id: null, fatal: true }],
  ["nothing", "", { id: null, fatal: true }],
  ["another version", '{"version":2,"id":7,"get":"hello"}', { id: 7, fatal: true }],
  ["no number", '{"version":1,"id":"7","get":"hello"}', { id: null, fatal: false }],
  ["half a number", '{"version":1,"id":0.5,"get":"hello"}', { id: null, fatal: false }],
  ["something else", '{"version":1,"id":7,"get":"reset"}', { id: 7, fatal: false }],
  ["a name of every object", '{"version":1,"id":7,"get":"toString"}', { id: 7, fatal: false }],
])("a request that is %s is told so", (_what, line, expected) => {
  expect(parseRequest(line)).toMatchObject({ ...expected, problem: expect.any(String) as string });
});

test("a request is understood as it was written", () => {
  expect(parseRequest(requestLine("snapshot", 3).trimEnd())).toEqual({ get: "snapshot", id: 3 });
});

const hello = JSON.stringify({ process: { pid: 1 }, subsystems: [] });

test("a reply is what was asked for", () => {
  expect(parseReply(replyLine(3, "hello", hello), "hello", 3)).toEqual(JSON.parse(hello));
});

test.each([
  ["no JSON", "x"],
  ["another version", replyLine(3, "hello", hello).replace('"version":1', '"version":9')],
  ["to another question", replyLine(4, "hello", hello)],
  ["of another kind", replyLine(3, "snapshot", hello)],
  ["without what counts", replyLine(3, "hello", "{}")],
  ["an error", '{"version":1,"id":3,"error":{"message":"no"}}'],
])("a reply that is %s is an error", (_what, line) => {
  expect(() => parseReply(line, "hello", 3)).toThrow(
    expect.objectContaining({ code: "NVME_ERR_CONTROL" }) as Error,
  );
});

function cut(bytesMax: number, ...chunks: readonly string[]): { lines: string[]; fits: boolean[] } {
  const cutter = new LineCutter(bytesMax);
  const lines: string[] = [];
  const bytes = chunks.map((each) => new TextEncoder().encode(each));
  const fits = bytes.map((each) => cutter.receive(each, (line) => lines.push(line)));
  return { lines, fits };
}

test("lines come whole, however they were cut on the way", () => {
  expect(cut(100, "a\nb", "", "c\n", "\n", "d")).toMatchObject({ lines: ["a", "bc", ""] });
  const text = "größer";
  const bytes = new TextEncoder().encode(`${text}\n`);
  const cutter = new LineCutter(100);
  const lines: string[] = [];
  for (const byte of bytes) cutter.receive(Uint8Array.of(byte), (line) => lines.push(line));
  expect(lines).toEqual([text]);
});

test("a line has as many bytes as it may, its end included, and not one more", () => {
  expect(cut(4, "abc\n")).toEqual({ lines: ["abc"], fits: [true] });
  expect(cut(4, "abcd\n").fits).toEqual([false]);
  expect(cut(4, "abc").fits).toEqual([true]);
  expect(cut(4, "ab", "cd").fits).toEqual([true, false]);
});
