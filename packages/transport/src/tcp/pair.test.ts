// A host's and a controller's end of NVMe/TCP over memory: reads and writes of every size and shape.

import { Cqe, DataDirection, Sqe, cqeStatus, viewOf } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { MemoryPort } from "../memory.ts";
import type { ControllerLink, QueueLink } from "../queue-link.ts";
import { VirtualClock } from "../testing/index.ts";
import { acceptQueue } from "./controller-link.ts";
import { hostTransport } from "./host-link.ts";

interface PairOptions {
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  readonly pda?: number;
  readonly chunkBytes?: number;
}

/** A controller that keeps 1 MiB: opcode 1 writes all of a command's data to 0, opcode 2 reads. */
function pair(options: PairOptions) {
  const clock = new VirtualClock();
  const { chunkBytes } = options;
  const port = new MemoryPort("pair", {
    clock,
    ...(chunkBytes === undefined ? {} : { chunkBytes: () => chunkBytes }),
  });
  const store = new Uint8Array(1024 * 1024);
  const errors: string[] = [];
  let link!: ControllerLink;
  port.listen((stream) =>
    acceptQueue({ clock, pda: options.pda ?? 0 }, stream, (accepted) => {
      link = accepted;
      return {
        opened: () => link.configure(16, true, 8192),
        command: (tag) => {
          const bytes = link.transferBytes(tag);
          if (Sqe.opc.get(link.sqe(tag)) === 2) {
            link.respond(tag, 0, 0, 0, store.subarray(0, bytes));
            return;
          }
          const inCapsule = link.capsuleData(tag);
          if (inCapsule === undefined) {
            link.fetch(tag, store.subarray(0, bytes));
            return;
          }
          store.set(inCapsule);
          link.respond(tag, 0, 0, 0);
        },
        fetched: (tag, status) => link.respond(tag, status, 0, 0),
        lost: (error) => errors.push(error.message),
      };
    }),
  );
  const completions: [cid: number, status: number][] = [];
  const transport = hostTransport({
    address: { trtype: "loop", traddr: "pair", trsvcid: "" },
    connector: port,
    clock,
    ...options,
  });
  const host: QueueLink = transport.openQueue(
    { qid: 1, slots: 16, inCapsuleBytes: 8192, timeoutMs: 1000 },
    {
      opened: () => {},
      completed: (cid, view, base) =>
        completions.push([Cqe.cid.get(view, base), cqeStatus.get(view, base)]),
      lost: (error) => errors.push(error.message),
    },
  );
  clock.settle();
  return { clock, host, store, completions, errors };
}

const sqeOf = (opcode: number): Uint8Array => {
  const sqe = new Uint8Array(64);
  Sqe.opc.set(viewOf(sqe), 0, opcode);
  return sqe;
};

const shapes = [
  { name: "no digest", options: {} },
  { name: "header digest", options: { headerDigest: true } },
  { name: "data digest", options: { dataDigest: true } },
  { name: "both digests", options: { headerDigest: true, dataDigest: true } },
  { name: "data aligned to 128 bytes", options: { headerDigest: true, dataDigest: true, pda: 31 } },
  { name: "one byte at a time", options: { headerDigest: true, dataDigest: true, chunkBytes: 1 } },
  { name: "chunks of 1,000 bytes", options: { chunkBytes: 1000 } },
];
const sizes = [1, 4, 511, 512, 4096, 8192, 8196, 300_000];

for (const { name, options } of shapes) {
  for (const bytes of sizes.filter((size) => options.chunkBytes !== 1 || size < 10_000)) {
    test(`${bytes} bytes are written and read back with ${name}`, () => {
      const { clock, host, completions, errors } = pair(options);
      const written = Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + 7) & 0xff);
      host.submit(3, sqeOf(1), DataDirection.ToController, written);
      clock.settle();
      const read = new Uint8Array(bytes);
      host.submit(5, sqeOf(2), DataDirection.ToHost, read);
      clock.settle();
      expect(errors).toEqual([]);
      expect(completions).toEqual([
        [3, 0],
        [5, 0],
      ]);
      expect(Buffer.compare(read, written)).toBe(0);
    });
  }
}
