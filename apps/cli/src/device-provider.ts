// Where the namespaces that hosts create come from: memory. Read first: manage-options.ts.

import { memoryDevice } from "@nvmeof/bdev";
import type { DeviceProvider } from "@nvmeof/target";
import { systemClock } from "@nvmeof/transport/node";
import type { ManageOptions } from "./manage-options.ts";

/** Block sizes of namespaces that hosts create: the LBA formats 0 and 1. */
const BLOCK_BYTES = [512, 4096];

/** Makes namespaces in memory; undefined where hosts may not. */
export function deviceProvider({ manageNamespaces }: ManageOptions): DeviceProvider | undefined {
  if (manageNamespaces === undefined) return undefined;
  return {
    capacityBytes: manageNamespaces,
    blockBytes: BLOCK_BYTES,
    create: ({ nsid, blockBytes, blockCount }) =>
      memoryDevice({
        name: `created ${nsid}`,
        clock: systemClock,
        blockBytes,
        blockCount,
        memoryBytesMax: Infinity,
      }),
    remove: (device) => void device.close(),
  };
}
