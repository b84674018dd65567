// Our host as a load: one queue of `depth`, through the interfaces that programs use.
// Read first: meter.ts; @nvmeof/bdev block-device.ts for the contract of a channel.

import { type BlockChannel, BlockOp, type BlockRequest, type Disk, openDisk } from "@nvmeof/bdev";
import { type NvmeHost, connect } from "@nvmeof/bdev/nvme";
import { tcp } from "@nvmeof/transport/node";
import {
  BLOCK_BYTES,
  BLOCK_COUNT,
  type LoadOptions,
  Meter,
  NQN,
  Places,
  isPattern,
  loadOptions,
  patternOf,
  runSlices,
} from "./meter.ts";

/** A way to run a slice: resolves when all that it submitted has completed. */
type Run = () => Promise<void>;

/** I/O by callback: a request object and a buffer for each lane, used again and again. */
function callbacks(
  channelOf: (lane: number) => BlockChannel,
  op: BlockOp,
  buffers: readonly Uint8Array[],
  meter: Meter,
  places: Places,
): Run {
  let drained = (): void => {};
  const failed = (error: Error): void => {
    if (meter.failed++ === 0) process.stderr.write(`${error.stack}\n`);
    // Nothing that comes now is worth measuring.
    if (meter.failed > 1_000) process.exit(1);
  };
  const lanes = buffers.map((data, lane) => {
    const channel = channelOf(lane);
    const request: BlockRequest = { op, lba: 0, blockCount: data.length / BLOCK_BYTES, data };
    const submit = (): void => {
      meter.submitted++;
      request.lba = places.next();
      channel.submit(request, settled);
    };
    const settled = (error: Error | undefined): void => {
      meter.completed++;
      if (error !== undefined) failed(error);
      if (lane === 0) meter.tick();
      if (!meter.isOver) submit();
      else if (meter.completed === meter.submitted) drained();
    };
    return submit;
  });
  return () =>
    new Promise((resolve) => {
      drained = resolve;
      for (const submit of lanes) submit();
    });
}

/** I/O by promise: an async function for each lane, and its own buffer. */
function promises(
  disk: Disk,
  op: BlockOp,
  buffers: readonly Uint8Array[],
  meter: Meter,
  places: Places,
): Run {
  const lane = async (data: Uint8Array, index: number): Promise<void> => {
    do {
      meter.submitted++;
      if (op === BlockOp.Read) await disk.read(places.next(), data);
      else await disk.write(places.next(), data);
      meter.completed++;
      if (index === 0) meter.tick();
    } while (!meter.isOver);
  };
  return async () => void (await Promise.all(buffers.map(lane)));
}

/** A channel for each queue of each namespace, and the lanes of the load spread over them. */
async function channelsOf(
  { api, queues = 1, namespaces = 1 }: LoadOptions,
  host: NvmeHost,
): Promise<(lane: number) => BlockChannel> {
  const channels: BlockChannel[] = [];
  for (let nsid = 1; nsid <= namespaces; nsid++) {
    const device = api === "namespace" ? await host.openNamespace(nsid) : host.device(nsid);
    if (device === undefined) throw new Error(`there is no namespace ${nsid}`);
    for (let i = 0; i < queues; i++) channels.push(device.openChannel());
  }
  return (lane) => channels[lane % channels.length]!;
}

async function runOf(
  options: LoadOptions,
  host: NvmeHost,
  ...load: [BlockOp, readonly Uint8Array[], Meter, Places]
): Promise<Run> {
  if (options.api !== "disk") return callbacks(await channelsOf(options, host), ...load);
  return promises(openDisk(await host.openNamespace(1)), ...load);
}

async function main(options: LoadOptions): Promise<void> {
  const { port, digests, depth, queues = 1 } = options;
  const transport = tcp({
    host: "127.0.0.1",
    port,
    headerDigest: digests,
    dataDigest: digests,
  });
  const host = await connect({
    transport,
    subsystemNqn: NQN,
    hostNqn: "nqn.2014-08.org.nvmexpress:uuid:3e1f0c8a-52a4-4c7b-9a5f-7d0f2a6f1b02",
    hostId: "3e1f0c8a-52a4-4c7b-9a5f-7d0f2a6f1b02",
    ioQueues: queues,
    // One entry of a queue stays empty.
    queueEntries: Math.ceil(depth / queues) + 1,
  });
  const write = options.op === "write";
  const buffers = Array.from({ length: depth }, () =>
    write ? patternOf(options.bytes) : new Uint8Array(options.bytes),
  );
  const meter = new Meter();
  const places = new Places(BLOCK_COUNT, options.bytes / BLOCK_BYTES);
  const op = write ? BlockOp.Write : BlockOp.Read;
  await runSlices(meter, await runOf(options, host, op, buffers, meter, places));
  if (!buffers.every(isPattern)) throw new Error("a buffer does not hold what was read");
  await host.close();
}

await main(loadOptions());
