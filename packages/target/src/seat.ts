// A namespace in use by a queue: its channel, the requests that the device has of it, and what the host
// may do. Read first: io.ts, which sits down and submits; reservations.ts for the rights.

import type { BlockChannel, BlocksAtHand } from "@nvmeof/bdev";
import type { HostIdentity } from "./host-identity.ts";
import type { Namespace } from "./namespace.ts";

/** A seat. It outlives its queue while the device has requests of it. */
export class Seat {
  readonly namespace: Namespace;
  readonly channel: BlockChannel;
  readonly atHand: BlocksAtHand | undefined;
  readonly host: HostIdentity;
  /** Why it is closed, as a status for those who find it so; 0 while it is open. */
  closedWith = 0;
  /** Requests that the device has. */
  #requests = 0;
  readonly #left: (seat: Seat) => void;
  #drained: (() => void)[] = [];
  /** Rights as of this change of the reservations. */
  #rightsAt = -1;
  #mayRead = true;
  #mayWrite = true;

  /** @param left is told when the seat is closed, by whomever. */
  constructor(namespace: Namespace, host: HostIdentity, left: (seat: Seat) => void) {
    this.namespace = namespace;
    this.channel = namespace.device.openChannel();
    this.atHand = namespace.device.atHand;
    this.host = host;
    this.#left = left;
    namespace.seats.add(this);
  }

  /** Whether reservations let the host read. */
  get mayRead(): boolean {
    this.#look();
    return this.#mayRead;
  }

  /** Whether reservations let the host write. */
  get mayWrite(): boolean {
    this.#look();
    return this.#mayWrite;
  }

  /** The device is given a request. */
  submitted(): void {
    this.#requests++;
  }

  /** The device settled a request. */
  settled(): void {
    this.#requests--;
    if (this.#requests === 0 && this.closedWith !== 0) this.#end();
  }

  /**
   * Nothing new goes to the device by this seat; what it has still settles. Idempotent.
   *
   * @param status for commands that were to go on by it.
   */
  close(status: number): void {
    if (this.closedWith !== 0) return;
    this.closedWith = status;
    this.channel.close();
    this.#left(this);
    if (this.#requests === 0) this.#end();
  }

  /** Calls `task` once the seat is closed and the device has nothing of it any more; later. */
  whenDrained(task: () => void): void {
    this.#drained.push(task);
  }

  #end(): void {
    this.namespace.seats.delete(this);
    for (const task of this.#drained.splice(0)) task();
  }

  #look(): void {
    const { reservations } = this.namespace;
    if (this.#rightsAt === reservations.changes) return;
    this.#rightsAt = reservations.changes;
    this.#mayRead = reservations.mayRead(this.host.id);
    this.#mayWrite = reservations.mayWrite(this.host.id);
  }
}
