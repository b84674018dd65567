// When the short response is enough, and when the host must be told more.

import { Cqe, OPC_FABRICS, Sqe, cqeStatus } from "@nvmeof/codec";
import { ERSP_CQE_OFFSET, ErspIu, checkErspIu } from "@nvmeof/codec/fc";
import { expect, test } from "vitest";
import { FcBench } from "../testing/fc-bench.ts";
import { type ResponseFacts, needsErsp, writeErsp, writeRsp } from "./ersp.ts";

const sqe = (opc: number, fuse = 0): DataView => {
  const view = new DataView(new ArrayBuffer(Sqe.size));
  Sqe.opc.set(view, 0, opc);
  Sqe.fuse.set(view, 0, fuse);
  return view;
};

const plain: ResponseFacts = {
  sqe: sqe(2),
  status: 0,
  dw0: 0,
  dw1: 0,
  transferBytes: 512,
  movedBytes: 512,
  count: 3,
  erspRatio: 8,
  inflight: 1,
  entries: 32,
};

test("a read that went well, and nothing more, has the short response", () => {
  expect(needsErsp(plain)).toBe(false);
});

test.each<[string, Partial<ResponseFacts>]>([
  ["the ratio asks for it", { count: 16 }],
  ["it is a Fabrics command", { sqe: sqe(OPC_FABRICS) }],
  ["less was moved than was to be", { movedBytes: 0 }],
  ["it failed", { status: 2 }],
  ["there is a result, DW0", { dw0: 1 }],
  ["there is a result, DW1", { dw1: 1 }],
  ["the command is fused", { sqe: sqe(2, 1) }],
  ["the queue is nearly full", { inflight: 29 }],
])("the long response is due where %s", (_why, facts) => {
  expect(needsErsp({ ...plain, ...facts })).toBe(true);
});

test("an ERSP says what its reader checks, whatever the buffer held before", () => {
  const out = new Uint8Array(ErspIu.size).fill(0xdd);
  const values = { rsn: 7, movedBytes: 512, cid: 9, sqhd: 3, status: 0x4002, dw0: 1, dw1: 2 };
  const bytes = writeErsp(out, values);
  const view = new DataView(out.buffer);
  checkErspIu(view, 0, bytes, { cid: 9, transferredBytes: 512 });
  expect(Cqe.sqhd.get(view, ERSP_CQE_OFFSET)).toBe(3);
  expect(cqeStatus.get(view, ERSP_CQE_OFFSET)).toBe(0x4002);
  expect(out.subarray(12, 16)).toEqual(new Uint8Array(4));
  expect(writeRsp(out)).toBe(12);
  expect(out.every((byte) => byte === 0)).toBe(true);
});

test("the SQ head pointer comes with every so many responses, and stays in between", () => {
  const bench = new FcBench();
  const [, io] = bench.associate();
  for (let round = 0; round < 20; round++) {
    io!.submit(0, 2, new Uint8Array(512));
    bench.clock.settle();
  }
  const heads = io!.completions.map(([, , sqhd]) => sqhd);
  // 33 entries, so that every eighth response is an ERSP.
  expect(heads.slice(0, 7)).toEqual(Array<number>(7).fill(0xffff));
  expect(heads.slice(7, 15)).toEqual(Array<number>(8).fill(8));
  expect(heads.slice(15)).toEqual(Array<number>(5).fill(16));
});
