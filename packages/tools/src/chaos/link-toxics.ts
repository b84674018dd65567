// The faults of bytes that befall one connection: chosen by chance, on when their scope says so.
// Read first: toxics.ts, which shapes bytes with them; matcher.ts for scopes.

import type { Clock, Timer } from "@nvmeof/transport";
import type { Conversation } from "./conversation.ts";
import { Dice } from "./dice.ts";
import { isByteKind } from "./kinds.ts";
import { covers, coversConnection } from "./matcher.ts";
import type { EndHow } from "./pipe.ts";
import type { ByteFault, ChaosDirection, ChaosPlan, Fault } from "./plan.ts";
import type { Toxic } from "./toxics.ts";

/** What they need of their connection. */
export interface ToxicLink {
  readonly number: number;
  readonly clock: Clock;
  readonly plan: ChaosPlan;
  readonly conversation: Conversation;
  readonly elapsedMs: () => number;
  readonly end: (how: EndHow) => void;
  readonly did: (index: number, direction: ChaosDirection | undefined, detail: string) => void;
}

interface Chosen {
  readonly index: number;
  readonly fault: ByteFault;
  /** Of those that work by themselves, and not on what passes. */
  phase: "waiting" | "armed";
}

/** For a fault of bytes on its own: how the connection ends by it, and after how long. */
function endOf(fault: ByteFault): { readonly how: EndHow; readonly afterMs: number } | undefined {
  if (fault.kind === "reset_peer") return { how: "reset", afterMs: fault.values.timeoutMs };
  if (fault.kind === "down") return { how: "close", afterMs: 0 };
  if (fault.kind !== "timeout" || fault.values.timeoutMs === 0) return undefined;
  return { how: "close", afterMs: fault.values.timeoutMs };
}

const isByteFault = (fault: Fault): fault is ByteFault => isByteKind(fault.kind);

export class LinkToxics {
  readonly #link: ToxicLink;
  readonly #chosen: readonly Chosen[];
  readonly #timers = new Set<Timer>();

  constructor(link: ToxicLink) {
    this.#link = link;
    const { plan, number } = link;
    this.#chosen = plan.faults.flatMap((fault, index): Chosen[] => {
      if (!isByteFault(fault)) return [];
      const isHit = new Dice(plan.seed, index, number).happens(fault.values.toxicity);
      const isOurs =
        fault.select.connections.length === 0 || fault.select.connections.includes(number);
      return isHit && isOurs ? [{ index, fault, phase: "waiting" }] : [];
    });
  }

  /** Whether somebody has to find out what queue this is. */
  get needQueue(): boolean {
    return this.#chosen.some(({ fault }) => fault.select.queues.length > 0);
  }

  /** Those of one direction. */
  of(direction: ChaosDirection): Toxic[] {
    const { plan, number, conversation, elapsedMs, did } = this.#link;
    const way = direction === "upstream" ? 0 : 1;
    return this.#chosen.map(({ index, fault }) => {
      let phase: "new" | "told" = "new";
      return {
        index,
        fault,
        dice: new Dice(plan.seed, index, number, way),
        isOn: () => {
          const at = { connection: number, conversation, direction, elapsedMs: elapsedMs() };
          return covers(fault.select, at);
        },
        began: () => {
          if (phase === "told") return;
          phase = "told";
          did(index, direction, valuesText(fault));
        },
      };
    });
  }

  /** Arms what works by itself; again when it is known what queue this is. */
  arm(): void {
    const { number, conversation, clock, elapsedMs } = this.#link;
    for (const chosen of this.#chosen) {
      const { fault, phase } = chosen;
      const end = endOf(fault);
      if (end === undefined || phase === "armed") continue;
      if (!coversConnection(fault.select, number, conversation)) continue;
      const { afterMs, untilMs } = fault.select;
      const nowMs = elapsedMs();
      if (nowMs >= untilMs) continue;
      chosen.phase = "armed";
      const waitMs = Math.max(afterMs - nowMs, 0) + end.afterMs;
      this.#timers.add(clock.at(clock.nowMs() + waitMs, () => this.#end(chosen, end.how)));
    }
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #end({ index, fault }: Chosen, how: EndHow): void {
    const { did, end, elapsedMs } = this.#link;
    if (elapsedMs() >= fault.select.untilMs) return;
    did(index, undefined, how === "reset" ? "reset" : "closed");
    end(how);
  }
}

/** The values of a fault, as a person reads them. */
function valuesText({ values }: ByteFault): string {
  const shown = Object.entries(values).filter(([name]) => name !== "toxicity");
  return shown.map(([name, value]) => `${name} ${value}`).join(", ");
}
