// Reservations of one namespace: who is registered with which key, who holds it, and who may do what.
// Nothing is kept beyond the life of the target (no persistence through power loss).
// Read first: Base 2.0 §8.19 "Reservations", §7.2 to §7.5 for the commands.

import { Status } from "@nvmeof/codec";
import {
  AcquireAction,
  ChangePtpl,
  RegisterAction,
  type RegistrantFacts,
  ReleaseAction,
  ReservationEvent,
  ReservationType,
} from "@nvmeof/codec/management";
import { final } from "./errors.ts";
import { sameBytes } from "./host-identity.ts";

interface Registrant {
  readonly hostId: Uint8Array;
  key: bigint;
}

/** Hosts that are to be told of something. */
export interface ReservationNotice {
  readonly hostIds: readonly Uint8Array[];
  readonly event: ReservationEvent;
}

/** How a command that changes reservations ends. */
export interface ReservationOutcome {
  readonly status: number;
  readonly notices: readonly ReservationNotice[];
  /** Hosts that lost their registration to another one. */
  readonly preempted: readonly Uint8Array[];
}

const invalidField = final(Status.InvalidField);
/** No DNR: the reservation may be released. */
const conflict = Status.ReservationConflict;

const ends = (status: number): ReservationOutcome => ({ status, notices: [], preempted: [] });
const ok = ends(0);

const { WriteExclusive, ExclusiveAccess } = ReservationType;
const registrantsOnly: ReadonlySet<number> = new Set([
  ReservationType.WriteExclusiveRegistrantsOnly,
  ReservationType.ExclusiveAccessRegistrantsOnly,
]);
const allRegistrants: ReadonlySet<number> = new Set([
  ReservationType.WriteExclusiveAllRegistrants,
  ReservationType.ExclusiveAccessAllRegistrants,
]);
const exclusiveAccess: ReadonlySet<number> = new Set([
  ReservationType.ExclusiveAccessRegistrantsOnly,
  ReservationType.ExclusiveAccessAllRegistrants,
]);

/** The reservations of a namespace. */
export class Reservations {
  readonly #registrantsMax: number;
  #registrants: Registrant[] = [];
  /** Who holds it; nobody in particular where all registrants do. */
  #holder: Registrant | undefined;
  #type: number = ReservationType.None;
  #generation = 0;
  #changes = 0;

  /** @param registrantsMax hosts that may be registered at the same time. */
  constructor(registrantsMax: number) {
    this.#registrantsMax = registrantsMax;
  }

  /** Type of the reservation; 0 for none. */
  get type(): number {
    return this.#type;
  }

  /** Counts changes of registrants, as hosts are told. */
  get generation(): number {
    return this.#generation;
  }

  /** Counts all changes of rights. */
  get changes(): number {
    return this.#changes;
  }

  mayRead(hostId: Uint8Array): boolean {
    if (this.#type === ExclusiveAccess) return this.#holds(this.#find(hostId));
    return exclusiveAccess.has(this.#type) ? this.#find(hostId) !== undefined : true;
  }

  mayWrite(hostId: Uint8Array): boolean {
    if (this.#type === ReservationType.None) return true;
    const registrant = this.#find(hostId);
    const isExclusive = this.#type === WriteExclusive || this.#type === ExclusiveAccess;
    return isExclusive ? this.#holds(registrant) : registrant !== undefined;
  }

  /** Who is registered. @param cntlidOf a controller of a host; FFFFh for none. */
  registrants(cntlidOf: (hostId: Uint8Array) => number): RegistrantFacts[] {
    return this.#registrants.map((each) => ({
      cntlid: cntlidOf(each.hostId),
      holds: this.#holds(each),
      hostid: each.hostId,
      rkey: each.key,
    }));
  }

  /** Reservation Register. */
  register(
    hostId: Uint8Array,
    command: { action: number; iekey: boolean; cptpl: number; crkey: bigint; nrkey: bigint },
  ): ReservationOutcome {
    const { action, iekey, cptpl, crkey, nrkey } = command;
    if (cptpl !== ChangePtpl.NoChange && cptpl !== ChangePtpl.Clear) return ends(invalidField);
    const registrant = this.#find(hostId);
    const fits = registrant !== undefined && (iekey || registrant.key === crkey);
    switch (action) {
      case RegisterAction.Register:
        if (registrant === undefined) return this.#add(hostId, nrkey);
        return ends(registrant.key === nrkey ? 0 : conflict);
      case RegisterAction.Unregister:
        return fits ? this.#unregister(registrant) : ends(conflict);
      case RegisterAction.Replace:
        if (nrkey === 0n) return ends(invalidField);
        if (registrant === undefined && iekey) return this.#add(hostId, nrkey);
        if (!fits) return ends(conflict);
        registrant.key = nrkey;
        this.#changed("registrants");
        return ok;
      default:
        return ends(invalidField);
    }
  }

  /** Reservation Acquire. */
  acquire(
    hostId: Uint8Array,
    command: { action: number; iekey: boolean; type: number; crkey: bigint; prkey: bigint },
  ): ReservationOutcome {
    const { action, iekey, type, crkey, prkey } = command;
    const isType = type >= WriteExclusive && type <= ReservationType.ExclusiveAccessAllRegistrants;
    if (iekey || !isType) return ends(invalidField);
    const registrant = this.#find(hostId);
    if (registrant?.key !== crkey) return ends(conflict);
    switch (action) {
      case AcquireAction.Acquire:
        if (this.#type === ReservationType.None) this.#take(registrant, type);
        else if (this.#type !== type || !this.#holds(registrant)) return ends(conflict);
        return ok;
      case AcquireAction.Preempt:
      case AcquireAction.PreemptAndAbort:
        return this.#preempt(registrant, type, prkey);
      default:
        return ends(invalidField);
    }
  }

  /** Reservation Release. */
  release(
    hostId: Uint8Array,
    command: { action: number; iekey: boolean; type: number; crkey: bigint },
  ): ReservationOutcome {
    const { action, iekey, type, crkey } = command;
    if (iekey) return ends(invalidField);
    const registrant = this.#find(hostId);
    if (registrant?.key !== crkey) return ends(conflict);
    if (action === ReleaseAction.Clear) return this.#clear(registrant);
    if (action !== ReleaseAction.Release) return ends(invalidField);
    if (this.#type === ReservationType.None) return ok;
    if (this.#type !== type) return ends(invalidField);
    // Not an error, says the specification: there is just nothing of his to release.
    if (!this.#holds(registrant)) return ok;
    const others = this.#others(registrant);
    this.#drop();
    const isAlone = type === WriteExclusive || type === ExclusiveAccess;
    return isAlone ? ok : telling(others, ReservationEvent.ReservationReleased);
  }

  #find(hostId: Uint8Array): Registrant | undefined {
    return this.#registrants.find((each) => sameBytes(each.hostId, hostId));
  }

  #holds(registrant: Registrant | undefined): boolean {
    if (registrant === undefined) return false;
    return allRegistrants.has(this.#type) || this.#holder === registrant;
  }

  #others(registrant: Registrant): Uint8Array[] {
    return this.#registrants.filter((each) => each !== registrant).map(({ hostId }) => hostId);
  }

  #add(hostId: Uint8Array, key: bigint): ReservationOutcome {
    if (key === 0n) return ends(invalidField);
    if (this.#registrants.length >= this.#registrantsMax) return ends(final(Status.InternalError));
    this.#registrants.push({ hostId: hostId.slice(), key });
    this.#changed("registrants");
    return ok;
  }

  #unregister(registrant: Registrant): ReservationOutcome {
    const type = this.#type;
    const others = this.#others(registrant);
    this.#remove([registrant]);
    const isReleased = type !== this.#type && registrantsOnly.has(type);
    return isReleased ? telling(others, ReservationEvent.ReservationReleased) : ok;
  }

  /** Takes registrants out; a reservation that loses its holder is released. */
  #remove(gone: readonly Registrant[]): void {
    this.#registrants = this.#registrants.filter((each) => !gone.includes(each));
    const isHeld = allRegistrants.has(this.#type)
      ? this.#registrants.length > 0
      : this.#holder !== undefined && !gone.includes(this.#holder);
    if (!isHeld) this.#drop();
    this.#changed("registrants");
  }

  #take(registrant: Registrant, type: number): void {
    this.#type = type;
    this.#holder = allRegistrants.has(type) ? undefined : registrant;
    this.#changed("rights");
  }

  #drop(): void {
    this.#type = ReservationType.None;
    this.#holder = undefined;
    this.#changed("rights");
  }

  #preempt(registrant: Registrant, type: number, prkey: bigint): ReservationOutcome {
    const isAll = allRegistrants.has(this.#type);
    const isHeld = this.#type !== ReservationType.None;
    // With 0 all others are meant, which makes sense only where all hold the reservation.
    if (prkey === 0n && !isAll) return ends(invalidField);
    const takes = isHeld && (isAll ? prkey === 0n : this.#holder?.key === prkey);
    const gone = this.#registrants.filter(
      (each) => each !== registrant && (prkey === 0n || each.key === prkey),
    );
    if (gone.length === 0 && !takes) return ends(conflict);
    const before = this.#type;
    this.#remove(gone);
    if (takes) this.#take(registrant, type);
    const preempted = gone.map(({ hostId }) => hostId);
    const notices: ReservationNotice[] = [
      { hostIds: preempted, event: ReservationEvent.RegistrationPreempted },
    ];
    if (takes && before !== type) {
      const hostIds = this.#others(registrant);
      notices.push({ hostIds, event: ReservationEvent.ReservationReleased });
    }
    return { status: 0, preempted, notices };
  }

  #clear(registrant: Registrant): ReservationOutcome {
    const others = this.#others(registrant);
    this.#registrants = [];
    this.#drop();
    this.#changed("registrants");
    return telling(others, ReservationEvent.ReservationPreempted);
  }

  #changed(what: "registrants" | "rights"): void {
    this.#changes++;
    if (what === "registrants") this.#generation++;
  }
}

const telling = (hostIds: readonly Uint8Array[], event: ReservationEvent): ReservationOutcome => ({
  status: 0,
  preempted: [],
  notices: [{ hostIds, event }],
});
