// A device that stands in front of another and is that device in all it does not change.
// Read first: block-device.ts. Splitting, rate limits, statistics and registry handles are built so.

import type {
  BlockChannel,
  BlockDevice,
  BlockDeviceEvent,
  BlockExtent,
  BlockFeatures,
  BlockIdentity,
  BlockLimits,
} from "./block-device.ts";

/** Forwards everything to `device`. What extends it changes what it is for, and nothing else. */
export abstract class DelegatingDevice implements BlockDevice {
  protected readonly device: BlockDevice;

  constructor(device: BlockDevice) {
    this.device = device;
  }

  get name(): string {
    return this.device.name;
  }
  get blockBytes(): number {
    return this.device.blockBytes;
  }
  get blockCount(): number {
    return this.device.blockCount;
  }
  get limits(): BlockLimits {
    return this.device.limits;
  }
  get features(): BlockFeatures {
    return this.device.features;
  }
  get identity(): BlockIdentity {
    return this.device.identity;
  }

  get extentAt(): ((lba: number, blockCount: number) => BlockExtent) | undefined {
    const { device } = this;
    return device.extentAt && ((lba, blockCount) => device.extentAt!(lba, blockCount));
  }

  abstract openChannel(): BlockChannel;

  observe(observer: (event: BlockDeviceEvent) => void): () => void {
    return this.device.observe(observer);
  }

  close(): Promise<void> {
    return this.device.close();
  }
}
