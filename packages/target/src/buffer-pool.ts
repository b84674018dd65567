// Buffers for the data of commands: bounded in total and per connection, in powers of two, counted.
// Why: a host may ask for a transfer before it sends a byte, so memory comes from a budget and a
// command that finds none waits (Base 2.0 §3.3.3.1 gives no status for it that a host would like).

import type { Clock } from "@nvmeof/transport";

const BUFFER_BYTES_MIN_LOG2 = 12;
/** The largest power of two that is a small integer; no transfer is as large. */
const BUFFER_BYTES_MAX = 2 ** 30;

/** What one connection has on loan. */
export class BufferAccount {
  readonly bytesMax: number;
  bytes = 0;
  /** Of these, what the link is sending from. */
  sendingBytes = 0;
  sendingLoans = 0;
  /** The link is over and has kept what it was sending from: late releases count no more. */
  state: "open" | "written-off" = "open";

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }
}

/** A buffer on loan. The object lives as long as its buffer: nothing is made per command. */
export class Loan {
  /** The whole buffer: a power of two, as many bytes as were asked for or more. */
  readonly bytes: Uint8Array;
  /** Gives the buffer back when a link has sent it. Made once, to be handed to `respond`. */
  readonly release: () => void;
  /** Who holds it. Of the pool alone. */
  account: BufferAccount | undefined;
  #cut: Uint8Array;

  constructor(bytes: number, sent: (loan: Loan) => void) {
    this.bytes = new Uint8Array(bytes);
    this.#cut = this.bytes;
    this.release = () => sent(this);
  }

  /** The first `bytes` of the buffer; nothing is made where the length is that of the last time. */
  first(bytes: number): Uint8Array {
    if (this.#cut.length !== bytes) this.#cut = this.bytes.subarray(0, bytes);
    return this.#cut;
  }
}

/** The buffers of a target. */
export class BufferPool {
  /** Buffers on loan, and their bytes. */
  loans = 0;
  loanBytes = 0;
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #idleBytesMax: number;
  #idleBytes = 0;
  /** Idle buffers by the power of two of their size. */
  readonly #idle: Loan[][] = [];
  #waiting: (() => void)[] = [];
  #wake: "idle" | "coming" = "idle";
  readonly #refused: (limit: "connectionBufferBytesMax" | "bufferBytesMax") => void;

  /** @param refused is told when a budget is spent: a connection's, or that of all. */
  constructor(
    clock: Clock,
    bytesMax: number,
    idleBytesMax: number,
    refused: (limit: "connectionBufferBytesMax" | "bufferBytesMax") => void = () => {},
  ) {
    this.#refused = refused;
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#idleBytesMax = idleBytesMax;
  }

  /** A buffer of at least `bytes`; `undefined` where the budget is spent: see {@link whenFreed}. */
  take(bytes: number, account: BufferAccount): Loan | undefined {
    if (bytes > BUFFER_BYTES_MAX) throw new RangeError(`no buffer has ${bytes} bytes`);
    const log2 = Math.max(BUFFER_BYTES_MIN_LOG2, 32 - Math.clz32(bytes - 1));
    // No power: that is a call out of compiled code.
    const size = 1 << log2;
    const isOver = account.bytes + size > account.bytesMax;
    if (isOver || this.loanBytes + size > this.#bytesMax) {
      this.#refused(isOver ? "connectionBufferBytesMax" : "bufferBytesMax");
      return undefined;
    }
    let loan = this.#idle[log2]?.pop();
    if (loan === undefined) loan = new Loan(size, this.#sent);
    else this.#idleBytes -= size;
    loan.account = account;
    account.bytes += size;
    this.loanBytes += size;
    this.loans++;
    return loan;
  }

  /** The buffer is free again. */
  giveBack(loan: Loan): void {
    const size = loan.bytes.length;
    loan.account!.bytes -= size;
    loan.account = undefined;
    this.#returned(1, size);
    if (this.#idleBytes + size > this.#idleBytesMax) return;
    this.#idleBytes += size;
    const log2 = 31 - Math.clz32(size);
    (this.#idle[log2] ??= []).push(loan);
  }

  /** A link begins to send from the buffer, and will call its `release`. */
  sending(loan: Loan): void {
    const account = loan.account!;
    account.sendingBytes += loan.bytes.length;
    account.sendingLoans++;
  }

  /** A link is over: what it was sending from is the garbage collector's, not to be used again. */
  writeOff(account: BufferAccount): void {
    account.state = "written-off";
    account.bytes -= account.sendingBytes;
    this.#returned(account.sendingLoans, account.sendingBytes);
    account.sendingBytes = 0;
    account.sendingLoans = 0;
  }

  /** Runs `task` once, in a turn of its own, when a buffer has come back. */
  whenFreed(task: () => void): void {
    this.#waiting.push(task);
  }

  readonly #sent = (loan: Loan): void => {
    const { account } = loan;
    if (account === undefined || account.state === "written-off") return;
    account.sendingBytes -= loan.bytes.length;
    account.sendingLoans--;
    this.giveBack(loan);
  };

  #returned(loans: number, bytes: number): void {
    this.loans -= loans;
    this.loanBytes -= bytes;
    if (this.#waiting.length === 0 || this.#wake === "coming") return;
    this.#wake = "coming";
    this.#clock.defer(() => {
      this.#wake = "idle";
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const task of waiting) task();
    });
  }
}
