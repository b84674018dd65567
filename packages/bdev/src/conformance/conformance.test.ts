// The conformance suite over the devices of this package, and over devices that break the contract.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import type { BlockChannel, BlockDevice, BlockRequest } from "../block-device.ts";
import { BlockOp } from "../block-device.ts";
import { type MemoryDevice, type MemoryDeviceOptions, memoryDevice } from "../memory.ts";
import { type BlockDeviceHarness, blockDeviceCases, blockDeviceConformance } from "./index.ts";

function memoryHarness(options: Partial<MemoryDeviceOptions> = {}): BlockDeviceHarness {
  const clock = new VirtualClock();
  return {
    make: () =>
      Promise.resolve(
        memoryDevice({ name: "mem0", clock, blockBytes: 512, blockCount: 256, ...options }),
      ),
    turn: () => clock.advance(1),
    resize: (device, blockCount) => (device as MemoryDevice).resize(blockCount),
  };
}

blockDeviceConformance("memory", memoryHarness(), test);
blockDeviceConformance("memory, 4 KiB blocks", memoryHarness({ blockBytes: 4096 }), test);
blockDeviceConformance("memory, 64 KiB blocks", memoryHarness({ blockBytes: 65_536 }), test);
blockDeviceConformance("memory, read-only", memoryHarness({ readOnly: true }), test);
blockDeviceConformance("memory, slow", memoryHarness({ latencyMs: 5 }), test);
blockDeviceConformance(
  "memory, narrow",
  memoryHarness({ limits: { transferBlocksMax: 4, boundaryBlocks: 8, inflightMax: 3 } }),
  test,
);

/** A memory device of which `twist` changes what it likes: the suite must notice. */
function twisted(twist: (device: BlockDevice) => Partial<BlockDevice>): BlockDeviceHarness {
  const harness = memoryHarness({ latencyMs: 5 });
  return {
    turn: () => harness.turn(),
    resize: (device, blockCount) => harness.resize!(device, blockCount),
    async make() {
      const device = await harness.make();
      const changes = twist(device);
      return new Proxy(device, {
        get(_target, key) {
          const holder = key in changes ? changes : device;
          const value: unknown = Reflect.get(holder, key, holder);
          return typeof value === "function" ? (value.bind(holder) as unknown) : value;
        },
      });
    },
  };
}

/** The same with another `submit`. */
const submitting = (
  submit: (channel: BlockChannel, ...rest: Parameters<BlockChannel["submit"]>) => void,
): BlockDeviceHarness =>
  twisted((device) => ({
    openChannel() {
      const channel = device.openChannel();
      return {
        get inflight() {
          return channel.inflight;
        },
        submit: (request, settle) => submit(channel, request, settle),
        close: () => channel.close(),
      };
    },
  }));

/** The names of the cases that fail. */
async function failures(harness: BlockDeviceHarness): Promise<string[]> {
  const failed: string[] = [];
  for (const each of blockDeviceCases) {
    await each.run(harness).catch((error: Error) => failed.push(`${each.name}: ${error.message}`));
  }
  return failed;
}

const wrong: [name: string, harness: BlockDeviceHarness, says: RegExp][] = [
  [
    "settles inside submit",
    submitting((_channel, _request, settle) => settle(undefined)),
    /settled inside submit/,
  ],
  [
    "settles twice",
    submitting((channel, request, settle) =>
      channel.submit(request, (error) => {
        settle(error);
        settle(error);
      }),
    ),
    /settled 2 times/,
  ],
  [
    "writes one block too far",
    submitting((channel, request, settle) => {
      channel.submit(request, settle);
      const { op, lba, blockCount } = request;
      if (op !== BlockOp.WriteZeroes || lba + blockCount > 200) return;
      channel.submit({ ...request, blockCount: blockCount + 1 }, () => undefined);
    }),
    /the block after: byte 0 is 0/,
  ],
  [
    "does not read",
    submitting((channel, request, settle) =>
      channel.submit(
        request.op === BlockOp.Read
          ? {
              op: BlockOp.Verify,
              lba: request.lba,
              blockCount: request.blockCount,
              data: undefined,
            }
          : request,
        settle,
      ),
    ),
    /byte 0 is 165/,
  ],
  [
    "believes any comparison",
    submitting((channel, request, settle) =>
      channel.submit(request, (error) =>
        settle(request.op === BlockOp.Compare ? undefined : error),
      ),
    ),
    /succeeded, but must fail/,
  ],
  [
    "keeps the outcome to itself",
    submitting((channel, request, settle) =>
      channel.submit(request, (error) =>
        settle(
          error && Object.assign(Object.create(error) as typeof error, { outcome: undefined }),
        ),
      ),
    ),
    /its outcome is missing/,
  ],
  [
    "looks at the request after it settled",
    submitting((channel, request, settle) => {
      let kept: BlockRequest = { ...request };
      channel.submit(request, (error) => {
        settle(error);
        kept = { ...kept, lba: request.lba };
        if (kept.op === BlockOp.Write && error === undefined) {
          channel.submit({ ...kept, data: kept.data!.slice().fill(0) }, () => undefined);
        }
      });
    }),
    /byte 0 is/,
  ],
  [
    "resolves its close too early",
    twisted((device) => ({
      close() {
        void device.close();
        return Promise.resolve();
      },
    })),
    /close\(\) resolved with 8 requests in flight/,
  ],
  [
    "never tells that it is removed",
    twisted(() => ({ observe: () => () => undefined })),
    /told was "", not "removed"/,
  ],
  [
    "tells removed inside close",
    twisted((device) => {
      const observers: Parameters<BlockDevice["observe"]>[0][] = [];
      return {
        observe: (observer) => {
          observers.push(observer);
          return () => undefined;
        },
        close() {
          for (const each of observers) each({ type: "removed", reason: "now" });
          return device.close();
        },
      };
    }),
    /inside close/,
  ],
  [
    "has no bound on what is in flight",
    twisted((device) => ({ limits: { ...device.limits, inflightMax: 7 } })),
    /succeeded, but must fail/,
  ],
  ["lies about its blocks", twisted(() => ({ blockBytes: 513 })), /blockBytes is 513/],
];

test.each(wrong)("the suite notices a device that %s", async (_name, harness, says) => {
  const failed = await failures(harness);
  expect(
    failed.some((each) => says.test(each)),
    failed.join("\n"),
  ).toBe(true);
});
