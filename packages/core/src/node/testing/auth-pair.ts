// A host's exchange and a controller's, with everything that passes between them: for tests of
// authentication. Read first: ../../auth/host-exchange.ts, ../../auth/controller-exchange.ts.

import {
  type AuthHashName,
  type DhGroup,
  type DhGroupName,
  DhchapKey,
  type KeyTransform,
  type AuthMessageType,
  decodeAuthMessage,
  ffdhePrime,
} from "@nvmeof/codec/auth";
import { ControllerExchange, type HostSecrets } from "../../auth/controller-exchange.ts";
import type { AuthCrypto, DhPair } from "../../auth/crypto.ts";
import type { AuthenticationError } from "../../auth/errors.ts";
import { type AuthResult, HostExchange } from "../../auth/host-exchange.ts";
import {
  type AuthAlgorithms,
  resolveAlgorithms,
  resolveAuthentication,
} from "../../auth/options.ts";
import { usedKey } from "../../auth/proof.ts";
import { SequenceNumbers } from "../../auth/sequence-numbers.ts";
import { authCrypto } from "../auth-crypto.ts";

export const HOST_NQN = "nqn.2024-01.org.example:host";
export const SUBSYSTEM_NQN = "nqn.2024-01.org.example:subsystem";

/** A secret that is another for every `seed`. */
export const keyOf = (seed: number, transform: KeyTransform = 0, bytes = 32): DhchapKey =>
  new DhchapKey(
    Uint8Array.from({ length: bytes }, (_, i) => (seed * 37 + i * 11) & 0xff),
    transform,
  );

/** What is to be different from a pair that agrees. */
export interface AuthPairOptions {
  /** Of both sides; names as `authHashName` gives them. */
  readonly algorithms?: {
    readonly hashes?: readonly string[];
    readonly groups?: readonly string[];
  };
  readonly host?: AuthAlgorithms;
  readonly controller?: AuthAlgorithms;
  readonly hostKey?: DhchapKey;
  /** Of the host: with it both ways. */
  readonly controllerKey?: DhchapKey | undefined;
  /** The host's secret as the controller has it. Default: the same. */
  readonly knownHostKey?: DhchapKey;
  /** The controller's own. Default: what the host expects. */
  readonly knownControllerKey?: DhchapKey | "none";
  /** NQN that the controller knows the host by. Default: the same. */
  readonly claimedNqn?: string;
  readonly tid?: number;
  /** Private halves of the controller and the host, in place of chance. */
  readonly privateValues?: readonly bigint[];
}

/** How an exchange ended for either side. */
export interface AuthEnd {
  readonly host: AuthResult | AuthenticationError | undefined;
  readonly controller: AuthResult | { explanation: number; text: string } | undefined;
}

const bytesOf = (value: bigint, length: number): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(2 * length, "0"), "hex"));

const valueOf = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** Diffie-Hellman with private halves that are given, small ones: 2^x below the prime. */
function knownCrypto(privateValues: readonly bigint[]): AuthCrypto {
  let at = 0;
  const dh = (group: DhGroup): DhPair => {
    const half = privateValues[at++ % privateValues.length]!;
    const { length } = ffdhePrime(group);
    const prime = valueOf(ffdhePrime(group));
    return {
      publicValue: bytesOf(2n ** half % prime, length),
      secret: (peer) => bytesOf(valueOf(peer) ** half % prime, length),
    };
  };
  return { ...authCrypto, dh };
}

export class AuthPair {
  readonly host: HostExchange;
  readonly controller: ControllerExchange;
  /** All that passed, in this order. */
  readonly messages: Uint8Array[] = [];
  /** What the controller holds of the host; a test may change it. */
  secrets: HostSecrets | undefined;
  #hostEnd: AuthEnd["host"];
  #controllerEnd: AuthEnd["controller"];

  constructor(options: AuthPairOptions) {
    const { hostKey = keyOf(1), controllerKey, claimedNqn = HOST_NQN } = options;
    const crypto = options.privateValues ? knownCrypto(options.privateValues) : authCrypto;
    const algorithms = options.algorithms as
      { hashes?: readonly AuthHashName[]; groups?: readonly DhGroupName[] } | undefined;
    const authentication = resolveAuthentication({
      hostKey,
      controllerKey,
      crypto,
      ...algorithms,
      ...options.host,
    });
    const known = options.knownControllerKey ?? controllerKey;
    this.secrets = {
      hostKey: usedKey(crypto, options.knownHostKey ?? hostKey, claimedNqn),
      controllerKey:
        known === undefined || known === "none" ? undefined : usedKey(crypto, known, SUBSYSTEM_NQN),
      ...resolveAlgorithms({ ...algorithms, ...options.controller }, "controller"),
    };
    const names = { hostNqn: HOST_NQN, subsystemNqn: SUBSYSTEM_NQN };
    this.host = new HostExchange({
      ...names,
      authentication,
      tid: options.tid ?? 7,
      numbers: new SequenceNumbers(crypto),
    });
    this.controller = new ControllerExchange({
      ...names,
      hostNqn: claimedNqn,
      crypto,
      numbers: new SequenceNumbers(crypto),
      secrets: () => this.secrets,
    });
  }

  /** Types of all that passed. */
  get types(): AuthMessageType[] {
    return this.messages.map((message) => decodeAuthMessage(message).type);
  }

  /**
   * Lets both talk until one has an end.
   *
   * @param change what passes, in place of what was said; by the number of the message, from 0.
   */
  run(change: (message: Uint8Array, index: number) => Uint8Array = (message) => message): AuthEnd {
    this.host.handle({ type: "begin" });
    for (let output = this.host.poll(); output !== undefined; output = this.host.poll()) {
      if (output.type === "send") {
        this.tell(change(output.message, this.messages.length));
      } else if (output.type === "receive") {
        this.host.handle({ type: "received", message: this.#fetch(change) });
      } else {
        this.#hostEnd = output.type === "failed" ? output.error : output.result;
      }
    }
    return { host: this.#hostEnd, controller: this.#controllerEnd };
  }

  /** Gives the controller a message, as a host would. */
  tell(message: Uint8Array): void {
    this.messages.push(message);
    this.controller.handle({ type: "message", message });
    this.#drain();
  }

  /** What the controller gives next; nothing if it has nothing. */
  fetch(): Uint8Array | undefined {
    this.controller.handle({ type: "receive" });
    return this.#drain();
  }

  #fetch(change: (message: Uint8Array, index: number) => Uint8Array): Uint8Array {
    const given = this.fetch();
    if (given === undefined) throw new Error("the controller has nothing to give");
    const message = change(given, this.messages.length);
    this.messages.push(message);
    return message;
  }

  #drain(): Uint8Array | undefined {
    let given: Uint8Array | undefined;
    const { controller } = this;
    for (let output = controller.poll(); output !== undefined; output = controller.poll()) {
      if (output.type === "give") given = output.message;
      else if (output.type === "authenticated") this.#controllerEnd = output.result;
      else if (output.type === "failed") {
        this.#controllerEnd = { explanation: output.explanation, text: output.text };
      }
    }
    return given;
  }
}
