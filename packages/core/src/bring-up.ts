// The way from nothing to a live controller, as the specification walks it: one step after another.
// Read first: Base 2.0 §3.5 "Controller Initialization", §6.3 "Connect command"; connect-queue.ts.
// Each step has a deadline, and fails the attempt as a whole.

import {
  AsyncEventBit,
  CNTLID_DYNAMIC,
  Cap,
  Cc,
  Cns,
  Csts,
  DISCOVERY_NQN,
  type Decoded,
  Fid,
  HostBehaviorSupport,
  IdentifyController,
  NumberOfQueues,
  Property,
  decode,
  decodeDwords,
  encodeDword,
  encoded,
  pageBytes,
  viewOf,
} from "@nvmeof/codec";
import {
  type AdminCommand,
  identifyBuffer,
  identifyCommand,
  propertyGetCommand,
  propertySetCommand,
  setFeatureCommand,
} from "./admin.ts";
import type { ControllerFacts } from "./association.ts";
import {
  type BringUp,
  type Result,
  connectIoQueue,
  connectQueue,
  openQueue,
  provenStep,
} from "./connect-queue.ts";
import { wantsProof } from "./auth/errors.ts";
import { NvmeStatusError, TimeoutError, UnsupportedError } from "./errors.ts";
import type { ResolvedOptions } from "./options.ts";
import type { QueuePair } from "./queue-pair.ts";
import { type Sequence, pause } from "./sequence.ts";

/** Admin and Fabrics commands may carry this much in their capsule, whatever IOCCSZ says. */
const ADMIN_IN_CAPSULE_BYTES = 8192;
/** Wait between two looks at CSTS, ms. */
const READY_POLL_MS = 20;
/** Unit of CAP.TO, ms. */
const CAP_TO_MS = 500;
/** CC.CSS: the NVM Command Set, or all those that the controller supports. */
const CSS_NVM = 0;
const CSS_ALL = 6;
/** Number of Queues is 0's based: a controller that has none to give says FFFFh, one less than 0. */
const NO_QUEUES = 0x1_0000;
/** IOCCSZ is counted in these; the first 64 bytes of a capsule are the command. */
const CAPSULE_UNIT_BYTES = 16;
const SQE_BYTES = 64;

/** Connects, enables and identifies a controller, and connects its I/O queues. */
export function* bringUp(context: BringUp): Sequence<ControllerFacts> {
  const { options, association } = context;
  const entries = options.adminQueueEntries;
  const shape = { qid: 0, entries, inCapsuleBytes: ADMIN_IN_CAPSULE_BYTES };
  const admin = yield* openQueue(context, shape);
  const cntlid = yield* connectQueue(context, admin, entries, CNTLID_DYNAMIC);
  const capResult = yield* property(context, admin, Property.Cap);
  const cap = { low: capResult.dw0, high: capResult.dw1 };
  const version = (yield* property(context, admin, Property.Vs)).dw0;
  yield* enable(context, admin, decodeDwords(Cap, cap.low, cap.high));
  const identifyBytes = identifyBuffer();
  const command = identifyCommand(Cns.Controller, identifyBytes);
  yield* provenStep(context, admin, "identify", command);
  const identify = decode(IdentifyController, viewOf(identifyBytes));
  const facts: ControllerFacts = {
    cntlid,
    cap,
    version,
    identify,
    identifyBytes,
    transferBytesMax: transferBytesMax(options, cap, identify.mdts),
    keepAliveTimeoutMs: options.keepAliveTimeoutMs,
  };
  checkIdentity(options, facts);
  association.facts = facts;
  yield* configure(context, admin, facts);
  if (options.ioQueues > 0) yield* connectIoQueues(context, admin, facts);
  return facts;
}

function property(context: BringUp, admin: QueuePair, offset: number): Sequence<Result> {
  return provenStep(context, admin, "property-get", propertyGetCommand(offset));
}

/** CC.EN from 0 to 1, and the wait for CSTS.RDY. */
function* enable(context: BringUp, admin: QueuePair, cap: Decoded<typeof Cap>): Sequence<void> {
  const { options, association } = context;
  if (options.ioQueues > 0 && cap.ncss === 0 && cap.iocss === 0) {
    throw new UnsupportedError("the controller has no I/O command set (CAP.CSS)", {
      phase: "enable",
    });
  }
  const set = (value: number): Sequence<Result> =>
    provenStep(context, admin, "enable", propertySetCommand(Property.Cc, value));
  const statedMs = Math.max(cap.to * CAP_TO_MS, CAP_TO_MS);
  const before = decodeDwords(Cc, (yield* property(context, admin, Property.Cc)).dw0);
  if (before.en === 1) {
    // A new association finds its controller disabled. One that is not has a past to be rid of.
    yield* set(encodeDword(Cc, { ...before, en: 0 }));
    yield* ready(context, admin, 0, statedMs);
  }
  const css = cap.iocss === 1 ? CSS_ALL : CSS_NVM;
  const cc = encodeDword(Cc, { css, mps: cap.mpsmin, iosqes: 6, iocqes: 4, en: 1 });
  yield* set(cc);
  association.cc = cc;
  yield* ready(context, admin, 1, statedMs);
}

/** Waits until CSTS.RDY is as wanted; for `statedMs`, which is CAP.TO, unless our own bound is less. */
function* ready(context: BringUp, admin: QueuePair, rdy: 0 | 1, statedMs: number): Sequence<void> {
  const { clock, fabricsTimeoutMs } = context.options;
  const limitMs = Math.min(statedMs, fabricsTimeoutMs);
  const byMs = clock.nowMs() + limitMs;
  for (;;) {
    const read = propertyGetCommand(Property.Csts);
    const { dw0 } = yield* provenStep(context, admin, "enable", read);
    const csts = decodeDwords(Csts, dw0);
    if (csts.cfs === 1) {
      throw new UnsupportedError("the controller reports a fatal status (CSTS.CFS)", {
        phase: "enable",
        hint: "It has to be reset on its own side.",
        permanent: false,
      });
    }
    if (csts.rdy === rdy) return;
    if (clock.nowMs() >= byMs) throw notReady(rdy, statedMs, fabricsTimeoutMs);
    yield* pause(clock, READY_POLL_MS);
  }
}

/** The controller took longer than it says itself (CAP.TO), or than the host waits for anything. */
function notReady(rdy: 0 | 1, statedMs: number, fabricsTimeoutMs: number): TimeoutError {
  const isOurs = fabricsTimeoutMs < statedMs;
  const limitMs = Math.min(statedMs, fabricsTimeoutMs);
  const not = rdy === 1 ? "not ready" : "still ready";
  const whose = isOurs ? `it may take ${statedMs} ms by CAP.TO` : "which is its own limit, CAP.TO";
  const message = `the controller is ${not} after ${limitMs} ms (CSTS.RDY), ${whose}`;
  const details = isOurs
    ? { hint: "Give it longer (--connect-timeout).", limit: "fabricsTimeoutMs" }
    : { hint: "It is stuck, or broken: look at the log of the target." };
  return new TimeoutError("enable", limitMs, { phase: "enable", ...details }, message);
}

/** MDTS is a power of two of the smallest page; 0 means no limit. */
function transferBytesMax(
  options: ResolvedOptions,
  { low, high }: ControllerFacts["cap"],
  mdts: number,
): number {
  if (mdts === 0) return options.transferBytesMax;
  const { mpsmin } = decodeDwords(Cap, low, high);
  return Math.min(options.transferBytesMax, pageBytes(mpsmin + mdts));
}

/** The controller behind an address must be the one that Connect gave, of the subsystem asked for. */
function checkIdentity(options: ResolvedOptions, { identify, cntlid }: ControllerFacts): void {
  if (identify.cntlid !== cntlid) {
    const message = `Connect gave controller ${cntlid}, Identify speaks of ${identify.cntlid}`;
    throw new UnsupportedError(message, { phase: "identify" });
  }
  const { subnqn } = identify;
  if (options.subsystemNqn === DISCOVERY_NQN || subnqn === options.subsystemNqn) return;
  throw new UnsupportedError(`asked for ${options.subsystemNqn}, the controller is of ${subnqn}`, {
    phase: "identify",
    hint: "The address leads to another subsystem; check the target's configuration.",
  });
}

/** Features that the host wants on, where the controller has them. */
function* configure(context: BringUp, admin: QueuePair, facts: ControllerFacts): Sequence<void> {
  const { identify } = facts;
  const wanted =
    AsyncEventBit.NamespaceAttribute |
    AsyncEventBit.AnaChange |
    AsyncEventBit.CcrCompleted |
    AsyncEventBit.DiscoveryLog;
  const events = (identify.oaes & wanted) >>> 0;
  if (events !== 0) {
    yield* optional(context, admin, setFeatureCommand(Fid.AsyncEventConfiguration, events));
  }
  if ((identify.crdt1 | identify.crdt2 | identify.crdt3) !== 0) {
    // Without it a controller may not use CRD, so a delay that it wants would go unheard.
    const data = encoded(HostBehaviorSupport, { acre: 1 });
    yield* optional(context, admin, setFeatureCommand(Fid.HostBehaviorSupport, 0, data));
  }
}

/** A controller may announce what a feature is for, and still refuse it: we do without. */
function* optional(context: BringUp, admin: QueuePair, command: AdminCommand): Sequence<void> {
  try {
    yield* provenStep(context, admin, "set-features", command);
  } catch (error) {
    if (!(error instanceof NvmeStatusError) || wantsProof(error)) throw error;
  }
}

function* connectIoQueues(
  context: BringUp,
  admin: QueuePair,
  { cap, identify, cntlid }: ControllerFacts,
): Sequence<void> {
  const { options } = context;
  const value = encodeDword(NumberOfQueues, { nsq: options.ioQueues, ncq: options.ioQueues });
  const command = setFeatureCommand(Fid.NumberOfQueues, value);
  const { dw0 } = yield* provenStep(context, admin, "set-features", command);
  const granted = decodeDwords(NumberOfQueues, dw0);
  if (granted.nsq === NO_QUEUES || granted.ncq === NO_QUEUES) {
    throw new UnsupportedError("the controller grants no I/O queue (Number of Queues FFFFh)", {
      phase: "set-features",
    });
  }
  const count = Math.min(options.ioQueues, granted.nsq, granted.ncq);
  const { mqes } = decodeDwords(Cap, cap.low, cap.high);
  const entries = Math.min(options.queueEntries, mqes, Math.max(identify.maxcmd || Infinity, 2));
  if (entries < 2) {
    throw new UnsupportedError(`the controller allows queues of ${entries} entries (CAP.MQES)`, {
      phase: "set-features",
    });
  }
  // With an offset between command and data in the capsule, data goes apart: we know no such target.
  const unused = identify.icdoff === 0 ? SQE_BYTES : Infinity;
  const inCapsuleBytes = Math.max(0, identify.ioccsz * CAPSULE_UNIT_BYTES - unused);
  for (let qid = 1; qid <= count; qid++) {
    yield* connectIoQueue(context, { qid, entries, inCapsuleBytes }, cntlid, count);
  }
}
