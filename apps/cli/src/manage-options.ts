// What hosts may do to a subsystem of `serve` beyond reading and writing: make namespaces, and erase.
// Read first: @nvmeof/target namespace-management.ts and erasure.ts.

import { memoryDevice } from "@nvmeof/bdev";
import type { DeviceProvider, ErasePermission } from "@nvmeof/target";
import { systemClock } from "@nvmeof/transport/node";
import { Option } from "commander";
import { size, valued } from "./options.ts";

/** What was said about it. */
export interface ManageOptions {
  readonly manageNamespaces?: number;
  readonly erase: ErasePermission;
}

/** Block sizes of namespaces that hosts create: the LBA formats 0 and 1. */
const BLOCK_BYTES = [512, 4096];

export const manageOptions = (): Option[] =>
  [
    valued(
      "--manage-namespaces <size>",
      "let hosts create and delete namespaces in memory, of so many bytes altogether (1G)",
      size,
    ),
    new Option("--erase <what>", "let hosts erase at one blow: format; all is sanitize as well")
      .choices(["none", "format", "all"])
      .default("none"),
  ].map((option) => option.helpGroup("What hosts may do:"));

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
