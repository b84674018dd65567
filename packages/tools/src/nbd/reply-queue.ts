// What a server wants to send, with the buffers that parts of it are in: given back when they are out.
// Read first: @nvmeof/transport send-queue.ts; @nvmeof/target buffer-pool.ts.

import type { Loan } from "@nvmeof/target";
import { SendQueue } from "@nvmeof/transport";

export class ReplyQueue extends SendQueue {
  #appended: Loan[] = [];
  #writing: Loan[] = [];

  /** What was appended last lies in a buffer, which is to be released when it is out. */
  lend(loan: Loan): void {
    this.#appended.push(loan);
  }

  override take(): Uint8Array[] {
    // One write at a time: what the last one lent has come back.
    const none = this.#writing;
    this.#writing = this.#appended;
    this.#appended = none;
    return super.take();
  }

  override drained(): void {
    super.drained();
    for (const loan of this.#writing) loan.release();
    this.#writing.length = 0;
  }
}
