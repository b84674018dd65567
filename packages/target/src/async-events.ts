// Asynchronous events of one controller: requests that wait, events that wait, and what is masked.
// Read first: Base 2.0 §5.2 "Asynchronous Event Request command"; §5.27.1.8 for the host's mask.

import {
  AsyncCommandSetInfo,
  AsyncEvent,
  AsyncEventBit,
  AsyncEventType,
  AsyncNoticeInfo,
  Lid,
  Status,
  encodeDword,
} from "@nvmeof/codec";
import { final } from "./errors.ts";

/** Events that our controllers have, each with a log that says more. */
export const Notice = {
  Namespace: 0,
  Ana: 1,
  Discovery: 2,
  CrossControllerReset: 3,
  Reservation: 4,
  Sanitize: 5,
} as const;
export type Notice = (typeof Notice)[keyof typeof Notice];

interface NoticeKind {
  /** Bit of OAES, and of the host's configuration; 0 where the host need not ask for it. */
  readonly bit: number;
  readonly lid: number;
  readonly dw0: number;
}

const notice = (bit: number, aei: number, lid: number): NoticeKind => ({
  bit,
  lid,
  dw0: encodeDword(AsyncEvent, { aet: AsyncEventType.Notice, aei, lid }),
});

/** Events of the I/O command set: a host masks them in ways of their own, or not at all. */
const ofCommandSet = (aei: number, lid: number): NoticeKind => ({
  bit: 0,
  lid,
  dw0: encodeDword(AsyncEvent, { aet: AsyncEventType.CommandSet, aei, lid }),
});

const kinds: Readonly<Record<Notice, NoticeKind>> = {
  [Notice.Namespace]: notice(
    AsyncEventBit.NamespaceAttribute,
    AsyncNoticeInfo.NamespaceAttributeChanged,
    Lid.ChangedNamespaces,
  ),
  [Notice.Ana]: notice(AsyncEventBit.AnaChange, AsyncNoticeInfo.AnaChange, Lid.Ana),
  [Notice.Discovery]: notice(
    AsyncEventBit.DiscoveryLog,
    AsyncNoticeInfo.DiscoveryLogChange,
    Lid.Discovery,
  ),
  [Notice.CrossControllerReset]: notice(
    AsyncEventBit.CcrCompleted,
    AsyncNoticeInfo.CcrCompleted,
    Lid.CrossControllerReset,
  ),
  [Notice.Reservation]: ofCommandSet(
    AsyncCommandSetInfo.ReservationLogAvailable,
    Lid.ReservationNotification,
  ),
  [Notice.Sanitize]: ofCommandSet(AsyncCommandSetInfo.SanitizeCompleted, Lid.SanitizeStatus),
};

const all = Object.values(Notice);

/** An event waits until it can be told; told, its kind is masked until the host has read the log. */
type EventPhase = "quiet" | "waiting" | "masked";

/** The asynchronous events of a controller. */
export class AsyncEvents {
  readonly #requestsMax: number;
  readonly #answer: (tag: number, status: number, dw0: number) => void;
  /** Slots of the requests that wait, oldest first. */
  #requests: number[] = [];
  readonly #phases: EventPhase[] = all.map(() => "quiet");
  /** The host's configuration (Feature Identifier 0Bh). */
  #configuration = 0;

  /** @param answer completes the request in a slot of the admin queue. */
  constructor(requestsMax: number, answer: (tag: number, status: number, dw0: number) => void) {
    this.#requestsMax = requestsMax;
    this.#answer = answer;
  }

  get configuration(): number {
    return this.#configuration >>> 0;
  }

  set configuration(bits: number) {
    this.#configuration = bits;
    // What the host does not want to hear any more, it will not hear late either.
    for (const kind of all) if (!this.#wanted(kind)) this.#phases[kind] = "quiet";
  }

  /** An Asynchronous Event Request arrived. Returns the status to refuse it with, or 0. */
  request(tag: number): number {
    if (this.#requests.length >= this.#requestsMax) return final(Status.AerLimitExceeded);
    this.#requests.push(tag);
    this.#tell();
    return 0;
  }

  /** Something happened. */
  notify(kind: Notice): void {
    if (!this.#wanted(kind) || this.#phases[kind] !== "quiet") return;
    this.#phases[kind] = "waiting";
    this.#tell();
  }

  /** The host read a log without retaining its event (RAE 0). */
  logRead(lid: number): void {
    for (const kind of all) if (kinds[kind].lid === lid) this.#phases[kind] = "quiet";
  }

  /** Takes the request in a slot out, to be aborted. Returns whether it was there. */
  cancel(tag: number): boolean {
    const at = this.#requests.indexOf(tag);
    if (at === -1) return false;
    this.#requests.splice(at, 1);
    return true;
  }

  /** Slots of the requests that wait. */
  get requests(): readonly number[] {
    return this.#requests;
  }

  /** The controller was reset: requests are answered with `status`, events forgotten. */
  reset(status: number): void {
    const requests = this.#requests;
    this.forget();
    for (const tag of requests) this.#answer(tag, status, 0);
  }

  /** The admin queue is gone, with the requests. */
  forget(): void {
    this.#requests = [];
    this.#configuration = 0;
    this.#phases.fill("quiet");
  }

  #wanted(kind: Notice): boolean {
    const { bit } = kinds[kind];
    return bit === 0 || (this.#configuration & bit) !== 0;
  }

  #tell(): void {
    for (const kind of all) {
      if (this.#requests.length === 0) return;
      if (this.#phases[kind] !== "waiting") continue;
      this.#phases[kind] = "masked";
      this.#answer(this.#requests.shift()!, 0, kinds[kind].dw0);
    }
  }
}
