// Makes a scripted controller ask for authentication, and answer it: for tests of hosts.
// Read first: ../../testing/scripted-controller.ts, ../../auth/controller-exchange.ts.

import { ConnectResult, Status, decodeDwords, encodeDword } from "@nvmeof/codec";
import type { DhchapKey } from "@nvmeof/codec/auth";
import { ControllerExchange, type HostSecrets } from "../../auth/controller-exchange.ts";
import { type AuthAlgorithms, resolveAlgorithms } from "../../auth/options.ts";
import { usedKey } from "../../auth/proof.ts";
import { SequenceNumbers } from "../../auth/sequence-numbers.ts";
import { refusal } from "../../testing/association.ts";
import type { Answer, SeenCommand } from "../../testing/command.ts";
import type { ScriptedController } from "../../testing/scripted-controller.ts";
import { authCrypto } from "../auth-crypto.ts";

/** What the controller knows, and asks for. */
export interface AuthPeerOptions extends AuthAlgorithms {
  readonly hostKey: DhchapKey;
  readonly controllerKey?: DhchapKey | undefined;
  /** Bits of Connect's result. Default `atr` on all queues. */
  readonly asks?: "all" | "admin" | "never" | "secure-channel";
}

/** Where authentication of a controller stands; a test may change what it knows. */
export class AuthPeer {
  /** Queues that were authenticated, in this order, by QID. */
  readonly authenticated: number[] = [];
  /** Explanations of what failed. */
  readonly failures: number[] = [];
  readonly #peer: ScriptedController;
  readonly #hostNqn: string;
  readonly #options: AuthPeerOptions;
  readonly #exchanges = new Map<string, ControllerExchange>();
  readonly #numbers = new SequenceNumbers(authCrypto);
  secrets: HostSecrets;
  /** Requests for a message that are left unanswered, from now on. */
  muted = 0;
  /** What becomes of the connection of a host that has failed. */
  ends: "by-host" | "after-verdict" | "instead-of-verdict" = "by-host";
  /** Every answer of an exchange comes so late, ms. */
  lateMs = 0;

  constructor(peer: ScriptedController, hostNqn: string, options: AuthPeerOptions) {
    this.#peer = peer;
    this.#hostNqn = hostNqn;
    this.#options = options;
    this.secrets = this.secretsOf(options);
    peer.on("connect", (command, usual) => this.#connect(command, usual()));
    peer.on("connect-io", (command, usual) => this.#connect(command, usual()));
    peer.on("auth-send", (command) => this.#late(command, () => this.#send(command)));
    peer.on("auth-receive", (command) => {
      if (this.muted === 0) return this.#late(command, () => this.#receive(command));
      this.muted--;
      return undefined;
    });
  }

  secretsOf({ hostKey, controllerKey, ...algorithms }: AuthPeerOptions): HostSecrets {
    const { subsystemNqn } = this.#peer.facts;
    return {
      hostKey: usedKey(authCrypto, hostKey, this.#hostNqn),
      controllerKey: controllerKey && usedKey(authCrypto, controllerKey, subsystemNqn),
      ...resolveAlgorithms(algorithms, "controller"),
    };
  }

  #connect({ step }: SeenCommand, answer: Answer | undefined): Answer | undefined {
    const { asks = "all" } = this.#options;
    if (answer === undefined || answer.status !== undefined || asks === "never") return answer;
    if (asks === "admin" && step === "connect-io") return answer;
    const { cntlid } = decodeDwords(ConnectResult, answer.dw0 ?? 0);
    const bits = asks === "secure-channel" ? { ascr: 1 } : { atr: 1 };
    return { ...answer, dw0: encodeDword(ConnectResult, { cntlid, ...bits }) };
  }

  #late(command: SeenCommand, answer: () => Answer): Answer | undefined {
    if (this.lateMs === 0) return answer();
    const { clock } = this.#peer;
    clock.at(clock.nowMs() + this.lateMs, () => this.#peer.answer(command, answer()));
    return undefined;
  }

  #exchangeOf({ cntlid, qid }: SeenCommand): ControllerExchange {
    const name = `${cntlid}/${qid}`;
    let exchange = this.#exchanges.get(name);
    if (exchange === undefined || exchange.phase === "over") {
      exchange = new ControllerExchange({
        crypto: authCrypto,
        numbers: this.#numbers,
        hostNqn: this.#hostNqn,
        subsystemNqn: this.#peer.facts.subsystemNqn,
        secrets: () => this.secrets,
      });
      this.#exchanges.set(name, exchange);
    }
    return exchange;
  }

  #send(command: SeenCommand): Answer {
    const exchange = this.#exchangeOf(command);
    exchange.handle({ type: "message", message: command.data });
    this.#drain(exchange, command.qid);
    return {};
  }

  #receive(command: SeenCommand): Answer {
    const exchange = this.#exchangeOf(command);
    exchange.handle({ type: "receive" });
    const message = this.#drain(exchange, command.qid);
    if (exchange.phase === "over" && this.ends === "instead-of-verdict") this.#peer.kill();
    if (exchange.phase === "over" && this.ends === "after-verdict") {
      this.#peer.clock.defer(() => this.#peer.kill(undefined, "orderly"));
    }
    if (message === undefined) return refusal(Status.CommandSequenceError);
    const data = new Uint8Array(command.transferBytes);
    data.set(message);
    return { data };
  }

  #drain(exchange: ControllerExchange, qid: number): Uint8Array | undefined {
    let message: Uint8Array | undefined;
    for (let output = exchange.poll(); output !== undefined; output = exchange.poll()) {
      if (output.type === "give") message = output.message;
      else if (output.type === "authenticated") this.authenticated.push(qid);
      else if (output.type === "failed") this.failures.push(output.explanation);
    }
    return message;
  }
}
