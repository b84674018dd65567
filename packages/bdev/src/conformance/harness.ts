// What a conformance case stands on: a device under test, requests that count their settles, checks.
// Read first: ../block-device.ts for the contract that is tested.

import { type NvmeofError, codeOf } from "@nvmeof/codec";
import {
  type BlockChannel,
  type BlockDevice,
  BlockOp,
  type BlockRequest,
  type BlockSettle,
} from "../block-device.ts";
import { blockOpName } from "../request-check.ts";

/** How the suite gets at a device. */
export interface BlockDeviceHarness {
  /**
   * A device of 64 blocks or more that nobody else uses; what it holds does not matter. Called once
   * for each case, which closes the device at its end.
   */
  make(): Promise<BlockDevice>;
  /**
   * Lets the device get on with its work: `clock.settle()` or `clock.advance(1)` on a virtual clock,
   * a turn of the event loop otherwise. Called again and again while a case waits.
   */
  turn(): Promise<void> | void;
  /** Makes the device larger or smaller, if yours can be; it must tell "resized" and follow. */
  resize?(device: BlockDevice, blockCount: number): Promise<void> | void;
}

/** One case of the suite. */
export interface BlockDeviceCase {
  /** A sentence on what a device does. */
  readonly name: string;
  /** Resolves if the device does it, rejects with an Error that says what is wrong if not. */
  run(harness: BlockDeviceHarness): Promise<void>;
}

/** A request that was submitted, and how often and with what it settled. */
export class Attempt {
  readonly request: BlockRequest;
  settled = 0;
  error: NvmeofError | undefined;
  /** Runs once when it has settled, inside the settle. */
  onSettled: (() => void) | undefined;
  readonly settle: BlockSettle = (error) => {
    this.settled++;
    this.error = error;
    this.onSettled?.();
  };

  constructor(request: BlockRequest) {
    this.request = request;
  }

  get name(): string {
    const { op, lba, blockCount } = this.request;
    return `${blockOpName(op)} of ${blockCount} at ${lba}`;
  }
}

/** Raises an Error with `message` unless `condition` holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** More turns than this without what a case waits for: the device hangs. */
const TURNS_MAX = 100_000;

/** A device under test with one channel open. */
export class Subject {
  readonly device: BlockDevice;
  readonly channel: BlockChannel;
  readonly #harness: BlockDeviceHarness;

  constructor(device: BlockDevice, harness: BlockDeviceHarness) {
    this.device = device;
    this.channel = device.openChannel();
    this.#harness = harness;
  }

  /** Blocks that a case moves at once: as many as the device lets it, at most `wanted`. */
  transferBlocks(wanted: number): number {
    const { transferBlocksMax, boundaryBlocks } = this.device.limits;
    return Math.min(wanted, transferBlocksMax, boundaryBlocks || wanted);
  }

  request(op: BlockOp, lba: number, blockCount: number, data?: Uint8Array): BlockRequest {
    return { op, lba, blockCount, data };
  }

  /** Submits, checks that it did not settle inside the call, and leaves it in flight. */
  submit(request: BlockRequest, channel = this.channel): Attempt {
    const attempt = new Attempt(request);
    channel.submit(request, attempt.settle);
    check(attempt.settled === 0, `${attempt.name} settled inside submit`);
    return attempt;
  }

  /** Lets turns pass until `done`. */
  async until(done: () => boolean, what: string): Promise<void> {
    for (let turns = 0; !done(); turns++) {
      check(turns < TURNS_MAX, `${what}: did not happen within ${TURNS_MAX} turns`);
      await this.#harness.turn();
    }
  }

  /** Waits until all have settled, and a few turns more for those who would settle twice. */
  async settle(attempts: readonly Attempt[]): Promise<void> {
    for (const attempt of attempts) {
      await this.until(() => attempt.settled > 0, `${attempt.name} settles`);
    }
    for (let turns = 0; turns < 3; turns++) await this.#harness.turn();
    for (const attempt of attempts) {
      check(attempt.settled === 1, `${attempt.name} settled ${attempt.settled} times`);
    }
  }

  /** Does a request that must succeed. */
  async do(request: BlockRequest, channel = this.channel): Promise<void> {
    const attempt = this.submit(request, channel);
    await this.settle([attempt]);
    succeeded(attempt);
  }

  /** Does a request that must fail with `status`, and with an outcome that is known. */
  async refused(request: BlockRequest, status: number, channel = this.channel): Promise<void> {
    const attempt = this.submit(request, channel);
    await this.settle([attempt]);
    failed(attempt, status);
  }

  write(lba: number, data: Uint8Array): Promise<void> {
    return this.do(this.request(BlockOp.Write, lba, data.length / this.device.blockBytes, data));
  }

  /** Reads into a buffer that is dirty, so that what is not written shows. */
  async read(lba: number, blockCount: number): Promise<Uint8Array> {
    const data = this.dirty(blockCount);
    await this.do(this.request(BlockOp.Read, lba, blockCount, data));
    return data;
  }

  dirty(blockCount: number): Uint8Array {
    return new Uint8Array(blockCount * this.device.blockBytes).fill(0xa5);
  }

  /** Bytes that differ from block to block, and from one `seed` to the next. */
  pattern(seed: number, blockCount: number): Uint8Array {
    const { blockBytes } = this.device;
    const data = new Uint8Array(blockCount * blockBytes);
    for (let i = 0; i < data.length; i++) {
      data[i] = (i * 7 + Math.floor(i / blockBytes) * 31 + seed * 53 + 1) & 0xff;
    }
    return data;
  }

  /** Closes the device, letting turns pass until that is done. */
  async close(): Promise<void> {
    let outcome: { error?: unknown } | undefined;
    this.device.close().then(
      () => (outcome = {}),
      (error: unknown) => (outcome = { error }),
    );
    await this.until(() => outcome !== undefined, "close() resolves");
    if (outcome !== undefined && "error" in outcome) throw outcome.error;
  }
}

export function succeeded(attempt: Attempt): void {
  check(attempt.error === undefined, `${attempt.name} failed: ${attempt.error?.message}`);
}

export function failed(attempt: Attempt, status: number): void {
  const { error } = attempt;
  check(error !== undefined, `${attempt.name} succeeded, but must fail`);
  const got = error.status === undefined ? "none" : codeOf(error.status).toString(16);
  check(
    error.status !== undefined && codeOf(error.status) === status,
    `${attempt.name} failed with status ${got}, not ${status.toString(16)}: ${error.message}`,
  );
  check(
    error.outcome === "failed" || error.outcome === "not-sent",
    `${attempt.name} was not done, but its outcome is ${error.outcome ?? "missing"}`,
  );
}

/** Raises an Error that names the first byte in which `got` differs from `wanted`. */
export function sameBytes(got: Uint8Array, wanted: Uint8Array, what: string): void {
  check(got.length === wanted.length, `${what}: ${got.length} bytes, not ${wanted.length}`);
  const at = got.findIndex((byte, i) => byte !== wanted[i]);
  check(at === -1, `${what}: byte ${at} is ${got[at]}, not ${wanted[at]}`);
}

/** A case that gets a fresh device, and whose device is closed afterwards whatever happens. */
export function blockDeviceCase(
  name: string,
  body: (subject: Subject, harness: BlockDeviceHarness) => Promise<void>,
): BlockDeviceCase {
  return {
    name,
    async run(harness) {
      const subject = new Subject(await harness.make(), harness);
      check(subject.device.blockCount >= 64, "the suite needs a device of 64 blocks or more");
      try {
        await body(subject, harness);
      } catch (error) {
        // What the device did wrong is worth more than how it closes afterwards.
        await subject.close().catch(() => undefined);
        throw error;
      }
      await subject.close();
    },
  };
}
