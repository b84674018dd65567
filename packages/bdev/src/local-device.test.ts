// Tests of LocalDevice as the base of a device of one's own, and of how it ends.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { BlockOp, type BlockRequest, type BlockSettle } from "./block-device.ts";
import type { LocalChannel } from "./channel.ts";
import { blockDeviceConformance } from "./conformance/index.ts";
import { LocalDevice } from "./local-device.ts";

/** All there is to a device: each block is its number, and nothing can be written. */
class NumberDevice extends LocalDevice {
  readonly released: string[] = [];
  releaseError: Error | undefined;

  constructor(clock: VirtualClock) {
    super({
      name: "numbers",
      clock,
      blockBytes: 512,
      blockCount: 1000,
      limits: { transferBlocksMax: 16, boundaryBlocks: 0, inflightMax: 32 },
      features: {
        readOnly: true,
        volatileCache: false,
        writeZeroes: false,
        deallocate: false,
        compare: false,
        verify: true,
      },
    });
  }

  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    if (request.op === BlockOp.Read) {
      for (let i = 0; i < request.blockCount; i++) {
        request.data?.fill((request.lba + i) & 0xff, i * 512, (i + 1) * 512);
      }
    }
    channel.finishLater(settle, undefined);
  }

  protected override release(): Promise<void> {
    this.released.push("released");
    return this.releaseError === undefined ? Promise.resolve() : Promise.reject(this.releaseError);
  }
}

const clock = new VirtualClock();
blockDeviceConformance(
  "a device of one's own",
  { make: () => Promise.resolve(new NumberDevice(clock)), turn: () => clock.settle() },
  test,
);

test("what the device holds is given back once, when nothing is in flight", async () => {
  const clock = new VirtualClock();
  const device = new NumberDevice(clock);
  const channel = device.openChannel();
  const data = new Uint8Array(512);
  let releasedBefore = -1;
  channel.submit({ op: BlockOp.Read, lba: 7, blockCount: 1, data }, () => {
    releasedBefore = device.released.length;
  });
  const closed = [device.close(), device.close("once more")];
  expect(closed[0]).toBe(closed[1]);
  clock.settle();
  await Promise.all(closed);
  expect(releasedBefore).toBe(0);
  expect(data[0]).toBe(7);
  expect(device.released).toEqual(["released"]);
});

test("a close that cannot give back what the device holds rejects, for everybody who asks", async () => {
  const clock = new VirtualClock();
  const device = new NumberDevice(clock);
  device.releaseError = new Error("still in use");
  const closed = device.close();
  clock.settle();
  await expect(closed).rejects.toThrow("still in use");
  await expect(device.close()).rejects.toThrow("still in use");
  expect(device.released).toHaveLength(1);
});

test("channels that are open and idle, or closed before, do not hold up the end", async () => {
  const clock = new VirtualClock();
  const device = new NumberDevice(clock);
  device.openChannel();
  device.openChannel().close();
  const closed = device.close();
  clock.settle();
  await closed;
  expect(device.released).toHaveLength(1);
});
