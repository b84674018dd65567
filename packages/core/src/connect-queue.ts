// A queue from nothing to usable: the link, and Connect on it; and the commands of a bring-up as steps.
// Read first: Base 2.0 §6.3 "Connect command", §3.3.2.2 "Message-based Transport Queue Model".

import {
  AdminOpcode,
  ConnectCommand,
  ConnectData,
  ConnectResult,
  DataDirection,
  Fctype,
  Fes,
  type NvmeofError,
  ProtocolError,
  decodeDwords,
  encoded,
  hexh,
  uuidBytes,
} from "@nvmeof/codec";
import { type Transport, TransportError } from "@nvmeof/transport";
import { type AdminCommand, sendAdmin } from "./admin.ts";
import type { Association } from "./association.ts";
import { type AuthContext, authenticate } from "./auth/authenticate.ts";
import { AuthenticationError, wantsProof } from "./auth/errors.ts";
import { AbortedError, ConnectRejectedError, IoQueueError, NvmeStatusError } from "./errors.ts";
import type { ResolvedOptions } from "./options.ts";
import { FOREVER, QueuePair, type QueuePairEvents } from "./queue-pair.ts";
import { type Sequence, pause, step } from "./sequence.ts";

/** The transport has a deadline of its own, with a better message; ours backs it up this much later. */
const CONNECT_BACKUP_MS = 1_000;
/** A controller may still be clearing up an earlier association: Connect of a queue is tried again. */
const IO_CONNECT_ATTEMPTS = 3;
const IO_CONNECT_RETRY_MS = 100;
/** CNTLIDs from here on are reserved. */
const CNTLID_RESERVED = 0xfff0;
/** Where the result of a Connect lies in its CapsuleResp. */
const RESULT_OFFSET = 8;

/** What the bring-up works on. */
export interface BringUp {
  readonly options: ResolvedOptions;
  readonly transport: Transport;
  readonly association: Association;
  /** What the host authenticates with; undefined where it has no secret. */
  readonly auth?: AuthContext | undefined;
  /** Where the queues report to, while they are connected and later. */
  readonly events: Omit<QueuePairEvents, "opened">;
}

/** Which queue is to be made. */
export interface QueueShape {
  readonly qid: number;
  /** Entries of the submission queue. */
  readonly entries: number;
  /** Most bytes of data in a capsule. */
  readonly inCapsuleBytes: number;
}

/** The values of a completion. */
export interface Result {
  readonly dw0: number;
  readonly dw1: number;
}

/** What is said where a queue takes no command, because it is gone. */
const notConnected = (): AbortedError => new AbortedError("not-connected", "not-sent", false);

/** Sends an admin command and waits for its completion. */
export function* adminStep(
  queue: QueuePair,
  what: string,
  command: AdminCommand,
  timeoutMs: number,
): Sequence<Result> {
  return yield* step<Result>(what, timeoutMs, (done) => {
    const sent = sendAdmin(queue, command, FOREVER, (error, dw0, dw1) => done(error, { dw0, dw1 }));
    if (!sent) done(notConnected());
  });
}

/**
 * The same in a bring-up, whose controller may ask in the midst of it to be told anew who the host is: then
 * the command, which was not carried out, goes once more.
 */
export function* provenStep(
  context: BringUp,
  admin: QueuePair,
  what: string,
  command: AdminCommand,
): Sequence<Result> {
  const { fabricsTimeoutMs } = context.options;
  try {
    return yield* adminStep(admin, what, command, fabricsTimeoutMs);
  } catch (error) {
    if (!wantsProof(error as NvmeofError) || (error as NvmeStatusError).dnr) throw error;
  }
  yield* authenticateQueue(context, admin, { atr: 1, ascr: 0 });
  return yield* adminStep(admin, what, command, fabricsTimeoutMs);
}

/** Opens the link of a queue. The association has it at once, so that it is closed in any case. */
export function* openQueue(
  { options, transport, association, events }: BringUp,
  { qid, entries, inCapsuleBytes }: QueueShape,
): Sequence<QueuePair> {
  const { clock, connectTimeoutMs, hostNqn, hostId, subsystemNqn } = options;
  const owner = (association.owner ??= { hostNqn, hostId, subsystemNqn });
  return yield* step<QueuePair>("connect", connectTimeoutMs + CONNECT_BACKUP_MS, (done) => {
    const queue: QueuePair = new QueuePair(
      { transport, clock, qid, entries, inCapsuleBytes, connectTimeoutMs, owner },
      { ...events, opened: () => done(undefined, queue) },
    );
    association.add(queue);
  });
}

/**
 * Connect, and authentication where it is wanted: makes the controller (QID 0), or adds a queue to it.
 * Returns the controller ID.
 */
export function* connectQueue(
  context: BringUp,
  queue: QueuePair,
  entries: number,
  cntlid: number,
): Sequence<number> {
  const { options } = context;
  const { qid } = queue;
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
    const cid = queue.submit(
      DataDirection.ToController,
      data,
      (error, dw0, dw1) => {
        const rejected = error instanceof NvmeStatusError;
        done(rejected ? new ConnectRejectedError(qid, error.status, dw0) : error, { dw0, dw1 });
      },
      FOREVER,
    );
    if (cid < 0) done(notConnected());
  });
  const result = decodeDwords(ConnectResult, dw0);
  if (result.cntlid >= CNTLID_RESERVED) {
    const message = `Connect: the controller gave itself the reserved ID ${hexh(result.cntlid, 4)}`;
    throw new ProtocolError(Fes.InvalidHeaderField, RESULT_OFFSET, message, {
      phase: "fabrics-connect",
    });
  }
  yield* authenticateQueue(context, queue, result);
  return result.cntlid;
}

/** What the controller asks for, and what the host asks of the controller, on a queue just connected. */
function* authenticateQueue(
  { auth, association }: BringUp,
  queue: QueuePair,
  { atr, ascr }: { readonly atr: number; readonly ascr: number },
): Sequence<void> {
  // [A19] A controller that has to prove itself must not get out of it by not asking.
  const asks = queue.qid === 0 && auth?.authentication.controllerKey !== undefined;
  if (atr === 0 && ascr === 0 && !asks) return;
  if (auth === undefined) throw new AuthenticationError("keyless");
  if (ascr === 1) throw new AuthenticationError("secure-channel");
  const result = yield* authenticate(auth, queue, (error) => {
    association.refusal = error;
  });
  association.authenticated.set(queue.qid, result);
}

/**
 * QIDs are used again by a new association, which may race the controller's clearing up.
 *
 * @param queueCount how many I/O queues there will be.
 */
export function* connectIoQueue(
  context: BringUp,
  shape: QueueShape,
  cntlid: number,
  queueCount: number,
): Sequence<void> {
  let isConnected = false;
  const lost = (error: NvmeofError): void => {
    const isLink = !isConnected && error instanceof TransportError;
    context.events.lost(isLink ? new IoQueueError(error, shape.qid, queueCount) : error);
  };
  const named: BringUp = { ...context, events: { ...context.events, lost } };
  for (let attempt = 1; ; attempt++) {
    const queue = yield* openQueue(named, shape);
    try {
      yield* connectQueue(named, queue, shape.entries, cntlid);
      isConnected = true;
      return;
    } catch (error) {
      const passing = error instanceof ConnectRejectedError && !error.dnr && !error.permanent;
      if (!passing || attempt === IO_CONNECT_ATTEMPTS) throw error;
      context.association.io.pop();
      queue.close("reset", () => error);
      yield* pause(context.options.clock, IO_CONNECT_RETRY_MS);
    }
  }
}
