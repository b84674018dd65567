// A WebAssembly module of one function, put together byte by byte: just what the digest needs of the format.
// Read first: WebAssembly Core 2.0 §5 "Binary Format"; §2.4.2 "Vector Instructions"; crc32c-module.ts uses it.

/** Types of locals. */
export const I32 = 0x7f;
export const V128 = 0x7b;

/** Integers as the format has them, LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let left = value >>> 0;
  do {
    const low = left & 0x7f;
    left >>>= 7;
    bytes.push(left === 0 ? low : low | 0x80);
  } while (left !== 0);
  return bytes;
}

export function signed(value: number): number[] {
  const bytes: number[] = [];
  let left = value | 0;
  for (;;) {
    const low = left & 0x7f;
    left >>= 7;
    const isLast = (left === 0 && (low & 0x40) === 0) || (left === -1 && (low & 0x40) !== 0);
    bytes.push(isLast ? low : low | 0x80);
    if (isLast) return bytes;
  }
}

/** Code as it is put together: bytes, or code again. */
export type Code = readonly (number | Code)[];

export const get = (local: number): Code => [0x20, unsigned(local)];
export const set = (local: number, value: Code): Code => [value, 0x21, unsigned(local)];

export const i32 = {
  const: (value: number): Code => [0x41, signed(value)],
  load: (at: Code, offset: number): Code => [at, 0x28, 2, unsigned(offset)],
  add: (a: Code, b: Code): Code => [a, b, 0x6a],
  sub: (a: Code, b: Code): Code => [a, b, 0x6b],
  and: (a: Code, b: Code): Code => [a, b, 0x71],
  or: (a: Code, b: Code): Code => [a, b, 0x72],
  xor: (a: Code, b: Code): Code => [a, b, 0x73],
  shl: (a: Code, bits: number): Code => [a, [0x41, signed(bits)], 0x74],
  shr: (a: Code, bits: number): Code => [a, [0x41, signed(bits)], 0x76],
  less: (a: Code, b: Code): Code => [a, b, 0x49],
};

const simd = (opcode: number): Code => [0xfd, unsigned(opcode)];

export const v128 = {
  /** 16 times the byte. */
  splat: (byte: number): Code => [simd(12), Array.from({ length: 16 }, () => byte)],
  load: (at: Code, offset: number): Code => [at, simd(0), 0, unsigned(offset)],
  /** Bytes of `a` (0 to 15) and `b` (16 to 31), in this order. */
  shuffle: (a: Code, b: Code, order: Code): Code => [a, b, simd(13), order],
  /** The bytes of `table` that the bytes of `at`, 0 to 15, choose. */
  swizzle: (table: Code, at: Code, relaxed: boolean): Code => [table, at, simd(relaxed ? 256 : 14)],
  byte: (of: Code, lane: number): Code => [of, simd(22), lane],
  withByte: (of: Code, lane: number, value: Code): Code => [of, value, simd(23), lane],
  and: (a: Code, b: Code): Code => [a, b, simd(78)],
  xor: (a: Code, b: Code): Code => [a, b, simd(81)],
  /** Each two bytes shifted right. */
  shr16: (a: Code, bits: number): Code => [a, [0x41, signed(bits)], simd(141)],
};

const section = (id: number, content: Code): Code => {
  const bytes = flat(content);
  return [id, unsigned(bytes.length), bytes];
};

const named = (name: string): Code => [
  name.length,
  Array.from({ length: name.length }, (_, at) => name.charCodeAt(at)),
];

function flat(code: Code): number[] {
  const bytes: number[] = [];
  const walk = (part: Code): void => {
    for (const each of part) {
      if (typeof each === "number") bytes.push(each);
      else walk(each);
    }
  };
  walk(code);
  return bytes;
}

/** Number of locals and their type, in the order of their indices. */
export type Locals = readonly (readonly [count: number, type: number])[];

/**
 * A module with a memory of one page, exported as `memory`, and a function of three i32 that gives
 * one, exported as `run`. Its parameters are locals 0 to 2; `locals` follow.
 */
export function wasmModule(locals: Locals, body: Code): Uint8Array<ArrayBuffer> {
  const declared: Code = [locals.length, locals.map(([count, type]) => [unsigned(count), type])];
  const code = flat([declared, body, 0x0b]);
  const exported: Code = [2, named("memory"), 2, 0, named("run"), 0, 0];
  return Uint8Array.from(
    flat([
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [1, 0x60, 3, I32, I32, I32, 1, I32]),
      section(3, [1, 0]),
      section(5, [1, 0, 1]),
      section(7, exported),
      section(10, [1, unsigned(code.length), code]),
    ]),
  );
}

/** Runs `body` until it does not jump back. `again` is its jump, where the loop is the innermost one. */
export const loop = (body: Code): Code => [0x03, 0x40, body, 0x0b];
export const block = (body: Code): Code => [0x02, 0x40, body, 0x0b];
/** Jumps to the end of a block, or to the start of a loop, `depth` levels out. */
export const jump = (depth: number): Code => [0x0c, depth];
export const jumpIf = (condition: Code, depth: number): Code => [condition, 0x0d, depth];
