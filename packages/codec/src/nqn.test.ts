// Names and identifiers: the grammar, the field, and the names an attacker would send.

import { expect, test } from "vitest";
import { isNvmeofError } from "./errors.ts";
import { viewOf } from "./layout.ts";
import {
  DISCOVERY_NQN,
  NQN_FIELD_BYTES,
  NqnError,
  type NqnFault,
  checkNqn,
  hexBytes,
  hexText,
  isNqn,
  nqnField,
  parseNqn,
  readNqn,
  utf8Of,
  uuidBytes,
  uuidNqn,
  uuidText,
} from "./nqn.ts";

const uuid = "00112233-4455-6677-8899-aabbccddeeff";

/** What `run` found wrong with a name. */
function faultOf(run: () => unknown): NqnFault | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof NqnError) return error.fault;
    throw error;
  }
  return undefined;
}

/** The error for a name that is none. */
function checkedError(text: string): NqnError {
  try {
    checkNqn(text);
  } catch (error) {
    return error as NqnError;
  }
  throw new Error("it is a name");
}

test("the three forms of a name", () => {
  expect(parseNqn("nqn.2024-01.com.example:disk:1")).toEqual({
    kind: "domain",
    date: "2024-01",
    domain: "com.example",
    name: "disk:1",
  });
  expect(parseNqn(`nqn.2014-08.org.nvmexpress:uuid:${uuid.toUpperCase()}`)).toEqual({
    kind: "uuid",
    uuid,
  });
  expect(parseNqn(DISCOVERY_NQN)).toEqual({ kind: "discovery" });
});

test.each<[string, NqnFault]>([
  ["", "empty"],
  [`nqn.2024-01.com.example:${"x".repeat(200)}`, "too-long"],
  [`nqn.2024-01.com.example:${"é".repeat(100)}`, "too-long"],
  ["nqn.2024-01.com.example:a\nb", "control-character"],
  ["nqn.2024-01.com.example:\u202ea", "control-character"],
  ["nqn.2024-01.com.example:\ud800", "not-utf-8"],
  ["disk1", "no-prefix"],
  ["NQN.2024-01.com.example:a", "no-prefix"],
  ["nqn.24-01.com.example:a", "bad-date"],
  ["nqn.2024-13.com.example:a", "bad-date"],
  ["nqn.2024-00.com.example:a", "bad-date"],
  ["nqn.", "bad-date"],
  ["nqn.2024-01", "bad-domain"],
  ["nqn.2024-01:a", "bad-domain"],
  ["nqn.2024-01..example:a", "bad-domain"],
  ["nqn.2024-01.com.-example:a", "bad-domain"],
  ["nqn.2024-01.com example:a", "bad-domain"],
  ["nqn.2024-01.com.example", "no-name"],
  ["nqn.2024-01.com.example:", "no-name"],
  [`${DISCOVERY_NQN}x`, "no-name"],
  ["nqn.2014-08.org.nvmexpress:uuid:1234", "bad-uuid"],
  [`nqn.2014-08.org.nvmexpress:uuid:${uuid}0`, "bad-uuid"],
])("%j is no name: %s", (text, fault) => {
  expect(faultOf(() => parseNqn(text))).toBe(fault);
  expect(isNqn(text)).toBe(false);
});

test("the longest name has 223 bytes", () => {
  const longest = "nqn.2024-01.com.example:".padEnd(223, "x");
  expect(isNqn(longest)).toBe(true);
  expect(isNqn(`${longest}x`)).toBe(false);
});

test("an error says what to do, and shows the name on one line", () => {
  try {
    parseNqn("disk\n1");
    expect.unreachable();
  } catch (error) {
    expect(isNvmeofError(error)).toBe(true);
    expect(error).toMatchObject({ code: "NVME_ERR_NQN", fault: "control-character" });
    expect(String(error)).toBe('NqnError: the name holds a control character: "disk\ufffd1"');
    expect((error as NqnError).hint).toMatch(/\.$/);
  }
});

test("names outside the grammar pass where only the wire's rules are asked", () => {
  expect(checkNqn("blktests-subsystem-1")).toBe("blktests-subsystem-1");
  expect(checkNqn("nqn.2024-01.com.example:größe")).toBe("nqn.2024-01.com.example:größe");
});

/** An NQN field that holds these bytes, and zeroes after them. */
function fieldOf(...bytes: number[]): DataView {
  const buffer = new Uint8Array(NQN_FIELD_BYTES);
  buffer.set(bytes);
  return viewOf(buffer);
}

const field = nqnField(0);

test("a field holds UTF-8, with zeroes to its end", () => {
  const view = viewOf(new Uint8Array(NQN_FIELD_BYTES + 4).fill(0xa5));
  field.set(view, 2, "aé€");
  expect(new Uint8Array(view.buffer, 0, 10)).toEqual(hexBytes("a5a5 61c3a9e282ac 0000"));
  expect(new Uint8Array(view.buffer, 256, 4)).toEqual(hexBytes("0000 a5a5"));
  expect(field.get(view, 2)).toBe("aé€");
  expect(readNqn(view, 2)).toBe("aé€");
});

test("a name that does not fit is not written", () => {
  const view = fieldOf();
  expect(() => field.set(view, 0, "x".repeat(224))).toThrow(RangeError);
  expect(() => field.set(view, 0, "\ud800")).toThrow(RangeError);
  field.set(view, 0, "x".repeat(223));
  expect(readNqn(view, 0)).toHaveLength(223);
});

test.each<[string, DataView, NqnFault, string]>([
  ["nothing", fieldOf(), "empty", ""],
  ["no end", fieldOf(...Array<number>(256).fill(0x61)), "unterminated", "a".repeat(256)],
  ["224 bytes", fieldOf(...Array<number>(224).fill(0x61)), "too-long", "a".repeat(224)],
  ["a line end", fieldOf(0x61, 0x0a, 0x62), "control-character", "a\ufffdb"],
  ["an escape", fieldOf(0x1b, 0x5b, 0x32, 0x4a), "control-character", "\ufffd[2J"],
  ["an overlong slash", fieldOf(0x61, 0xc0, 0xaf), "not-utf-8", "aÀ¯"],
  ["half a character", fieldOf(0x61, 0xe2, 0x82), "not-utf-8", "aâ\ufffd"],
  ["a surrogate", fieldOf(0xed, 0xa0, 0x80), "not-utf-8", "í\u00a0\ufffd"],
  ["text after its end", fieldOf(0x61, 0, 0x62), "bytes-after-terminator", "a"],
])(
  "a field with %s is refused by a target, and readable for a log [K5]",
  (_what, view, fault, shown) => {
    expect(faultOf(() => readNqn(view, 0))).toBe(fault);
    expect(field.get(view)).toBe(shown);
  },
);

test("a host's name is made of its UUID", () => {
  expect(uuidNqn(uuid.toUpperCase())).toBe(`nqn.2014-08.org.nvmexpress:uuid:${uuid}`);
  expect(faultOf(() => uuidNqn("1234"))).toBe("bad-uuid");
});

test("a UUID's bytes are in the order of its text", () => {
  expect(hexText(uuidBytes(uuid))).toBe("00112233445566778899aabbccddeeff");
  expect(uuidText(uuidBytes(uuid))).toBe(uuid);
});

test.each(["0011223344556677-8899-aabbccddeeff", `{${uuid}}`, uuid.replace("f", "g"), ""])(
  "%j is no UUID",
  (text) => {
    expect(faultOf(() => uuidBytes(text))).toBe("bad-uuid");
  },
);

test("hexadecimal digits may be spaced, but not odd or strange", () => {
  expect(hexText(hexBytes("02 46\n8A ce"))).toBe("02468ace");
  expect(hexBytes("")).toHaveLength(0);
  expect(() => hexBytes("123")).toThrow(RangeError);
  expect(() => hexBytes("0x12")).toThrow(RangeError);
});

test("a name takes every character that prints, and none that does not", () => {
  for (const code of [0x20, 0x7e, 0xa1]) {
    const name = `nqn.x${String.fromCodePoint(code)}`;
    expect(checkNqn(name)).toBe(name);
  }
  for (const code of [0x00, 0x1f, 0x7f, 0x80, 0x9f, 0x200e, 0x2028]) {
    const name = `nqn.x${String.fromCodePoint(code)}`;
    expect(faultOf(() => checkNqn(name))).toBe("control-character");
  }
});

test("a name has at most 223 bytes, whatever its characters are", () => {
  expect(checkNqn("n".repeat(223))).toHaveLength(223);
  expect(faultOf(() => checkNqn("n".repeat(224)))).toBe("too-long");
  expect(checkNqn("ü".repeat(111))).toHaveLength(111);
  expect(faultOf(() => checkNqn("ü".repeat(112)))).toBe("too-long");
  const long = checkedError("n".repeat(1_000));
  expect(long.message.length).toBeLessThan(320);
});

test.each([
  ["nqn.12024-01.com.example:x", "bad-date"],
  ["nqn.2024-011.com.example:x", "bad-domain"],
  ["nqn.2024-01xcom.example:x", "bad-domain"],
  ["nqn.2024-01.com.example", "no-name"],
  ["nqn.2024-01.com.example:", "no-name"],
  ["nqn.2024-13.com.example:x", "bad-date"],
] as const)("%s is no name by the grammar: %s", (name, fault) => {
  expect(faultOf(() => parseNqn(name))).toBe(fault);
});

test("UTF-8 of names goes both ways, and what is none is said to be none", () => {
  for (const text of ["", "plain", "ü", "日本", "𝄞 and more"]) {
    const utf8 = utf8Of(text)!;
    expect(hexText(utf8)).toBe(Buffer.from(text).toString("hex"));
  }
  expect(utf8Of("half \ud834")).toBeUndefined();
});
