// Our target as a server: one namespace in memory, all of it written. Says its port; ends when its stdin does.
// Read first: @nvmeof/target/node `serve`.

import { BlockOp, memoryDevice } from "@nvmeof/bdev";
import { serve } from "@nvmeof/target/node";
import { systemClock } from "@nvmeof/transport/node";
import { BLOCK_BYTES, BLOCK_COUNT, NQN, patternOf, say } from "./meter.ts";

const FILL_BLOCKS = 256;

/** What a target here may be told. */
interface ServerOptions {
  readonly blocks?: number;
  readonly namespaces?: number;
  readonly ioQueues?: number;
  readonly controllers?: number;
}

const {
  blocks = BLOCK_COUNT,
  namespaces = 1,
  ioQueues = 128,
  controllers = 512,
} = JSON.parse(process.argv[2] ?? "{}") as ServerOptions;

const devices = Array.from({ length: namespaces }, (_, i) =>
  memoryDevice({
    name: `ram${i}`,
    clock: systemClock,
    blockBytes: BLOCK_BYTES,
    blockCount: blocks,
  }),
);
const channel = devices[0]!.openChannel();
const data = patternOf(FILL_BLOCKS * BLOCK_BYTES);
for (let lba = 0; lba < blocks; lba += FILL_BLOCKS) {
  await new Promise<void>((resolve, reject) => {
    const request = { op: BlockOp.Write, lba, blockCount: FILL_BLOCKS, data };
    channel.submit(request, (error) => (error === undefined ? resolve() : reject(error)));
  });
}
channel.close();

const served = await serve({
  port: 0,
  nqn: NQN,
  namespaces: devices,
  limits: {
    queueDepthMax: 2_048,
    ioQueuesMax: ioQueues,
    namespacesMax: Math.max(1_024, namespaces),
    connectionsMax: 65_536,
    connectionsPerAddressMax: 65_536,
    controllersMax: Math.max(512, controllers),
    controllersPerHostMax: Math.max(64, controllers),
  },
});
process.stdin.resume().on("end", () => process.exit(0));
say({ port: served.address.port });
