// Resetting a socket that may just be told to end: the one way of doing so that leaves nothing behind.
// Why: Node (20.20 at least) asks libuv for the reset, which refuses it while a shutdown is under way; the socket is
// forgotten unclosed, and a process that has one neither goes on nor ends.

import type { Socket } from "node:net";

/** Turns in which a socket with nothing to send is told to have ended; one is the rule. */
const END_TURNS_MAX = 1_000;

/**
 * Ends the connection `raw` by RST, at once; where `socket` is just being shut, as soon as that is done.
 *
 * @param socket what is written to and ended: the connection itself, or TLS over it.
 */
export function resetSocket(socket: Socket, raw: Socket = socket): void {
  // What waits to be sent comes before the shutdown, which then has not begun.
  const isBeingShut = socket.writableEnded && !socket.writableFinished;
  if (!isBeingShut || socket.writableLength > 0) {
    raw.resetAndDestroy();
    return;
  }
  let turns = END_TURNS_MAX;
  const look = (): void => {
    turns--;
    if (socket.writableFinished || turns === 0) raw.resetAndDestroy();
    else setImmediate(look);
  };
  setImmediate(look);
}
