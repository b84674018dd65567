// A request of an NBD client, from its header to its reply; and the rules that it must obey.
// Read first: the NBD protocol, "Request types", "Command flags" and "Error values".

import type { Loan } from "@nvmeof/target";
import { Region } from "@nvmeof/transport";
import { ByteOp, ByteRequest } from "./byte-channel.ts";
import { pastEnd } from "./errors.ts";
import type { NbdExport } from "./export.ts";
import { CommandFlag, NbdCommand, NbdErrno, RequestHeader } from "./protocol.ts";

/** Where a request is. */
export const RequestPhase = {
  Idle: 0,
  /** Its data is to come, or it waits for a buffer. */
  Arriving: 1,
  /** The device has it. */
  Running: 2,
  /** The device has it, and nobody waits for it any more. */
  Abandoned: 3,
} as const;
type RequestPhase = (typeof RequestPhase)[keyof typeof RequestPhase];

const NO_REGION = new Region(new Uint8Array(0));

/** Made once, used for one request after the other. */
export class NbdRequest extends ByteRequest {
  phase: RequestPhase = RequestPhase.Idle;
  type = 0;
  flags = 0;
  /** Opaque: two requests may have the same one. */
  cookieHigh = 0;
  cookieLow = 0;
  loan: Loan | undefined;
  #region = NO_REGION;

  /** Reads a header. Where the offset is no safe integer, it is Infinity. */
  read(view: DataView, base: number): void {
    this.type = RequestHeader.type.get(view, base);
    this.flags = RequestHeader.flags.get(view, base);
    this.cookieHigh = RequestHeader.cookieHigh.get(view, base);
    this.cookieLow = RequestHeader.cookieLow.get(view, base);
    const high = RequestHeader.offsetHigh.get(view, base);
    const low = RequestHeader.offsetLow.get(view, base);
    this.offset = high < 0x20_0000 ? high * 0x1_0000_0000 + low : Infinity;
    this.length = RequestHeader.length.get(view, base);
    this.fua = this.has(CommandFlag.Fua);
    this.mayDeallocate = !this.has(CommandFlag.NoHole);
    this.op = ops[this.type] ?? ByteOp.Flush;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** Whether bytes follow its header. */
  get isFollowed(): boolean {
    return this.type === NbdCommand.Write && this.length > 0;
  }

  /** Whether bytes move, and so a buffer is needed. */
  get movesData(): boolean {
    return this.type === NbdCommand.Read || this.type === NbdCommand.Write;
  }

  /** The buffer, for what arrives. */
  get region(): Region {
    const { bytes } = this.loan!;
    if (this.#region.bytes !== bytes) this.#region = new Region(bytes);
    return this.#region;
  }
}

const ops: readonly ByteOp[] = [
  ByteOp.Read,
  ByteOp.Write,
  ByteOp.Flush, // Disconnect, which is none
  ByteOp.Flush,
  ByteOp.Trim,
  ByteOp.Cache,
  ByteOp.Zero,
];
type ByteOp = (typeof ByteOp)[keyof typeof ByteOp];

/** What was agreed on before the transmission. */
export interface Agreement {
  /** The client takes structured replies. */
  readonly structured: boolean;
  /** The client has chosen "base:allocation" for this export. */
  readonly allocation: boolean;
}

/** Flags that each command may have, by its number. FUA may be on all. */
const flagsOf: readonly number[] = [
  CommandFlag.Fua | CommandFlag.Df,
  CommandFlag.Fua,
  CommandFlag.Fua,
  CommandFlag.Fua,
  CommandFlag.Fua,
  CommandFlag.Fua,
  CommandFlag.Fua | CommandFlag.NoHole | CommandFlag.FastZero,
  CommandFlag.Fua | CommandFlag.ReqOne,
];

/**
 * The error that a request is refused with, `undefined` if it may be done. `sizeBytes` is the size that the
 * client was told. The order of the checks: command, flags, permission, range, size, alignment.
 */
export function refusalOf(
  request: NbdRequest,
  to: NbdExport,
  agreement: Agreement,
  sizeBytes: number,
): NbdErrno | undefined {
  const { type, flags, offset, length } = request;
  const allowed = flagsOf[type];
  if (allowed === undefined || (flags & ~allowed) !== 0) return NbdErrno.EINVAL;
  if (request.has(CommandFlag.Df) && !agreement.structured) return NbdErrno.EINVAL;
  if (type === NbdCommand.Flush) {
    return offset === 0 && length === 0 ? undefined : NbdErrno.EINVAL;
  }
  if (to.isReadOnly && changes(type)) return NbdErrno.EPERM;
  if (offset > sizeBytes || length > sizeBytes - offset) return pastEnd(type);
  const isLong = length > to.maximumBytes;
  if (isLong && request.has(CommandFlag.Df)) return NbdErrno.EOVERFLOW;
  if (isLong && (request.movesData || type === NbdCommand.Cache)) return NbdErrno.EINVAL;
  const smallest = to.minimumBytes;
  if (offset % smallest !== 0 || length % smallest !== 0) return NbdErrno.EINVAL;
  if (type === NbdCommand.BlockStatus) {
    return agreement.allocation && length > 0 ? undefined : NbdErrno.EINVAL;
  }
  if (type === NbdCommand.Trim && !to.device.features.deallocate) return NbdErrno.EINVAL;
  return request.has(CommandFlag.FastZero) && !isFast(request, to) ? NbdErrno.ENOTSUP : undefined;
}

const changes = (type: number): boolean =>
  type === NbdCommand.Write || type === NbdCommand.Trim || type === NbdCommand.WriteZeroes;

/** Zeroes that are not written as data, but for a block at each end at most. */
const isFast = ({ mayDeallocate, length }: NbdRequest, to: NbdExport): boolean =>
  to.hasFastZeroes && mayDeallocate && (length === 0 || length >= 2 * to.blockBytes);
