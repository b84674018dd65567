// The state of one command on the host's end: what it moves, and how far that has come.
// Read first: host-session.ts, its one user, and host-rules.ts, which judges PDUs by it.

import { DataDirection } from "@nvmeof/codec";
import { NO_REGION, type Region } from "../copy.ts";

/** State of the command in one slot. One object per slot for good: none is made per command. */
export class HostSlot {
  outstanding = false;
  direction: DataDirection = DataDirection.None;
  /** Bytes that the command transfers. */
  transferBytes = 0;
  /** The command's data. The aliases are made anew only when another buffer comes. */
  region: Region = NO_REGION;
  /** The owner took the buffer back: read data is dropped, write data is a copy. */
  detached = false;
  /** Bytes of read data that arrived, or of write data that were asked for; always from 0 up. */
  movedBytes = 0;
  /** Of write data that was asked for, the bytes that are staged or sent. */
  sentBytes = 0;
  /** Transfer Tag of the R2T that asked for them. */
  ttag = 0;
  /** The slot stands in the session's queue of those with data to send. */
  queued = false;
  /** The last C2HData of the command has come. */
  lastSeen = false;
  /** A data digest did not match: the command has failed, whatever its completion says. */
  corrupt = false;
}
