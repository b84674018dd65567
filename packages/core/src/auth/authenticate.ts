// One authentication of one queue as steps: what the machine wants sent and received, with a deadline.
// Read first: host-exchange.ts; Base 2.0 §6.1 "Authentication Receive command", §6.2 "Authentication
// Send command".

import {
  AdminOpcode,
  AuthReceiveCommand,
  AuthSendCommand,
  DataDirection,
  Fctype,
  SECP_NVME,
  Status,
  codeOf,
} from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import { type AdminCommand, sendAdmin } from "../admin.ts";
import { AbortedError, NvmeStatusError, TimeoutError } from "../errors.ts";
import { FOREVER, type QueuePair } from "../queue-pair.ts";
import { type Sequence, step } from "../sequence.ts";
import { AuthenticationError } from "./errors.ts";
import { type AuthResult, HostExchange } from "./host-exchange.ts";
import type { ResolvedAuthentication } from "./options.ts";
import type { SequenceNumbers } from "./sequence-numbers.ts";

/** SPSP0 and SPSP1 of both commands. */
const SPSP = 1;
/** Room for a message of the controller, the longest of which have little more than 1 KiB. */
const RECEIVE_BYTES = 4096;

/** Authentication Send with a message. */
export const authSendCommand = (message: Uint8Array): AdminCommand => ({
  opcode: AdminOpcode.Fabrics,
  fill: (sqe) => {
    AuthSendCommand.fctype.set(sqe, 0, Fctype.AuthenticationSend);
    AuthSendCommand.spsp0.set(sqe, 0, SPSP);
    AuthSendCommand.spsp1.set(sqe, 0, SPSP);
    AuthSendCommand.secp.set(sqe, 0, SECP_NVME);
    AuthSendCommand.tl.set(sqe, 0, message.length);
  },
  direction: DataDirection.ToController,
  data: message,
});

/** Authentication Receive into `data`. */
export const authReceiveCommand = (data: Uint8Array): AdminCommand => ({
  opcode: AdminOpcode.Fabrics,
  fill: (sqe) => {
    AuthReceiveCommand.fctype.set(sqe, 0, Fctype.AuthenticationReceive);
    AuthReceiveCommand.spsp0.set(sqe, 0, SPSP);
    AuthReceiveCommand.spsp1.set(sqe, 0, SPSP);
    AuthReceiveCommand.secp.set(sqe, 0, SECP_NVME);
    AuthReceiveCommand.al.set(sqe, 0, data.length);
  },
  direction: DataDirection.ToHost,
  data,
});

/** Who authenticates, with what. */
export interface AuthContext {
  readonly clock: Clock;
  readonly authentication: ResolvedAuthentication;
  readonly hostNqn: string;
  readonly subsystemNqn: string;
  readonly numbers: SequenceNumbers;
  /** Longest that a single command may take, ms. */
  readonly commandTimeoutMs: number;
  /** Transaction ID, another one each time. */
  nextTid(): number;
  /** A queue was authenticated. */
  told(qid: number, result: AuthResult): void;
}

/**
 * Authenticates on `queue`. Throws what has gone wrong; the queue is then of no use any more.
 *
 * @param refused is told of a failure as soon as it is known, or is to be feared: the queue may end
 * before its turn comes. Undefined where there is none after all.
 */
export function* authenticate(
  context: AuthContext,
  queue: QueuePair,
  refused: (error: AuthenticationError | undefined) => void,
): Sequence<AuthResult> {
  const { clock, authentication, hostNqn, subsystemNqn, numbers } = context;
  const byMs = clock.nowMs() + authentication.timeoutMs;
  const tid = context.nextTid();
  const machine = new HostExchange({ authentication, hostNqn, subsystemNqn, numbers, tid });
  machine.handle({ type: "begin" });
  for (let output = machine.poll(); output !== undefined; output = machine.poll()) {
    if (output.type === "authenticated") {
      context.told(queue.qid, output.result);
      return output.result;
    }
    if (output.type === "failed") throw output.error;
    if (output.type === "send") {
      yield* tell(context, queue, output.message, byMs, machine);
    } else {
      const message = new Uint8Array(RECEIVE_BYTES);
      // Some controllers do not wait until their verdict has been received.
      if (machine.phase === "proving") refused(new AuthenticationError("cut-off"));
      yield* exchange(context, queue, authReceiveCommand(message), byMs, () => {
        machine.handle({ type: "received", message });
        refused(machine.failure);
      });
    }
  }
  throw new Error("the exchange ended without a verdict");
}

/** Sends a message. Once there is a verdict, whether it arrives changes nothing. */
function* tell(
  context: AuthContext,
  queue: QueuePair,
  message: Uint8Array,
  byMs: number,
  { phase }: HostExchange,
): Sequence<void> {
  const isVerdict = phase === "over";
  try {
    yield* exchange(context, queue, authSendCommand(message), byMs);
  } catch (error) {
    if (!isVerdict || !(error instanceof Error)) throw error;
  }
}

/** One command. On an I/O queue that is full it waits for room; the admin queue keeps some back. */
function* exchange(
  { clock, commandTimeoutMs }: AuthContext,
  queue: QueuePair,
  command: AdminCommand,
  byMs: number,
  answered: () => void = () => {},
): Sequence<void> {
  const leftMs = byMs - clock.nowMs();
  if (leftMs <= 0) throw new TimeoutError("authenticate", 0, { phase: "authenticate" });
  let interest: "waiting" | "over" = "waiting";
  yield* step<void>("authenticate", Math.min(commandTimeoutMs, leftMs), (done) => {
    const send = (): void => {
      if (interest === "over") return;
      const sent = sendAdmin(queue, command, FOREVER, (error) => {
        if (error === undefined) answered();
        done(explained(error));
      });
      if (sent) return;
      if (queue.qid > 0 && queue.isOpen) queue.whenRoom(send);
      else done(new AbortedError("not-connected", "not-sent", false));
    };
    send();
    return () => {
      interest = "over";
    };
  });
}

/** A controller that refuses the commands themselves does not authenticate, whatever it asked for. */
function explained(error: Parameters<Parameters<typeof sendAdmin>[3]>[0]): typeof error {
  if (!(error instanceof NvmeStatusError)) return error;
  // [A19] One that does not know them has not been asked by us alone: it is to prove itself.
  const isUnknown = codeOf(error.status) === Status.InvalidOpcode;
  const kind = isUnknown ? "unasked" : "broken";
  return new AuthenticationError(kind, error.message, { cause: error, status: error.status });
}
