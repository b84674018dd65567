// @nvmeof/bdev: the block-device contract, and what serves and uses it. All public names, by hand.

export {
  type BlockChannel,
  type BlockDevice,
  type BlockDeviceEvent,
  type BlockExtent,
  type BlocksAtHand,
  type BlockFeatures,
  type BlockIdentity,
  type BlockLimits,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
} from "./block-device.ts";
export { type ChannelOwner, LocalChannel } from "./channel.ts";
export type { Claim, ClaimKind } from "./claims.ts";
export { DelegatingDevice } from "./delegate.ts";
export type { CallOptions, DiskChannel, WriteOptions } from "./disk-channel.ts";
export { BlockError, type BlockFailure } from "./errors.ts";
export type { DeviceHandle } from "./handle.ts";
export { LocalDevice, type LocalDeviceOptions, checkGeometry } from "./local-device.ts";
export { type MemoryDevice, type MemoryDeviceOptions, memoryDevice } from "./memory.ts";
export { Observers } from "./observers.ts";
export { type Disk, type DiskOptions, openDisk } from "./promises.ts";
export { type LimitedDevice, limiting } from "./qos.ts";
export type { RateLimits } from "./rate-limiter.ts";
export {
  BlockRegistry,
  type OpenOptions,
  type RegisteredDevice,
  RegistryError,
  type RegistryEvent,
  type RegistryFailure,
} from "./registry.ts";
export {
  CHANNEL_CLOSED,
  type RequestTarget,
  blockOpName,
  changesBlocks,
  checkRequest,
  closedError,
  movesData,
} from "./request-check.ts";
export { SettleQueue } from "./settle-queue.ts";
export {
  SplitChannel,
  type SplittingOptions,
  type TransferLimits,
  firstPieceBlocks,
  splitting,
} from "./split.ts";
export {
  type BlockOpName,
  type BlockStatistics,
  type MeasuredChannel,
  type MeasuredDevice,
  type OperationStatistics,
  type StatusStatistics,
  measuring,
} from "./statistics.ts";
export {
  type RangeOptions,
  type ReadableOptions,
  type WritableOptions,
  readable,
  writable,
} from "./streams.ts";
