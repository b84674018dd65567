// A way for messages between two threads, as a port: what is posted at one end arrives at the other.
// Read first: DESIGN.md §3; ../node/share.ts for that of Node, memory-link.ts for one thread.

/** What a link tells the one who receives by it. Never called inside a call to the link. */
export interface MessageHandler {
  /** A message of the other end: a copy of what was posted there. In the order of the posts. */
  received(message: unknown): void;
  /** The other end was closed, or its thread is gone. Comes last, once; not after `close`. */
  ended(): void;
}

/** One end of a link. */
export interface MessageLink {
  /** Begins to receive; what came before is kept until then. Once. */
  receive(handler: MessageHandler): void;
  /** Posts plain data, of which the other end gets a copy. Without effect once either end is closed. */
  post(message: unknown): void;
  /** Ends the link; what was posted still arrives. No event follows here. Idempotent. */
  close(): void;
}
