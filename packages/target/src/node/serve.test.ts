// `serve` over real sockets on the loopback: a host connects, writes, reads; nothing stays behind.
import { memoryDevice } from "@nvmeof/bdev";
import { systemClock, tcp } from "@nvmeof/transport/node";
import { cqeStatus } from "@nvmeof/codec";
import type { QueueLink } from "@nvmeof/transport";
import { expect, test } from "vitest";
import {
  ENABLED,
  connectData,
  connectSqe,
  pattern,
  propertySet,
  readSqe,
  writeSqe,
} from "../testing/raw-host.ts";
import { DEFAULT_NQN, type Served, serve } from "./index.ts";

const newDevice = () =>
  memoryDevice({ name: "m", clock: systemClock, blockBytes: 512, blockCount: 1024 });

/** A queue over TCP whose commands are awaited one by one. */
async function openQueue({ address }: Served) {
  let ended: ((status: number) => void) | undefined;
  let queue!: QueueLink;
  await new Promise<void>((resolve, reject) => {
    queue = tcp(address).openQueue(
      { qid: 0, slots: 4, inCapsuleBytes: 8192, timeoutMs: 5_000 },
      {
        opened: resolve,
        completed: (_cid, view, base) => ended?.(cqeStatus.get(view, base)),
        lost: reject,
      },
    );
  });
  const run = (sqe: Uint8Array, direction: 0 | 1 | 2, data?: Uint8Array): Promise<number> =>
    new Promise((resolve) => {
      ended = resolve;
      queue.submit(0, sqe, direction, data);
    });
  return { queue, run };
}

test("a device is served, written, read, and let go", async () => {
  const device = newDevice();
  const served = await serve({ namespaces: [device], port: 0 });
  expect(served.address.host).toBe("127.0.0.1");
  const names = { subsystemNqn: DEFAULT_NQN };
  const admin = await openQueue(served);
  expect(await admin.run(connectSqe(), 1, connectData(names))).toBe(0);
  expect(await admin.run(propertySet(0x14, ENABLED), 0)).toBe(0);
  const [cntlid = 0] = served.subsystem.controllers.keys();
  const asked = { ...names, qid: 1, cntlid };
  const io = await openQueue(served);
  expect(await io.run(connectSqe(asked), 1, connectData(asked))).toBe(0);
  const written = pattern(200 * 512);
  expect(await io.run(writeSqe(8, 200), 1, written)).toBe(0);
  const read = new Uint8Array(written.length);
  expect(await io.run(readSqe(8, 200), 2, read)).toBe(0);
  expect(Buffer.compare(read, written)).toBe(0);
  for (const { queue } of [io, admin]) queue.close("orderly");
  await served.close();
  expect(served.target.status).toMatchObject({ connections: 0, controllers: 0, buffers: 0 });
  await device.close();
});

test("an address that others reach needs hosts that are named; one in use says so", async () => {
  const device = newDevice();
  await expect(serve({ namespaces: [device], host: "0.0.0.0", port: 0 })).rejects.toThrow(
    TypeError,
  );
  const served = await serve({ namespaces: [{ device, nsid: 3 }], port: 0 });
  expect(served.subsystem.namespaces.map(({ nsid }) => nsid)).toEqual([3]);
  const again = serve({ namespaces: [device], port: served.address.port });
  await expect(again).rejects.toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  const open = await serve({ namespaces: [device], host: "0.0.0.0", port: 0, allowedHosts: "any" });
  await open.close();
  await served[Symbol.asyncDispose]();
});

test("a second address leads to the same namespaces, and is closed with the target", async () => {
  const device = newDevice();
  const served = await serve({ namespaces: [device], port: 0 });
  const { address, port } = await served.listen({ port: 0 });
  expect(address.port).not.toBe(served.address.port);
  expect(served.target.ports).toHaveLength(2);
  const queue = await openQueue({ ...served, address });
  expect(await queue.run(connectSqe(), 1, connectData({ subsystemNqn: DEFAULT_NQN }))).toBe(0);
  await expect(served.listen({ port: address.port })).rejects.toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
  });
  await expect(served.listen({ host: "0.0.0.0", port: 0 })).rejects.toThrow(TypeError);
  port.close("drop");
  expect(served.target.ports).toHaveLength(1);
  queue.queue.close("orderly");
  await served.close();
  await expect(served.listen({ port: 0 })).rejects.toMatchObject({ code: "NVME_ERR_CLOSED" });
  await device.close();
});
