// Lines that peers cause: so many a second from each address, and then a count of the rest.
// Why: whoever may connect may do so a thousand times a second, and must not fill a log by it.

/** Lines of one address in one second. */
const LINES_MAX = 10;
/** Addresses that are told apart; those that come later in the same second share a line's budget. */
const ADDRESSES_MAX = 1_024;
const SECOND_MS = 1_000;

/** Writes lines about peers, within bounds. */
export class PeerNotes {
  readonly #say: (text: string) => void;
  readonly #nowMs: () => number;
  #sinceMs = -Infinity;
  /** Lines of this second, by address. */
  readonly #lines = new Map<string, number>();
  #unsaid = 0;

  constructor(say: (text: string) => void, nowMs: () => number) {
    this.#say = say;
    this.#nowMs = nowMs;
  }

  /** A line about the peer at `remote` ("192.0.2.1:1234"). */
  note(remote: string, text: string): void {
    this.#turn();
    const address = remote.replace(/:\d+$/, "");
    const known = this.#lines.has(address) || this.#lines.size < ADDRESSES_MAX;
    const key = known ? address : "";
    const count = (this.#lines.get(key) ?? 0) + 1;
    this.#lines.set(key, count);
    if (count <= LINES_MAX) this.#say(`${remote}: ${text}`);
    else this.#unsaid++;
  }

  /** Says how much was left out, if anything was. */
  flush(): void {
    if (this.#unsaid > 0) this.#say(`${this.#unsaid} more lines about peers left out`);
    this.#unsaid = 0;
  }

  #turn(): void {
    const nowMs = this.#nowMs();
    if (nowMs < this.#sinceMs + SECOND_MS) return;
    this.flush();
    this.#sinceMs = nowMs;
    this.#lines.clear();
  }
}
