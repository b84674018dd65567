// What our target keeps for controllers and queues that idle, and what it costs it to take them in.
// Read first: taken.ts; bare/idle.ts is the host. Receive buffers do not count: their size is an option.

import { memoryDevice } from "@nvmeof/bdev";
import { serve } from "@nvmeof/target/node";
import { systemClock } from "@nvmeof/transport/node";
import { report } from "./cost.ts";
import { BLOCK_BYTES, BLOCK_COUNT, NQN } from "./meter.ts";
import { Running } from "./programs.ts";
import { taken } from "./taken.ts";

/** What is asked for, as JSON. */
interface Asked {
  /** The command of bare/idle.ts. */
  readonly idle: readonly string[];
  readonly controllers: number;
  readonly queues: number;
}

const { idle, controllers, queues } = JSON.parse(process.argv[2] ?? "{}") as Asked;
/** That of `tcpListen`, for each connection. */
const RECEIVE_BYTES = 256 * 1024;
const WARM_UP = 20;

const device = memoryDevice({
  name: "ram",
  clock: systemClock,
  blockBytes: BLOCK_BYTES,
  blockCount: BLOCK_COUNT,
});
const served = await serve({
  port: 0,
  nqn: NQN,
  namespaces: [device],
  limits: {
    connectionsMax: 65_536,
    connectionsPerAddressMax: 65_536,
    controllersMax: 32_768,
    ioQueuesMax: 1_024,
    controllersPerHostMax: 32_768,
  },
});
const host = new Running([...idle, String(served.address.port)], 1);
await host.says();
const connect = (controllers: number, queues: number) =>
  taken(async () => {
    host.tell({ controllers, queues });
    await host.says();
  });

await connect(WARM_UP, 1);
const one = await connect(controllers, 1);
const few = await connect(4, 1);
const many = await connect(4, 1 + queues);
await host.end();
await served.close();
await device.close();

report([
  {
    name: "target: idle controller with one queue",
    value: (one.bytes / controllers - 2 * RECEIVE_BYTES) / 1024,
    unit: "KiB",
  },
  {
    name: "target: taking in a controller with one queue",
    value: one.us / controllers,
    unit: "us",
  },
  {
    name: "target: idle I/O queue of 128 entries",
    value: ((many.bytes - few.bytes) / (4 * queues) - RECEIVE_BYTES) / 1024,
    unit: "KiB",
  },
  { name: "target: taking in an I/O queue", value: (many.us - few.us) / (4 * queues), unit: "us" },
]);
