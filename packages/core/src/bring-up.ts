// The way from nothing to a live controller, as the specification walks it: one step after another.
// Read first: Base 2.0 §3.5 "Controller Initialization", §6.3 "Connect command", §3.3.2.2
// "Message-based Transport Queue Model". Each step has a deadline, and fails the attempt as a whole.

import {
  AdminOpcode,
  AsyncEventBit,
  CNTLID_DYNAMIC,
  Cap,
  Cc,
  Cns,
  ConnectCommand,
  ConnectData,
  ConnectResult,
  Csts,
  DISCOVERY_NQN,
  DataDirection,
  Fctype,
  Fid,
  HostBehaviorSupport,
  IdentifyController,
  NumberOfQueues,
  Property,
  decode,
  decodeDwords,
  encoded,
  uuidBytes,
  viewOf,
} from "@nvmeof/codec";
import type { Transport } from "@nvmeof/transport";
import {
  type AdminCommand,
  identifyBuffer,
  identifyCommand,
  propertyGetCommand,
  propertySetCommand,
  sendAdmin,
  setFeatureCommand,
} from "./admin.ts";
import type { Association, ControllerFacts } from "./association.ts";
import { AbortedError, ConnectRejectedError, NvmeStatusError, UnsupportedError } from "./errors.ts";
import type { ResolvedOptions } from "./options.ts";
import { QueuePair, type QueuePairEvents } from "./queue-pair.ts";
import { type Sequence, pause, step } from "./sequence.ts";

/** Admin and Fabrics commands may carry this much in their capsule, whatever IOCCSZ says. */
const ADMIN_IN_CAPSULE_BYTES = 8192;
/** Wait between two looks at CSTS, ms. */
const READY_POLL_MS = 20;
/** A controller may still be clearing up an earlier association: Connect of a queue is tried again. */
const IO_CONNECT_ATTEMPTS = 3;
const IO_CONNECT_RETRY_MS = 100;

/** The values of a completion. */
interface Result {
  readonly dw0: number;
  readonly dw1: number;
}

/** What the bring-up works on. */
export interface BringUp {
  readonly options: ResolvedOptions;
  readonly transport: Transport;
  readonly association: Association;
  /** Where the queues report to once the controller is live, and while it is connected. */
  readonly events: (qid: number) => Omit<QueuePairEvents, "opened">;
}

/** Sends an admin command and waits for its completion. */
export function* adminStep(
  queue: QueuePair,
  what: string,
  command: AdminCommand,
  timeoutMs: number,
): Sequence<Result> {
  return yield* step<Result>(what, timeoutMs, (done) => {
    const sent = sendAdmin(queue, command, Infinity, (error, dw0, dw1) =>
      done(error, { dw0, dw1 }),
    );
    if (!sent) done(new AbortedError("not-connected", "not-sent", false));
  });
}

/** Connects, enables and identifies a controller, and connects its I/O queues. */
export function* bringUp(context: BringUp): Sequence<ControllerFacts> {
  const { options, association } = context;
  const admin = yield* openQueue(context, 0, options.adminQueueEntries, ADMIN_IN_CAPSULE_BYTES);
  association.admin = admin;
  const cntlid = yield* connectQueue(context, admin, 0, options.adminQueueEntries, CNTLID_DYNAMIC);
  association.enabled = true;
  const property = (offset: number): Sequence<Result> =>
    adminStep(admin, "property-get", propertyGetCommand(offset), options.fabricsTimeoutMs);
  const capResult = yield* property(Property.Cap);
  const cap = { low: capResult.dw0, high: capResult.dw1 };
  const version = (yield* property(Property.Vs)).dw0;
  yield* enable(context, admin, cap);
  const identifyBytes = identifyBuffer();
  const command = identifyCommand(Cns.Controller, identifyBytes);
  yield* adminStep(admin, "identify", command, options.fabricsTimeoutMs);
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

function* openQueue(
  { options, transport, association, events }: BringUp,
  qid: number,
  entries: number,
  inCapsuleBytes: number,
): Sequence<QueuePair> {
  // The transport has a deadline of its own, with a better message: this one only backs it up.
  return yield* step<QueuePair>("connect", options.connectTimeoutMs + 1_000, (done) => {
    const { expired, lost } = events(qid);
    const queue: QueuePair = new QueuePair(
      {
        transport,
        clock: options.clock,
        qid,
        entries,
        inCapsuleBytes,
        connectTimeoutMs: options.connectTimeoutMs,
      },
      {
        opened: () => done(undefined, queue),
        expired,
        lost: (error) => {
          done(error);
          lost(error);
        },
      },
    );
    // Known at once, so that a cancelled attempt closes it whatever it waits for.
    if (qid === 0) association.admin = queue;
    else association.io.push(queue);
  });
}

/** Connect: makes the controller (QID 0), or adds a queue to it. Returns the controller ID. */
function* connectQueue(
  { options }: BringUp,
  queue: QueuePair,
  qid: number,
  entries: number,
  cntlid: number,
): Sequence<number> {
  const data = encoded(ConnectData, {
    hostid: uuidBytes(options.hostId),
    cntlid,
    subnqn: options.subsystemNqn,
    hostnqn: options.hostNqn,
  });
  const { dw0 } = yield* step<Result>("fabrics-connect", options.fabricsTimeoutMs, (done) => {
    const sqe = queue.begin(AdminOpcode.Fabrics, 0);
    ConnectCommand.fctype.set(sqe, 0, Fctype.Connect);
    ConnectCommand.qid.set(sqe, 0, qid);
    ConnectCommand.sqsize.set(sqe, 0, entries);
    ConnectCommand.dsqfc.set(sqe, 0, qid > 0 && options.disableSqFlow ? 1 : 0);
    ConnectCommand.kato.set(sqe, 0, qid === 0 ? options.keepAliveTimeoutMs : 0);
    queue.submit(
      DataDirection.ToController,
      data,
      (error, dw0, dw1) => {
        const rejected = error instanceof NvmeStatusError;
        done(rejected ? new ConnectRejectedError(qid, error.status, dw0) : error, { dw0, dw1 });
      },
      Infinity,
    );
  });
  const result = decodeDwords(ConnectResult, dw0);
  if (result.atr === 1 || result.ascr === 1) {
    throw new UnsupportedError("the controller requires authentication", {
      phase: "fabrics-connect",
      hint: "DH-HMAC-CHAP is not supported yet; allow this host without a key on the target.",
    });
  }
  if (result.cntlid >= 0xfff0) {
    throw new UnsupportedError(`the controller gave itself the ID ${result.cntlid}`, {
      phase: "fabrics-connect",
    });
  }
  return result.cntlid;
}

/** CC.EN from 0 to 1, and the wait for CSTS.RDY. */
function* enable(
  { options }: BringUp,
  admin: QueuePair,
  cap: { low: number; high: number },
): Sequence<void> {
  const { low, high } = cap;
  const set = (value: number): Sequence<Result> =>
    adminStep(admin, "enable", propertySetCommand(Property.Cc, value), options.fabricsTimeoutMs);
  const { clock } = options;
  const capView = decodeDwords(Cap, low, high);
  const discovery = options.subsystemNqn === DISCOVERY_NQN;
  if (!discovery && capView.ncss === 0 && capView.iocss === 0) {
    throw new UnsupportedError("the controller has no I/O command set (CAP.CSS)", {
      phase: "enable",
    });
  }
  const limitMs = Math.min(Math.max(capView.to * 500, 500), options.fabricsTimeoutMs);
  const cc = encoded(Cc, { css: capView.iocss === 1 ? 6 : 0, iosqes: 6, iocqes: 4, en: 1 });
  yield* set(viewOf(cc).getUint32(0, true));
  const byMs = clock.nowMs() + limitMs;
  for (;;) {
    const read = propertyGetCommand(Property.Csts);
    const { dw0 } = yield* adminStep(admin, "enable", read, options.fabricsTimeoutMs);
    const csts = decodeDwords(Csts, dw0);
    if (csts.cfs === 1) {
      throw new UnsupportedError("the controller reports a fatal status (CSTS.CFS)", {
        phase: "enable",
        hint: "It has to be reset on its own side.",
      });
    }
    if (csts.rdy === 1) return;
    if (clock.nowMs() >= byMs) {
      throw new UnsupportedError(`the controller is not ready after ${limitMs} ms (CSTS.RDY)`, {
        phase: "enable",
      });
    }
    yield* pause(clock, READY_POLL_MS);
  }
}

function transferBytesMax(options: ResolvedOptions, cap: { high: number }, mdts: number): number {
  if (mdts === 0) return options.transferBytesMax;
  const mpsmin = (cap.high >>> 16) & 0xf;
  return Math.min(options.transferBytesMax, 2 ** (12 + mpsmin + mdts));
}

/** The controller behind an address must be of the subsystem that was asked for. */
function checkIdentity(options: ResolvedOptions, { identify }: ControllerFacts): void {
  const { subnqn } = identify;
  if (options.subsystemNqn === DISCOVERY_NQN || subnqn === options.subsystemNqn) return;
  throw new UnsupportedError(`asked for ${options.subsystemNqn}, the controller is of ${subnqn}`, {
    phase: "identify",
    hint: "The address leads to another subsystem; check the target's configuration.",
  });
}

/** Features that the host wants on, where the controller has them. */
function* configure(context: BringUp, admin: QueuePair, facts: ControllerFacts): Sequence<void> {
  const { options } = context;
  const feature = (command: AdminCommand): Sequence<Result> =>
    adminStep(admin, "set-features", command, options.fabricsTimeoutMs);
  const { identify } = facts;
  const wanted =
    AsyncEventBit.NamespaceAttribute | AsyncEventBit.AnaChange | AsyncEventBit.DiscoveryLog;
  const events = (identify.oaes & wanted) >>> 0;
  if (events !== 0) yield* feature(setFeatureCommand(Fid.AsyncEventConfiguration, events));
  if (identify.crdt1 !== 0) {
    // Without it a controller may not use CRD, so a delay that it wants would go unheard.
    const data = encoded(HostBehaviorSupport, { acre: 1 });
    try {
      yield* feature(setFeatureCommand(Fid.HostBehaviorSupport, 0, data));
    } catch (error) {
      // A controller may give delay times and still lack the feature; retries then are not delayed.
      if (!(error instanceof NvmeStatusError)) throw error;
    }
  }
}

function* connectIoQueues(
  context: BringUp,
  admin: QueuePair,
  facts: ControllerFacts,
): Sequence<void> {
  const { options } = context;
  const value = encoded(NumberOfQueues, { nsq: options.ioQueues, ncq: options.ioQueues });
  const command = setFeatureCommand(Fid.NumberOfQueues, viewOf(value).getUint32(0, true));
  const { dw0 } = yield* adminStep(admin, "set-features", command, options.fabricsTimeoutMs);
  const granted = decodeDwords(NumberOfQueues, dw0);
  // FFFFh is not a count but the reserved value that a confused controller answers with.
  const count = Math.min(options.ioQueues, granted.nsq, granted.ncq);
  const { identify } = facts;
  const mqes = (facts.cap.low & 0xffff) + 1;
  const entries = Math.min(options.queueEntries, mqes, identify.maxcmd || Infinity);
  if (entries < 2) {
    throw new UnsupportedError(`the controller allows queues of ${entries} entries (CAP.MQES)`, {
      phase: "set-features",
    });
  }
  const inCapsuleBytes = Math.max(0, identify.ioccsz * 16 - 64);
  for (let qid = 1; qid <= count; qid++) {
    yield* connectIoQueue(context, qid, entries, inCapsuleBytes, facts.cntlid);
  }
}

/** QIDs are used again by a new association, which may race the controller's clearing up. */
function* connectIoQueue(
  context: BringUp,
  qid: number,
  entries: number,
  inCapsuleBytes: number,
  cntlid: number,
): Sequence<void> {
  for (let attempt = 1; ; attempt++) {
    const queue = yield* openQueue(context, qid, entries, inCapsuleBytes);
    try {
      yield* connectQueue(context, queue, qid, entries, cntlid);
      return;
    } catch (error) {
      const refused = error instanceof ConnectRejectedError && !error.permanent;
      if (!refused || attempt === IO_CONNECT_ATTEMPTS) throw error;
      context.association.io.pop();
      queue.close("reset", () => error);
      yield* pause(context.options.clock, IO_CONNECT_RETRY_MS);
    }
  }
}
