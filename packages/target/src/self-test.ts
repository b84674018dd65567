// Device Self-test: reads what is stored, some of it or all of it, and keeps a log of what came of it.
// Read first: Base 2.0 §5.9 "Device Self-test command", §8.6 "Device Self-test Operations".

import { BlockOp } from "@nvmeof/bdev";
import { type Decoded, NSID_ALL, type NvmeofError, Sqe, Status, scOf, sctOf } from "@nvmeof/codec";
import {
  DeviceSelfTestCommand,
  SELF_TEST_RESULTS_MAX,
  SelfTest,
  SelfTestOutcome,
  type SelfTestResult,
  encodeSelfTestLog,
} from "@nvmeof/codec/management";
import type { TargetContext } from "./context.ts";
import type { Controller } from "./controller.ts";
import { walkDevice } from "./device-walk.ts";
import { final } from "./errors.ts";
import type { Namespace } from "./namespace.ts";

type Result = Partial<Decoded<typeof SelfTestResult>>;

/** A short test looks at so much of each namespace. */
const SHORT_BYTES = 1024 * 1024;
const HOUR_MS = 3_600_000;

/** A test that is under way. */
interface Running {
  readonly code: number;
  readonly namespaces: readonly Namespace[];
  readonly nsid: number;
  readonly blocks: number;
  /** Blocks of the namespaces that are done. */
  before: number;
  done: number;
  stop: () => void;
  state: "running" | "aborted";
}

/** The self-tests of a subsystem: one at a time. */
export class SelfTests {
  readonly #context: TargetContext;
  #results: Result[] = [];
  #running: Running | undefined;

  constructor(context: TargetContext) {
    this.#context = context;
  }

  /** Log page 06h. */
  log(): Uint8Array {
    const running = this.#running;
    const completion =
      running === undefined ? 0 : Math.floor((100 * running.done) / Math.max(1, running.blocks));
    return encodeSelfTestLog(
      { operation: running?.code ?? SelfTest.None, completion },
      this.#results,
    );
  }

  /** Device Self-test. Returns the status; after success a test goes on by itself. */
  command(controller: Controller, sqe: DataView): number {
    const code = DeviceSelfTestCommand.stc.get(sqe);
    if (code === SelfTest.Abort) {
      this.abort();
      return 0;
    }
    if (code !== SelfTest.Short && code !== SelfTest.Extended) return final(Status.InvalidField);
    if (this.#running !== undefined) return final(Status.SelfTestInProgress);
    const nsid = Sqe.nsid.get(sqe);
    const namespaces = testedNamespaces(controller, nsid);
    if (namespaces === undefined) return final(Status.InvalidNamespace);
    const running: Running = {
      code,
      namespaces,
      nsid,
      blocks: namespaces.reduce((sum, each) => sum + blocksTested(each, code), 0),
      before: 0,
      done: 0,
      stop: () => {},
      state: "running",
    };
    this.#running = running;
    this.#test(running, 0);
    return 0;
  }

  /** Ends the test that is under way, if any. */
  abort(): void {
    const running = this.#running;
    if (running === undefined) return;
    running.state = "aborted";
    running.stop();
  }

  #test(running: Running, at: number): void {
    const namespace = running.namespaces[at];
    if (namespace === undefined || running.state === "aborted") {
      const isAborted = running.state === "aborted";
      const result = isAborted ? SelfTestOutcome.Aborted : SelfTestOutcome.Passed;
      this.#context.clock.defer(() => this.#ended(running, { result }));
      return;
    }
    const { device } = namespace;
    running.stop = walkDevice({
      context: this.#context,
      device,
      op: device.features.verify ? BlockOp.Verify : BlockOp.Read,
      blockCount: blocksTested(namespace, running.code),
      progress: (blocks) => (running.done = running.before + blocks),
      done: (error, lba) => {
        running.before = running.done;
        if (error === undefined) this.#test(running, at + 1);
        else this.#ended(running, failure(error, namespace.nsid, lba, at));
      },
    });
  }

  #ended(running: Running, result: Result): void {
    const { clock, startedMs } = this.#context;
    this.#running = undefined;
    const poh = BigInt(Math.floor((clock.nowMs() - startedMs) / HOUR_MS));
    const row = { stc: running.code, poh, nsid: running.nsid, ...result };
    this.#results = [row, ...this.#results].slice(0, SELF_TEST_RESULTS_MAX);
  }
}

const blocksTested = (namespace: Namespace, code: number): number =>
  code === SelfTest.Extended
    ? namespace.blockCount
    : Math.min(namespace.blockCount, SHORT_BYTES / namespace.blockBytes);

/** NSID 0 tests the controller alone, which has nothing to test. */
function testedNamespaces(controller: Controller, nsid: number): readonly Namespace[] | undefined {
  if (nsid === 0) return [];
  if (nsid === NSID_ALL) return controller.namespaces;
  const namespace = controller.namespace(nsid);
  return namespace === undefined ? undefined : [namespace];
}

function failure(error: NvmeofError, nsid: number, lba: number, segment: number): Result {
  const status = error.status ?? Status.InternalError;
  return {
    result: SelfTestOutcome.SegmentFailed,
    segment: segment + 1,
    nsidValid: 1,
    nsid,
    flbaValid: 1,
    flba: BigInt(lba),
    sctValid: 1,
    sct: sctOf(status),
    scValid: 1,
    sc: scOf(status),
  };
}
