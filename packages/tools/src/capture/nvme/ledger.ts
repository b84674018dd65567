// The commands of a connection, and what is sure about them where a capture has holes.
// Read first: command.ts; judge-host.ts and judge-controller.ts, which judge PDUs by it.

import type { CapturedAnswer, CapturedCommand, CapturedR2t } from "./command.ts";
import { SqWindow } from "./sq-window.ts";

export class Ledger {
  /** Commands without an answer, by CID. */
  readonly open = new Map<number, CapturedCommand>();
  /** R2Ts whose data is not complete, by TTAG. */
  readonly r2ts = new Map<number, CapturedR2t>();
  readonly window = new SqWindow();
  /** The last command of a CID that was answered. */
  readonly #answered = new Map<number, CapturedCommand>();
  /** `undefined` while all was captured; else the CIDs that something is known of since. */
  #known: Set<number> | undefined;
  /** Something is being missed at this time: nothing that comes is sure for longer than a moment. */
  isBlind = false;

  /** Whether what the capture says of a CID is all that there is. */
  isSure(cid: number): boolean {
    return this.#known === undefined || this.#known.has(cid);
  }

  /** Whether nothing was missed yet. */
  get isWhole(): boolean {
    return this.#known === undefined;
  }

  /** Something was not captured: any command may have been answered, and others sent. */
  doubt(): void {
    this.#known = new Set();
    this.window.forget();
    for (const command of this.open.values()) command.phase = "doubtful";
    for (const r2t of this.r2ts.values()) r2t.isSure = false;
  }

  /** From here on the CID is known. */
  know(cid: number): void {
    if (!this.isBlind) this.#known?.add(cid);
  }

  add(command: CapturedCommand): void {
    this.know(command.cid);
    const old = this.open.get(command.cid);
    if (old !== undefined) this.#dropR2ts(old);
    if (this.isBlind) command.phase = "doubtful";
    this.open.set(command.cid, command);
  }

  addR2t(asked: Omit<CapturedR2t, "sentBytes" | "isSure">): void {
    const r2t: CapturedR2t = { ...asked, sentBytes: 0, isSure: !this.isBlind };
    r2t.command.r2ts.push(r2t);
    this.r2ts.set(r2t.ttag, r2t);
  }

  /** All data of an R2T is there. */
  endR2t(r2t: CapturedR2t): void {
    r2t.command.r2ts = r2t.command.r2ts.filter((each) => each !== r2t);
    if (this.r2ts.get(r2t.ttag) === r2t) this.r2ts.delete(r2t.ttag);
  }

  /**
   * The command is answered. Its R2Ts stay known: the host may well send their data still, which
   * crosses the answer.
   */
  answer(command: CapturedCommand, answer: CapturedAnswer): void {
    command.answer = answer;
    command.phase = "answered";
    if (this.open.get(command.cid) === command) this.open.delete(command.cid);
    this.#answered.set(command.cid, command);
  }

  /**
   * What comes contradicts what is known of a command in doubt: it was answered unseen, and its CID is that
   * of another one.
   */
  forget(command: CapturedCommand): void {
    this.#dropR2ts(command);
    if (this.open.get(command.cid) === command) this.open.delete(command.cid);
  }

  /** The command that was the last to be answered with this CID. */
  lastAnswered(cid: number): CapturedCommand | undefined {
    return this.#answered.get(cid);
  }

  #dropR2ts({ r2ts }: CapturedCommand): void {
    for (const r2t of r2ts) if (this.r2ts.get(r2t.ttag) === r2t) this.r2ts.delete(r2t.ttag);
  }
}
