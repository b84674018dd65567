// The submission queue of a connection as its SQ head pointers tell of it: do they add up?
// Read first: Base 2.0 §3.3.3.2, SQHD; Fabrics 1.1 §2.4 "Submission Queue Flow Control Negotiation".

/** What SQHD says where there is no flow control. */
const NONE = 0xffff;

/** Before Connect has said how long the queue is, nothing is known of it. */
const UNKNOWN = Infinity;

export class SqHead {
  readonly #wrong: (what: string) => void;
  /** Most entries that the queue can have. */
  entries = UNKNOWN;
  #flowControl: "unknown" | "on" | "off" = "unknown";
  #head = 0;
  /** Since Connect: commands that reached the controller, that it has fetched, and answered. */
  #reached = 0;
  #fetched = 0;
  #answered = 0;

  constructor(wrong: (what: string) => void) {
    this.#wrong = wrong;
  }

  /** A Connect asks for so many entries. */
  asked(entries: number): void {
    this.entries = entries;
  }

  /** A command has reached the controller. */
  fetchable(): void {
    this.#reached++;
  }

  /** A command was answered without a word of the head. */
  unsaid(): void {
    if (this.#flowControl === "on") this.#wrong("SUCCESS with SQ flow control: SQHD is not told");
  }

  /** An answer said where the head is; `connect` where it accepts one. */
  said(head: number, connect: { readonly flowControl: "on" | "off" } | undefined): void {
    if (connect !== undefined) {
      this.#connected(head, connect.flowControl);
      return;
    }
    if (this.#flowControl === "unknown") return;
    if (this.#flowControl === "off") {
      if (head !== NONE) this.#wrong(`SQHD ${head} without SQ flow control`);
      return;
    }
    if (head >= this.entries) {
      this.#wrong(`SQHD ${head} of a queue of ${this.entries}`);
      return;
    }
    this.#answered++;
    this.#fetched += (head - this.#head + this.entries) % this.entries;
    this.#head = head;
    if (this.#fetched > this.#reached) {
      this.#wrong(`SQHD ${head} is ahead: ${this.#fetched} fetched of ${this.#reached} sent`);
    } else if (this.#fetched < this.#answered) {
      this.#wrong(`SQHD ${head} is behind: ${this.#fetched} fetched, ${this.#answered} answered`);
    }
  }

  #connected(head: number, flowControl: "on" | "off"): void {
    this.#flowControl = flowControl === "off" && head === NONE ? "off" : "on";
    if (this.#flowControl === "on" && head >= this.entries) {
      this.#wrong(`SQHD ${head} of a queue of ${this.entries}`);
    }
    this.#head = head;
    this.#reached = this.#fetched = this.#answered = 0;
  }
}
