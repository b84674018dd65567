// A device that does nothing by itself: the test decides when and how each request settles.
// For tests of what stands in front of a device; ../split.test.ts shows its use.

import type { NvmeofError } from "@nvmeof/codec";
import type { BlockRequest, BlockSettle } from "../block-device.ts";
import type { LocalChannel } from "../channel.ts";
import { LocalDevice, type LocalDeviceOptions } from "../local-device.ts";

/** A request that waits for the test. */
export interface HeldRequest {
  readonly request: BlockRequest;
  /** Settles it, now; not to be called inside `submit`. */
  settle(error?: NvmeofError): void;
}

/** What a held device is made of; it has all features and generous limits unless told otherwise. */
export type HeldDeviceOptions = Pick<LocalDeviceOptions, "clock"> & Partial<LocalDeviceOptions>;

/** A device whose requests wait in `held`, oldest first, until the test settles them. */
export class HeldDevice extends LocalDevice {
  readonly held: HeldRequest[] = [];

  constructor(options: HeldDeviceOptions) {
    super({
      name: "held0",
      blockBytes: 512,
      blockCount: 4096,
      limits: { transferBlocksMax: 256, boundaryBlocks: 0, inflightMax: 64 },
      features: {
        readOnly: false,
        volatileCache: true,
        writeZeroes: true,
        deallocate: true,
        compare: true,
        verify: true,
      },
      ...options,
    });
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    this.held.push({ request, settle: (error) => channel.finish(settle, error) });
  }

  /** Settles the oldest request that is held. Raises an Error if there is none. */
  settleNext(error?: NvmeofError): BlockRequest {
    const next = this.held.shift();
    if (next === undefined) throw new Error("no request is held");
    next.settle(error);
    return next.request;
  }

  /** Settles all that are held, and those that are submitted meanwhile, oldest first. */
  settleAll(error?: NvmeofError): void {
    while (this.held.length > 0) this.settleNext(error);
  }

  override setBlockCount(blockCount: number): void {
    super.setBlockCount(blockCount);
  }
}
