// The addresses of a controller: one is the current one, and the others may come and go meanwhile.
// Read first: controller.ts and outage.ts, their users. Promises: the current one is the first, those
// that failed are the last, the one that failed longest ago before the others.

import { NvmeofError } from "@nvmeof/codec";
import type { Transport, TransportAddress } from "@nvmeof/transport";
import { AddressesError, type FailedAddress } from "./errors.ts";

interface Entry {
  readonly transport: Transport;
  /** Whether the last thing known of it is that it failed. */
  health: "unknown" | "failed";
  /** `leaving`: it is the current one, and is dropped as soon as that changes. */
  stay: "stays" | "leaving";
}

/** An address in one line. */
export const addressText = ({ trtype, traddr, trsvcid }: TransportAddress): string =>
  `${trtype} ${traddr} ${trsvcid}`.trimEnd();

/** What follows from the removal of an address. */
export type AddressRemoval = "removed" | "moves" | "last";

export class Addresses {
  #entries: Entry[];
  /** Tried in the round of attempts that is under way. */
  readonly #tried = new Set<Entry>();
  /** What each of them answered; kept until the next round begins. */
  #failures: FailedAddress[] = [];

  /** @param transports at least one. */
  constructor(transports: readonly Transport[]) {
    this.#entries = transports.map((transport) => entryOf(transport));
  }

  get current(): Transport {
    return this.#entries[0]!.transport;
  }

  /** All that stay, in the order in which they will be tried. */
  get all(): readonly TransportAddress[] {
    return this.transports.map(({ address }) => address);
  }

  /** The same, as the ways themselves. */
  get transports(): readonly Transport[] {
    return this.#entries.filter(({ stay }) => stay === "stays").map(({ transport }) => transport);
  }

  /** The current one was taken out while an attempt was using it. */
  get isCurrentLeaving(): boolean {
    return this.#entries[0]!.stay === "leaving";
  }

  /** Some were tried since the last wait, and others were not. */
  get isMidRound(): boolean {
    return this.#tried.size > 0 && this.#entries.some((entry) => !this.#tried.has(entry));
  }

  /**
   * Notes what the current one answered to an attempt. Gives the error that stands for the round so
   * far: that of every address, where several have failed. Comes before {@link attemptFailed}.
   */
  noteFailure(error: NvmeofError): NvmeofError {
    if (this.#tried.size === 0) this.#failures = [];
    this.#failures.push({ address: addressText(this.current.address), error });
    return this.#failures.length === 1 ? error : new AddressesError(this.#failures);
  }

  /** A series of attempts begins: a round that an earlier one has broken off counts no more. */
  begin(): void {
    this.#tried.clear();
  }

  /** An attempt at the current one failed. Says whether that was the last one of the round. */
  attemptFailed(): "mid-round" | "round-over" {
    this.#tried.add(this.#entries[0]!);
    if (this.isMidRound) return "mid-round";
    this.#tried.clear();
    return "round-over";
  }

  /** The current one works. */
  succeeded(): void {
    this.#entries[0]!.health = "unknown";
    this.#tried.clear();
  }

  /** The current one failed, or is to be left: the next one takes its place. */
  next(): void {
    const left = this.#entries.shift()!;
    if (left.stay === "leaving") {
      this.#tried.delete(left);
      return;
    }
    left.health = "failed";
    this.#entries.push(left);
  }

  /**
   * Adds one behind those that are in good health, and before those that failed.
   *
   * @throws NvmeofError NVME_ERR_DUPLICATE
   */
  add(transport: Transport): void {
    const text = addressText(transport.address);
    if (this.#indexOf(transport.address) !== -1) {
      throw new NvmeofError("NVME_ERR_DUPLICATE", `the controller has the address ${text} already`);
    }
    const failed = this.#entries.findIndex(({ health }, at) => at > 0 && health === "failed");
    const at = failed === -1 ? this.#entries.length : failed;
    this.#entries.splice(at, 0, entryOf(transport));
  }

  /**
   * Takes one out: at once, but for the current one where an attempt uses it. The last one is kept.
   *
   * @throws NvmeofError NVME_ERR_ADDRESS where there is none such.
   */
  remove(address: TransportAddress, isAttemptUnderWay: boolean): AddressRemoval {
    const at = this.#indexOf(address);
    if (at === -1) {
      const text = addressText(address);
      throw new NvmeofError("NVME_ERR_ADDRESS", `the controller has no address ${text}`);
    }
    if (this.all.length === 1) return "last";
    if (at === 0 && isAttemptUnderWay) {
      this.#entries[0]!.stay = "leaving";
      return "moves";
    }
    const [removed] = this.#entries.splice(at, 1);
    this.#tried.delete(removed!);
    return at === 0 ? "moves" : "removed";
  }

  #indexOf(address: TransportAddress): number {
    const text = addressText(address);
    return this.#entries.findIndex(
      ({ transport, stay }) => stay === "stays" && addressText(transport.address) === text,
    );
  }
}

const entryOf = (transport: Transport): Entry => ({
  transport,
  health: "unknown",
  stay: "stays",
});
