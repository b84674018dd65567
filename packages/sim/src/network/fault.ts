// What can befall a network, as data: one record per fault, which a plan can hold and a person read.
// Read first: reliability-anchors §3.1 for the faults of real networks; network.ts carries them out.

import type { Weather } from "./weather.ts";

/** The way of bytes. */
export type Direction = "toController" | "toHost";

/** An end of a connection, and the side that a fault is about. */
export type Side = "host" | "controller";

/** Whom a fault concerns: everybody, but for what is said here. */
export interface FaultScope {
  /** Name of a port, as given to `SimNetwork.port`. */
  readonly port?: string;
  /** Name of a host, as given to `SimPort.connectorOf`. */
  readonly host?: string;
  /**
   * Which connections of a host to a port. `all`, the default: those to come as well, where the
   * fault lasts. A number takes one of those that are open then, counted around.
   */
  readonly pick?: "all" | "oldest" | "newest" | number;
}

/**
 * What becomes of those who connect. `unanswered`: nothing comes back, until the time to connect is
 * over. A number: the answer takes so many ms longer.
 */
export type Admission = "open" | "refused" | "unanswered" | number;

/** One fault. Those without an end of their own last until `heal`, or `healAll`. */
export type NetworkFault = FaultScope &
  (
    | {
        readonly kind: "weather";
        readonly direction?: Direction;
        readonly weather: Partial<Weather>;
      }
    /** No FIN, no RST, no bytes, no answer to who connects. Streams repeat what was lost after it. */
    | { readonly kind: "silence"; readonly direction?: Direction }
    /** A reset from in between; whoever does not see it has a connection that is half open. */
    | { readonly kind: "reset"; readonly seenBy: Side | "both" }
    /** An end of bytes from in between, on behalf of `from`, who does not know. */
    | { readonly kind: "fin"; readonly from: Side }
    /** The machine of this side loses its power: its end is gone, and nobody is told. */
    | { readonly kind: "vanish"; readonly side: Side }
    /**
     * After `afterWrites` writes in `direction`, and `bytes` bytes of the next: an end in the midst.
     * Only once for each connection.
     */
    | {
        readonly kind: "trip";
        readonly direction: Direction;
        readonly afterWrites: number;
        readonly bytes: number;
        readonly how: "reset" | "fin" | "silence";
      }
    /** Of connections to come; `pick` has no meaning. */
    | { readonly kind: "admission"; readonly admission: Admission }
    /** The process of this side does not read: a window of zero, once it is full. */
    | { readonly kind: "stop-reading"; readonly side: Side }
    /** All that lasts is over. Ends that were are not undone. */
    | { readonly kind: "heal" }
  );
