// Entry point of @nvmeof/bdev/node: a file as a block device.

export { type FileDeviceOptions, openFileDevice } from "./file.ts";
export { FileDeviceError } from "./file-error.ts";
