// How many commands a submission queue holds, as far as the wire tells: is there room for one more?
// Read first: Base 2.0 §3.3.3.2, SQHD; §3.3.2.1 on SQ flow control.

/** What SQHD says where there is no flow control. */
const NONE = 0xffff;

export class SqWindow {
  /** Entries of the queue; `undefined` before Connect, and when something was missed since. */
  #entries: number | undefined;
  #flowControl = true;
  #head = 0;
  /** Since Connect: commands that were sent, and of them those that the controller has fetched. */
  #sent = 0;
  #fetched = 0;

  /** A Connect was answered with success. */
  connected(entries: number, asksForNone: boolean, head: number): void {
    this.#entries = entries;
    this.#flowControl = !(asksForNone && head === NONE);
    this.#head = head;
    this.#sent = 0;
    this.#fetched = 0;
  }

  /** Whether completions without SQHD are allowed; `undefined` where nobody knows. */
  get hasFlowControl(): boolean | undefined {
    return this.#entries === undefined ? undefined : this.#flowControl;
  }

  /** Something was not captured: from here on nothing can be said. */
  forget(): void {
    this.#entries = undefined;
  }

  /** A command was sent, with so many outstanding, itself among them. What is wrong, if anything. */
  sent(outstanding: number): string | undefined {
    if (this.#entries === undefined) return undefined;
    this.#sent++;
    const held = this.#flowControl ? this.#sent - this.#fetched : outstanding;
    // Base 2.0 §3.3.1.2: a queue that is full has one entry left.
    if (held <= this.#entries - 1) return undefined;
    return `${held} commands in a queue of ${this.#entries} entries`;
  }

  /** An answer said where the head is. What is wrong with that, if anything. */
  said(head: number): string | undefined {
    const entries = this.#entries;
    if (entries === undefined) return undefined;
    if (!this.#flowControl) {
      return head === NONE ? undefined : `SQHD ${head} without SQ flow control`;
    }
    if (head >= entries) return `SQHD ${head} of a queue of ${entries} entries`;
    this.#fetched += (head - this.#head + entries) % entries;
    this.#head = head;
    if (this.#fetched <= this.#sent) return undefined;
    const what = `SQHD ${head} is ahead: ${this.#fetched} fetched of ${this.#sent} sent`;
    this.#fetched = this.#sent;
    return what;
  }
}
