// Incarnations of controllers: from CSTS.RDY until no device has a request of it any more, which may
// be long after the controller has gone. Read first: Base 2.3 §5.4.3 "Cross-Controller Reset command";
// io.ts counts the requests, cross-controller-reset.ts asks.

import type { Random } from "@nvmeof/core";
import type { HostIdentity } from "./host-identity.ts";

/** Where an incarnation stands. */
export type IncarnationState =
  | "live" // RDY is 1
  | "draining" // it takes nothing more, but devices have requests of it
  | "quiesced" // nothing of it can reach a device any more
  | "doubtful"; // a device gave up a request that may yet be executed: nobody will ever know

/** One time that a controller was ready. Named by CNTLID, CIU and CIRN. */
export class Incarnation {
  readonly cntlid: number;
  /** Controller Instance Uniquifier, 1 to 255; 0 where there is no source of chance. */
  readonly ciu: number;
  /** Controller Instance Random Number. */
  readonly cirn: bigint;
  readonly host: HostIdentity;
  readonly #ended: (incarnation: Incarnation) => void;
  #state: IncarnationState = "live";
  #backendRequests = 0;
  #doubts = 0;

  constructor(
    name: Pick<Incarnation, "cntlid" | "ciu" | "cirn" | "host">,
    ended: (incarnation: Incarnation) => void,
  ) {
    this.cntlid = name.cntlid;
    this.ciu = name.ciu;
    this.cirn = name.cirn;
    this.host = name.host;
    this.#ended = ended;
  }

  get state(): IncarnationState {
    return this.#state;
  }

  /** Requests that devices have. */
  get backendRequests(): number {
    return this.#backendRequests;
  }

  /** A device is given a request. */
  submitted(): void {
    this.#backendRequests++;
  }

  /**
   * A device settled a request.
   *
   * @param mayComeLate it ended without the device knowing whether it was, or will be, executed.
   */
  settled(mayComeLate: boolean): void {
    this.#backendRequests--;
    // Before the end that is the host's to judge: it has the status.
    if (this.#state !== "draining") return;
    if (mayComeLate) this.#doubts++;
    this.#endWhenIdle();
  }

  /** RDY is 0, and all queues are gone: no further request begins. */
  end(): void {
    if (this.#state !== "live") return;
    this.#state = "draining";
    this.#endWhenIdle();
  }

  #endWhenIdle(): void {
    if (this.#backendRequests > 0) return;
    this.#state = this.#doubts === 0 ? "quiesced" : "doubtful";
    this.#ended(this);
  }
}

/** CIU has 8 bits, and is never 0. */
const CIU_MAX = 255;

/**
 * Doubtful incarnations of one subsystem that are remembered; the oldest is forgotten beyond. They
 * come from devices that are remote themselves and lost their own peer.
 */
const DOUBTFUL_MAX = 1_024;

/** The incarnations of a subsystem's controllers that may still reach a device. */
export class Incarnations {
  readonly #random: Random | undefined;
  readonly #tell: (incarnation: Incarnation) => void;
  readonly #byCntlid = new Map<number, Set<Incarnation>>();
  readonly #doubtful: Incarnation[] = [];

  /**
   * @param random where CIU and CIRN come from; without it incarnations have no names.
   * @param tell is told of each that ended, "quiesced" or "doubtful".
   */
  constructor(random: Random | undefined, tell: (incarnation: Incarnation) => void) {
    this.#random = random;
    this.#tell = tell;
  }

  /** A controller becomes ready, for the first time or after the incarnation `before`. */
  begin(cntlid: number, host: HostIdentity, before: Incarnation | undefined): Incarnation {
    const random = this.#random;
    const name = { cntlid, host, ciu: 0, cirn: 0n };
    if (random !== undefined) {
      // From a random start: whoever gets a CNTLID next does not begin where the last one did.
      name.ciu = ((before?.ciu ?? random.next32() % CIU_MAX) % CIU_MAX) + 1;
      name.cirn = (BigInt(random.next32()) << 32n) | BigInt(random.next32());
    }
    const incarnation = new Incarnation(name, (each) => this.#ended(each));
    const others = this.#byCntlid.get(cntlid);
    if (others === undefined) this.#byCntlid.set(cntlid, new Set([incarnation]));
    else others.add(incarnation);
    return incarnation;
  }

  /** The one of that name; `undefined` when there is none, or nothing of it is left. */
  find(cntlid: number, ciu: number, cirn: bigint): Incarnation | undefined {
    for (const each of this.#byCntlid.get(cntlid) ?? []) {
      if (each.ciu === ciu && each.cirn === cirn) return each;
    }
    return undefined;
  }

  /** Whether anything is left of a controller of that ID. */
  has(cntlid: number): boolean {
    return this.#byCntlid.has(cntlid);
  }

  #ended(incarnation: Incarnation): void {
    if (incarnation.state === "quiesced") {
      this.#forget(incarnation);
    } else {
      this.#doubtful.push(incarnation);
      if (this.#doubtful.length > DOUBTFUL_MAX) this.#forget(this.#doubtful.shift()!);
    }
    this.#tell(incarnation);
  }

  #forget(incarnation: Incarnation): void {
    const { cntlid } = incarnation;
    const those = this.#byCntlid.get(cntlid);
    those?.delete(incarnation);
    if (those?.size === 0) this.#byCntlid.delete(cntlid);
  }
}
