// Entry point of @nvmeof/bdev/node: a file as a block device, and a namespace for worker threads.

export { type FileDeviceOptions, openFileDevice } from "./file.ts";
export { FileDeviceError } from "./file-error.ts";
export { type ThreadHandle, openShared, portLink, share } from "./share.ts";
