// What controllers, queues, channels and namespaces take while nothing is asked of them, and to connect.
// Read first: taken.ts; @nvmeof/core open-controller.ts. The argument is `Asked`.
//
// Memory is what is used after a collection, views and buffers included, without receive buffers: their
// size is an option. The bare responder runs elsewhere, and its memory does not count.

import { connect } from "@nvmeof/bdev/nvme";
import { type ControllerHandle, openController } from "@nvmeof/core";
import { tcp } from "@nvmeof/transport/node";
import { type Finding, report } from "./cost.ts";
import { close, taken } from "./taken.ts";
import { NQN } from "./meter.ts";

/** What is asked for, as JSON. */
interface Asked {
  /** Bare responders, and how many namespaces each of them has. */
  readonly targets: readonly { readonly port: number; readonly namespaces: number }[];
  readonly controllers: number;
  /** Of each of four controllers. */
  readonly queues: number;
  readonly channels: number;
}

const asked = JSON.parse(process.argv[2] ?? "{}") as Asked;
const RECEIVE_BYTES = 64 * 1024;
/** An admin queue takes an eighth of the receive buffer. */
const ADMIN_RECEIVE_BYTES = RECEIVE_BYTES / 8;
const KEEP_ALIVE = 0x18;
const KEEP_ALIVES = 10;
const hostId = "3e1f0c8a-52a4-4c7b-9a5f-7d0f2a6f1b05";
const optionsFor = (port: number) => ({
  transport: tcp({ host: "127.0.0.1", port, receiveBytes: RECEIVE_BYTES }),
  subsystemNqn: NQN,
  hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${hostId}`,
  hostId,
});
const options = optionsFor(asked.targets[0]!.port);

async function controllersOf(count: number, ioQueues: number): Promise<ControllerHandle[]> {
  const handles: ControllerHandle[] = [];
  while (handles.length < count) handles.push(await openController({ ...options, ioQueues }));
  return handles;
}

async function controllers(count: number): Promise<Finding[]> {
  // Whatever is made once is made now.
  await close(await controllersOf(20, 1));
  const { result: handles, bytes, us } = await taken(() => controllersOf(count, 1));
  const beat = await taken(async () => {
    for (let i = 0; i < KEEP_ALIVES; i++) {
      await Promise.all(
        handles.map((each) => each.admin({ opcode: KEEP_ALIVE, timeoutMs: 10_000 })),
      );
    }
  });
  await close(handles);
  const kib = bytes / count / 1024 - (RECEIVE_BYTES + ADMIN_RECEIVE_BYTES) / 1024;
  const beatUs = beat.us / count / KEEP_ALIVES;
  // Every controller sends one in half of its timeout, 10 s unless somebody says otherwise.
  const idleUs = (1_000 * beatUs) / 5;
  return [
    { name: "idle controller with one queue", value: kib, unit: "KiB" },
    { name: "connecting a controller with one queue", value: us / count, unit: "us" },
    { name: "a keep-alive", value: beatUs, unit: "us" },
    { name: "CPU of 1,000 idle controllers, each second", value: idleUs, unit: "us" },
  ];
}

async function queues(count: number): Promise<Finding[]> {
  const few = await taken(() => controllersOf(4, 1));
  await close(few.result);
  const many = await taken(() => controllersOf(4, 1 + count));
  await close(many.result);
  const each = (many.bytes - few.bytes) / (4 * count) - RECEIVE_BYTES;
  const us = (many.us - few.us) / (4 * count);
  return [
    { name: "idle I/O queue of 128 entries", value: each / 1024, unit: "KiB" },
    { name: "connecting an I/O queue", value: us, unit: "us" },
  ];
}

async function channels(count: number): Promise<Finding[]> {
  const host = await connect(options);
  const device = host.device(1)!;
  const { bytes, us } = await taken(() =>
    Array.from({ length: count }, () => device.openChannel()),
  );
  await close([host]);
  return [
    { name: "idle channel", value: bytes / count / 1024, unit: "KiB" },
    { name: "opening a channel", value: us / count, unit: "us" },
  ];
}

/** @returns memory in KiB, and CPU time in us, of a namespace. */
async function namespaces({ port, namespaces }: Asked["targets"][number]) {
  const { result, bytes, us } = await taken(() => connect(optionsFor(port)));
  await close([result]);
  return { kib: bytes / namespaces / 1024, us: us / namespaces };
}

async function namespacesByCount(): Promise<Finding[]> {
  const [few, many] = asked.targets;
  const one = await namespaces(few!);
  const all = await namespaces(many!);
  const name = `of ${many!.namespaces}, beside one of ${few!.namespaces}`;
  return [
    { name: `a namespace ${name}`, value: all.kib, unit: "KiB", than: one.kib },
    { name: `finding a namespace ${name}`, value: all.us, unit: "us", than: one.us },
  ];
}

report([
  ...(await controllers(asked.controllers)),
  ...(await queues(asked.queues)),
  ...(await channels(asked.channels)),
  ...(await namespacesByCount()),
]);
