// Entry point of @nvmeof/bdev/conformance: the suite that every block device passes, with any runner.
// Read first: ../block-device.ts for the contract, harness.ts for what a device has to offer.

import { dataCases } from "./data-cases.ts";
import type { BlockDeviceCase, BlockDeviceHarness } from "./harness.ts";
import { lifetimeCases } from "./lifetime-cases.ts";
import { refusalCases } from "./refusal-cases.ts";

export type { BlockDeviceCase, BlockDeviceHarness } from "./harness.ts";
export { HeldDevice, type HeldDeviceOptions, type HeldRequest } from "./held-device.ts";

/**
 * The cases as data: run each with a harness of your device; it rejects with an Error if your device
 * does not keep the contract. Cases on what a device does not have pass when it refuses that.
 */
export const blockDeviceCases: readonly BlockDeviceCase[] = [
  ...dataCases,
  ...refusalCases,
  ...lifetimeCases,
];

/**
 * Declares the cases with the `test` of your runner: Vitest, `node:test` and Jest have the same one.
 * `name` is what the device is called in the names of the tests.
 */
export function blockDeviceConformance(
  name: string,
  harness: BlockDeviceHarness,
  test: (name: string, body: () => Promise<void>) => unknown,
): void {
  for (const each of blockDeviceCases) test(`${name}: ${each.name}`, () => each.run(harness));
}
