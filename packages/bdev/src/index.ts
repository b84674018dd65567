// @nvmeof/bdev: the block-device contract, and what serves and uses it. All public names, by hand.

export {
  type BlockChannel,
  type BlockDevice,
  type BlockDeviceEvent,
  type BlockFeatures,
  type BlockIdentity,
  type BlockLimits,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
} from "./block-device.ts";
export { type ChannelOwner, LocalChannel } from "./channel.ts";
export { BlockError, type BlockFailure } from "./errors.ts";
export { LocalDevice, type LocalDeviceOptions, checkGeometry } from "./local-device.ts";
export { type MemoryDevice, type MemoryDeviceOptions, memoryDevice } from "./memory.ts";
export { Observers } from "./observers.ts";
export {
  type RequestTarget,
  blockOpName,
  changesBlocks,
  checkRequest,
  closedError,
  movesData,
} from "./request-check.ts";
export { SettleQueue } from "./settle-queue.ts";
