// What a controller tells on channels that anybody in the process can listen to, by name.
// Read first: channels.ts for names and messages; observers.ts for those who have the controller in hand.

import type { NvmeofError } from "@nvmeof/codec";
import type { Clock, Diagnostics, TransportAddress } from "@nvmeof/transport";
import {
  type ControllerName,
  type KeepAliveMessage,
  type PathMessage,
  type ResetMessage,
  type ViolationMessage,
  hostChannels,
} from "./channels.ts";
import { CommandChannels } from "./command-channels.ts";
import type { CommandWatcher, QueueWatcher } from "./command-watch.ts";
import type { Event, State } from "./lifecycle.ts";
import type { ControllerEvent } from "./observers.ts";

/** What is told of. */
export interface DiagnosticsSource {
  readonly options: {
    readonly clock: Clock;
    readonly subsystemNqn: string;
    readonly hostNqn: string;
    readonly keepAliveTimeoutMs: number;
  };
  readonly address: TransportAddress;
  readonly facts: { readonly cntlid: number } | undefined;
}

/** A controller by the name that messages have for it. */
export function controllerName({ address, facts, options }: DiagnosticsSource): ControllerName {
  const { subsystemNqn, hostNqn } = options;
  return { address, subsystemNqn, hostNqn, cntlid: facts?.cntlid };
}

/** Half of the time that is left to a probe, which is sent at half of KATO. */
const LATE_SHARE = 1 / 4;

/** Publishes for one controller. Nothing is made for a channel that nobody listens to. */
export class ControllerDiagnostics implements CommandWatcher {
  readonly #diagnostics: Diagnostics;
  readonly #source: DiagnosticsSource;
  readonly #commands: CommandChannels;
  /** When a live controller was torn down, ms; undefined unless it is to come back. */
  #downSinceMs: number | undefined;

  constructor(diagnostics: Diagnostics, source: DiagnosticsSource) {
    this.#diagnostics = diagnostics;
    this.#source = source;
    this.#commands = new CommandChannels(diagnostics, source.options.clock, () =>
      controllerName(source),
    );
  }

  queue(qid: number, slots: number): QueueWatcher {
    return this.#commands.queue(qid, slots);
  }

  /** An attempt begins: the first, another address, or the way back. */
  attempting(state: State): void {
    this.#publish<PathMessage>(hostChannels.pathConnecting, {
      state,
      cause: undefined,
      reason: undefined,
    });
  }

  observed(event: ControllerEvent): void {
    if (event.type !== "state") return;
    const { from, to, cause, reason } = event;
    const message = { state: to, cause, reason };
    if (reason !== undefined) this.#blame(reason);
    if (from === "live") {
      if (to !== "closing") this.#publish<PathMessage>(hostChannels.pathLost, message);
      if (to !== "closing" && to !== "disabled") this.#down(cause, reason);
    }
    if (to === "live" || to === "closing" || to === "disabled") this.#settled(to, cause, reason);
    if (to === "live") this.#publish<PathMessage>(hostChannels.pathLive, message);
    if (to === "closed") this.#publish<PathMessage>(hostChannels.pathRemoved, message);
  }

  /** The controller has answered Keep Alive. */
  answered(roundTripMs: number): void {
    const { keepAliveTimeoutMs } = this.#source.options;
    const isLate = roundTripMs > keepAliveTimeoutMs * LATE_SHARE;
    const name = isLate ? hostChannels.keepAliveLate : hostChannels.keepAliveOk;
    this.#publish<KeepAliveMessage>(name, { roundTripMs, keepAliveTimeoutMs });
  }

  /** Of what moved the controller, what has a channel of its own. */
  #blame(reason: NvmeofError): void {
    const { keepAliveTimeoutMs } = this.#source.options;
    if (reason.code === "NVME_ERR_PROTOCOL") {
      this.#publish<ViolationMessage>(hostChannels.protocolViolation, { error: reason });
    } else if (reason.code === "NVME_ERR_KEEP_ALIVE") {
      const message = { roundTripMs: undefined, keepAliveTimeoutMs };
      this.#publish<KeepAliveMessage>(hostChannels.keepAliveExpired, message);
    }
  }

  #down(cause: Event, reason: NvmeofError | undefined): void {
    this.#downSinceMs = this.#source.options.clock.nowMs();
    this.#publish<ResetMessage>(hostChannels.resetStart, { cause, reason, result: undefined });
  }

  #settled(to: State, cause: Event, reason: NvmeofError | undefined): void {
    if (this.#downSinceMs === undefined) return;
    const tookMs = this.#source.options.clock.nowMs() - this.#downSinceMs;
    this.#downSinceMs = undefined;
    const result = { isLive: to === "live", tookMs };
    this.#publish<ResetMessage>(hostChannels.resetEnd, { cause, reason, result });
  }

  #publish<Message extends ControllerName>(
    name: string,
    message: Omit<Message, keyof ControllerName>,
  ): void {
    const channel = this.#diagnostics(name);
    if (!channel.hasSubscribers) return;
    channel.publish({ ...controllerName(this.#source), ...message });
  }
}
