// What each bound of an NBD server is counted in, bounds, and means to the client that meets it.
// Read first: limits.ts for the bounds themselves. docs/limits.md and `export-nbd --limit` are made of this.

import type { LimitFact } from "@nvmeof/target";
import type { NbdLimits } from "./limits.ts";

const count = (bounds: string, follows: string): LimitFact => ({ unit: "count", bounds, follows });
const bytes = (bounds: string, follows: string): LimitFact => ({ unit: "bytes", bounds, follows });
const time = (bounds: string, follows: string): LimitFact => ({ unit: "ms", bounds, follows });

/** A row for every bound, in the order in which clients meet them. */
export const nbdLimitFacts: Readonly<Record<keyof NbdLimits, LimitFact>> = {
  connectionsMax: count("connections", "a new one is closed unread"),
  exportsMax: count("exports", "`addExport` is refused"),
  handshakeTimeoutMs: time("connection to the choice of an export, TLS included", "closed"),
  optionBytesMax: bytes("data of one option", "TOO_BIG; beyond 1 MiB closed"),
  optionsMax: count("options of one client", "closed"),
  queriesMax: count("queries for metadata contexts in one option", "TOO_BIG"),
  requestBytesMax: bytes("data of one read, write or cache request", "EINVAL; it is announced"),
  extentsMax: count("extents in one reply", "the client asks for the rest"),
  inflightMax: count("requests of one connection", "nothing is read from it for so long"),
  connectionBufferBytesMax: bytes(
    "buffers of the requests and replies of one connection",
    "nothing is read from it for so long",
  ),
  bufferBytesMax: bytes("buffers of all of them", "nothing is read from whoever wants more"),
  idleBufferBytesMax: bytes("buffers kept for later use", "the rest is given up"),
  outputBytesMax: bytes(
    "replies that wait to be sent on one connection",
    "nothing is read from it until some of them are taken",
  ),
  requestTimeoutMs: time("each 64 KiB of a request that has begun to come", "closed"),
  sendTimeoutMs: time("one write that the client has to take", "reset; the buffers are back"),
  idleTimeoutMs: time("silence of a client with nothing under way; 0: none", "closed"),
  lingerMs: time("orderly end of a connection to the client's own close", "reset"),
  closeTimeoutMs: time("`close`; half of it for what is under way", "ESHUTDOWN, then closed"),
};
