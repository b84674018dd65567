// One request on a file: reads, writes and syncs step by step until all of it is done.
// Read first: file.ts. Node's callbacks and not its promises: a request costs no promise and, since
// tasks are reused, no closure.

import { type NvmeofError, Status } from "@nvmeof/codec";
import { BlockOp, type BlockRequest, type BlockSettle } from "../block-device.ts";
import type { LocalChannel } from "../channel.ts";
import { BlockError } from "../errors.ts";
import { requestError } from "./file-error.ts";

type Moved = (error: Error | null, bytes: number) => void;
type Done = (error: Error | null) => void;

/** The part of `node:fs` that a file device needs, so that tests can be a disk that fails. */
export interface FileIo {
  read(
    fd: number,
    into: Uint8Array,
    at: number,
    bytes: number,
    position: number,
    done: Moved,
  ): void;
  write(
    fd: number,
    from: Uint8Array,
    at: number,
    bytes: number,
    position: number,
    done: Moved,
  ): void;
  fdatasync(fd: number, done: Done): void;
  close(fd: number, done: Done): void;
}

/** What a task needs of its device. */
export interface FileTaskOwner {
  readonly name: string;
  readonly blockBytes: number;
  readonly io: FileIo;
  readonly fd: number;
  /** Syncs the file. Once that failed it always fails: the system may have dropped what it owed. */
  sync(done: Done): void;
  /** The task is over and may be used again. */
  taskEnded(task: FileTask): void;
}

/** Blocks are verified, compared and zeroed in pieces of this many bytes. */
const PIECE_BYTES = 128 * 1024;
const ZEROES = new Uint8Array(PIECE_BYTES);

/** A request under way. Made once, used for one request after the other. */
export class FileTask {
  readonly #owner: FileTaskOwner;
  #channel: LocalChannel | undefined;
  #request: BlockRequest | undefined;
  #settle: BlockSettle | undefined;
  #op: BlockOp = BlockOp.Flush;
  /** Where in the file the request begins, and how long it is, bytes. */
  #start = 0;
  #bytes = 0;
  #doneBytes = 0;
  /** For operations in pieces: how much of this piece was read, or written, bytes. */
  #pieceBytes = 0;
  #scratch: Uint8Array | undefined;

  constructor(owner: FileTaskOwner) {
    this.#owner = owner;
  }

  run(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    this.#channel = channel;
    this.#request = request;
    this.#settle = settle;
    this.#op = request.op;
    this.#start = request.lba * this.#owner.blockBytes;
    this.#bytes = request.blockCount * this.#owner.blockBytes;
    this.#doneBytes = 0;
    this.#pieceBytes = 0;
    switch (request.op) {
      case BlockOp.Read:
        return this.#read();
      case BlockOp.Write:
        return this.#write();
      case BlockOp.Flush:
        return this.#owner.sync(this.#synced);
      case BlockOp.Verify:
      case BlockOp.Compare:
      case BlockOp.WriteZeroes:
      case BlockOp.Deallocate:
        this.#scratch ??= new Uint8Array(PIECE_BYTES);
        return this.#readPiece();
    }
  }

  #read(): void {
    const { io, fd } = this.#owner;
    const left = this.#bytes - this.#doneBytes;
    const position = this.#start + this.#doneBytes;
    io.read(fd, this.#request!.data!, this.#doneBytes, left, position, this.#wasRead);
  }

  readonly #wasRead: Moved = (error, bytes) => {
    if (error !== null) return this.#fail(error);
    if (bytes === 0) return this.#finish(this.#truncated());
    this.#doneBytes += bytes;
    if (this.#doneBytes < this.#bytes) this.#read();
    else this.#finish(undefined);
  };

  #write(): void {
    const { io, fd } = this.#owner;
    const left = this.#bytes - this.#doneBytes;
    const position = this.#start + this.#doneBytes;
    io.write(fd, this.#request!.data!, this.#doneBytes, left, position, this.#wasWritten);
  }

  readonly #wasWritten: Moved = (error, bytes) => {
    if (error !== null) return this.#fail(error);
    if (bytes === 0) return this.#fail(new Error("the system wrote no byte, and gave no reason"));
    this.#doneBytes += bytes;
    if (this.#doneBytes < this.#bytes) this.#write();
    else this.#changed();
  };

  /** All blocks are as they should be; what is left is the force in "force unit access". */
  #changed(): void {
    if (this.#request!.fua === true) this.#owner.sync(this.#synced);
    else this.#finish(undefined);
  }

  readonly #synced: Done = (error) => {
    if (error !== null) this.#fail(error);
    else this.#finish(undefined);
  };

  /** Bytes of the piece that is under way. */
  #pieceMax(): number {
    return Math.min(PIECE_BYTES, this.#bytes - this.#doneBytes);
  }

  #readPiece(): void {
    const { io, fd } = this.#owner;
    const left = this.#pieceMax() - this.#pieceBytes;
    const position = this.#start + this.#doneBytes + this.#pieceBytes;
    io.read(fd, this.#scratch!, this.#pieceBytes, left, position, this.#pieceRead);
  }

  readonly #pieceRead: Moved = (error, bytes) => {
    if (error !== null) return this.#fail(error);
    if (bytes === 0) return this.#finish(this.#truncated());
    this.#pieceBytes += bytes;
    if (this.#pieceBytes < this.#pieceMax()) return this.#readPiece();
    if (this.#op === BlockOp.Verify) return this.#pieceDone();
    if (this.#op === BlockOp.Compare) {
      if (this.#pieceEquals(this.#request!.data!, this.#doneBytes)) return this.#pieceDone();
      return this.#finish(this.#differs());
    }
    // Only what is not zero is written: a hole in a sparse file stays a hole.
    if (this.#pieceEquals(ZEROES, 0)) return this.#pieceDone();
    this.#pieceBytes = 0;
    this.#zeroPiece();
  };

  #pieceEquals(other: Uint8Array, at: number): boolean {
    const bytes = this.#pieceBytes;
    const piece = this.#scratch!.subarray(0, bytes);
    return Buffer.compare(piece, other.subarray(at, at + bytes)) === 0;
  }

  #zeroPiece(): void {
    const { io, fd } = this.#owner;
    const left = this.#pieceMax() - this.#pieceBytes;
    const position = this.#start + this.#doneBytes + this.#pieceBytes;
    io.write(fd, ZEROES, 0, left, position, this.#pieceZeroed);
  }

  readonly #pieceZeroed: Moved = (error, bytes) => {
    if (error !== null) return this.#fail(error);
    if (bytes === 0) return this.#fail(new Error("the system wrote no byte, and gave no reason"));
    this.#pieceBytes += bytes;
    if (this.#pieceBytes < this.#pieceMax()) this.#zeroPiece();
    else this.#pieceDone();
  };

  #pieceDone(): void {
    this.#doneBytes += this.#pieceMax();
    this.#pieceBytes = 0;
    if (this.#doneBytes < this.#bytes) return this.#readPiece();
    if (this.#op === BlockOp.WriteZeroes) this.#changed();
    else this.#finish(undefined);
  }

  #fail(cause: Error): void {
    this.#finish(requestError(this.#owner.name, this.#op, cause));
  }

  #truncated(): BlockError {
    const message = `${this.#owner.name} ends before byte ${this.#start + this.#bytes}`;
    return new BlockError("media", Status.UnrecoveredReadError, "failed", message, {
      hint: "Somebody made the file shorter while it was open as a device.",
    });
  }

  #differs(): BlockError {
    const message = `${this.#owner.name} holds other data at ${this.#request!.lba}`;
    return new BlockError("compare-failure", Status.CompareFailure, "failed", message);
  }

  /** Over, one way or the other. Given back first: the settle may submit again. */
  #finish(error: NvmeofError | undefined): void {
    const channel = this.#channel!;
    const settle = this.#settle!;
    this.#channel = undefined;
    this.#request = undefined;
    this.#settle = undefined;
    this.#owner.taskEnded(this);
    channel.finish(settle, error);
  }
}
