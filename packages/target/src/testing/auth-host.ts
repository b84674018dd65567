// A host for tests that authenticates, or does what it likes instead: over queues of raw-host.ts.
// Read first: raw-host.ts; Base 2.0 §6.1 "Authentication Receive command", §6.2 "Authentication Send
// command".

import {
  AuthReceiveCommand,
  AuthSendCommand,
  type Decoded,
  Fctype,
  OPC_FABRICS,
  SECP_NVME,
  encoded,
} from "@nvmeof/codec";
import { DhchapKey } from "@nvmeof/codec/auth";
import {
  type AuthAlgorithms,
  type AuthCrypto,
  type AuthResult,
  type AuthenticationError,
  HostExchange,
  SequenceNumbers,
  resolveAuthentication,
} from "@nvmeof/core/auth";
import {
  type Answer,
  type ConnectOptions,
  HOST_NQN,
  RawController,
  type RawQueue,
  SUBSYSTEM_NQN,
  type World,
  connectData,
  connectSqe,
} from "./raw-host.ts";

/** A secret that is another for every `seed`. */
export const keyOf = (seed: number): DhchapKey =>
  new DhchapKey(Uint8Array.from({ length: 32 }, (_, i) => (seed * 37 + i * 11) & 0xff));

/** What a host authenticates with. */
export interface AuthHostOptions extends AuthAlgorithms {
  readonly crypto: AuthCrypto;
  readonly hostKey?: DhchapKey;
  readonly controllerKey?: DhchapKey | undefined;
  readonly hostNqn?: string;
  readonly tid?: number;
}

const common = { opc: OPC_FABRICS, spsp0: 1, spsp1: 1, secp: SECP_NVME };

/** Authentication Send of so many bytes. */
export const authSendSqe = (
  tl: number,
  more: Partial<Decoded<typeof AuthSendCommand>> = {},
): Uint8Array =>
  encoded(AuthSendCommand, { ...common, fctype: Fctype.AuthenticationSend, tl, ...more });

/** Authentication Receive of so many bytes. */
export const authReceiveSqe = (
  al: number,
  more: Partial<Decoded<typeof AuthReceiveCommand>> = {},
): Uint8Array =>
  encoded(AuthReceiveCommand, { ...common, fctype: Fctype.AuthenticationReceive, al, ...more });

/** Sends a message. */
export const send = (queue: RawQueue, message: Uint8Array): Answer =>
  queue.run(authSendSqe(message.length), message);

/** Asks for a message. */
export function receive(queue: RawQueue, bytes = 4096): Answer & { readonly message: Uint8Array } {
  const message = new Uint8Array(bytes);
  return { ...queue.run(authReceiveSqe(bytes), message), message };
}

/** The host's end of an exchange. */
export function exchangeOf(options: AuthHostOptions): HostExchange {
  const { crypto, hostKey = keyOf(1), controllerKey, hostNqn = HOST_NQN, tid = 1 } = options;
  const { hashes = ["sha256"], groups = ["null"] } = options;
  return new HostExchange({
    authentication: resolveAuthentication({ crypto, hostKey, controllerKey, hashes, groups }),
    hostNqn,
    subsystemNqn: SUBSYSTEM_NQN,
    tid,
    numbers: new SequenceNumbers(crypto),
  });
}

/** Authenticates on a queue, to whatever end. */
export function authenticate(
  queue: RawQueue,
  options: AuthHostOptions,
): AuthResult | AuthenticationError {
  const host = exchangeOf(options);
  host.handle({ type: "begin" });
  for (let output = host.poll(); output !== undefined; output = host.poll()) {
    if (output.type === "authenticated") return output.result;
    if (output.type === "failed") return output.error;
    const { code } = output.type === "send" ? send(queue, output.message) : received(host, queue);
    if (code !== 0) throw new Error(`the command was refused with ${code.toString(16)}h`);
  }
  throw new Error("the exchange has no end");
}

function received(host: HostExchange, queue: RawQueue): Answer {
  const { message, ...answer } = receive(queue);
  host.handle({ type: "received", message });
  return answer;
}

/** A queue past its Connect, and what that was answered with. */
export function connected(
  world: World,
  options: ConnectOptions = {},
): { queue: RawQueue; dw0: number; code: number } {
  const queue = world.openQueue();
  const { code, dw0 } = queue.run(connectSqe(options), connectData(options));
  return { queue, dw0, code };
}

/** A controller, authenticated and enabled. */
export function provenController(world: World, options: AuthHostOptions): RawController {
  const asked = options.hostNqn === undefined ? {} : { hostNqn: options.hostNqn };
  const { queue, dw0 } = connected(world, asked);
  const end = authenticate(queue, options);
  if (end instanceof Error) throw end;
  const controller = new RawController(world, queue, dw0 & 0xffff, asked, world.port);
  controller.enable();
  return controller;
}

/** An I/O queue of it, authenticated. */
export function provenIo(
  world: World,
  controller: RawController,
  options: AuthHostOptions,
  qid = 1,
): RawQueue {
  const { cntlid } = controller;
  const { queue } = connected(world, { cntlid, qid });
  const end = authenticate(queue, options);
  if (end instanceof Error) throw end;
  return queue;
}
