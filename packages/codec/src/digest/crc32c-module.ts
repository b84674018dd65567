// CRC32C of whole blocks of 4 KiB by byte shuffles: 16 streams of 256 bytes side by side in one register.
// Read first: crc32c.ts for what is computed; the function is linear, which is what makes the streams
// independent: CRC(A || B) = zeroes(CRC(A), length of B) ^ CRC(B begun with 0).
//
// One step takes a byte of each stream. A register holds byte `n` of all 16 running CRCs, so that a table
// of 256 entries is two shuffles of 16 entries, by the low and the high half of the index.

import {
  type Code,
  I32,
  V128,
  block,
  get,
  i32,
  jump,
  jumpIf,
  loop,
  set,
  v128,
  wasmModule,
} from "./wasm.ts";

/** The function takes multiples of this many bytes. */
export const BLOCK_BYTES = 4096;
const STREAMS = 16;
const STREAM_BYTES = BLOCK_BYTES / STREAMS;

/** Where its memory has what: the table that appends 256 zero bytes, the tables of halves, the data. */
export const ZEROES_AT = 0;
export const HALVES_AT = 4096;
export const DATA_AT = 8192;

// Locals. The function is (at, count, running).
const AT = 0;
const COUNT = 1;
const RUNNING = 2;
const END = 3;
const ROW_END = 4;
const A = 5;
const B = A + STREAMS;
/** Byte 0 to 3 of the running CRCs. */
const S = B + STREAMS;
const LOW_TABLE = S + 4;
const HIGH_TABLE = LOW_TABLE + 4;
const INDEX = HIGH_TABLE + 4;
const LOW = INDEX + 1;
const HIGH = LOW + 1;
const MASK = HIGH + 1;

const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/** 16 bytes of each stream; then turned, so that register `t` has byte `t` of all streams. */
function loadAndTurn(): Code {
  const code: Code[] = numbers(STREAMS).map((stream) =>
    set(A + stream, v128.load(get(AT), stream * STREAM_BYTES)),
  );
  const low = numbers(8).flatMap((at) => [at, at + 16]);
  const high = low.map((at) => at + 8);
  let [from, to] = [A, B];
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 8; i++) {
      const [a, b] = [get(from + i), get(from + i + 8)];
      code.push(set(to + 2 * i, v128.shuffle(a, b, low)));
      code.push(set(to + 2 * i + 1, v128.shuffle(a, b, high)));
    }
    [from, to] = [to, from];
  }
  return code;
}

/** Byte `t` of each stream goes into its CRC: crc = (crc >> 8) ^ table[(crc ^ byte) & 255], 16 times. */
function takeByte(t: number, relaxed: boolean): Code {
  const found = (byte: number): Code =>
    v128.xor(
      v128.swizzle(get(LOW_TABLE + byte), get(LOW), relaxed),
      v128.swizzle(get(HIGH_TABLE + byte), get(HIGH), relaxed),
    );
  return [
    set(INDEX, v128.xor(get(S), get(A + t))),
    set(LOW, v128.and(get(INDEX), get(MASK))),
    set(HIGH, v128.and(v128.shr16(get(INDEX), 4), get(MASK))),
    [0, 1, 2].map((byte) => set(S + byte, v128.xor(get(S + byte + 1), found(byte)))),
    set(S + 3, found(3)),
  ];
}

/** The running CRC after the bytes of one more stream, of which `stream` is the CRC begun with 0. */
function append(stream: number): Code {
  const index = (byte: number): Code => {
    const shifted = byte === 0 ? i32.shl(get(RUNNING), 2) : i32.shr(get(RUNNING), 8 * byte - 2);
    return i32.and(shifted, i32.const(1020));
  };
  const advanced = numbers(4)
    .map((byte) => i32.load(index(byte), ZEROES_AT + byte * 1024))
    .reduce(i32.xor);
  return i32.xor(advanced, crcOf(stream));
}

const crcOf = (stream: number): Code =>
  numbers(4)
    .map((byte) => i32.shl(v128.byte(get(S + byte), stream), 8 * byte))
    .reduce(i32.or);

/** @param relaxed with the shuffle that leaves open what is never asked of it, and is faster. */
export function crc32cModule(relaxed: boolean): Uint8Array<ArrayBuffer> {
  const row: Code = [
    loadAndTurn(),
    numbers(16).map((t) => takeByte(t, relaxed)),
    set(AT, i32.add(get(AT), i32.const(16))),
    jumpIf(i32.less(get(AT), get(ROW_END)), 0),
  ];
  // The first stream goes on from the running CRC, the others begin with 0.
  const start = numbers(4).map((byte) =>
    set(S + byte, v128.withByte(v128.splat(0), 0, i32.shr(get(RUNNING), 8 * byte))),
  );
  const left = i32.sub(get(END), get(AT));
  const blocks = loop([
    jumpIf(i32.less(left, i32.const(BLOCK_BYTES)), 1),
    start,
    set(ROW_END, i32.add(get(AT), i32.const(STREAM_BYTES))),
    loop(row),
    set(AT, i32.add(get(AT), i32.const(BLOCK_BYTES - STREAM_BYTES))),
    set(RUNNING, crcOf(0)),
    numbers(STREAMS - 1).map((stream) => set(RUNNING, append(stream + 1))),
    jump(0),
  ]);
  const tables = numbers(4).map((byte) => [
    set(LOW_TABLE + byte, v128.load(i32.const(HALVES_AT + byte * 32), 0)),
    set(HIGH_TABLE + byte, v128.load(i32.const(HALVES_AT + byte * 32 + 16), 0)),
  ]);
  return wasmModule(
    [
      [2, I32],
      [MASK - A + 1, V128],
    ],
    [
      set(MASK, v128.splat(0x0f)),
      tables,
      set(END, i32.add(get(AT), get(COUNT))),
      block(blocks),
      get(RUNNING),
    ],
  );
}
