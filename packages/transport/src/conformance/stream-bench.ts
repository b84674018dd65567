// The ends of streams under test: each writes down what it is told, and checks the order of it.
// Read first: byte-stream.ts, the suite that uses them.

import type { NvmeofError } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler, Connector, Listener } from "../byte-stream.ts";
import type { Region } from "../copy.ts";
import { Bench } from "./bench.ts";
import type { Pace } from "./case.ts";

/** What the suite asks of an implementation, anew for each case. */
export interface ByteStreamWorld extends Pace {
  /** Takes connections once a case calls `listen`. */
  readonly listener: Listener;
  /** Reaches the listener. */
  readonly connector: Connector;
  /** Reaches nobody: connecting is refused at once. */
  readonly nowhere: Connector;
  /** Called after every event, for a world that waits for them. */
  happened?(): void;
}

/** One case's world, and what went wrong inside events. */
export class StreamBench extends Bench<ByteStreamWorld> {
  readonly #ends: End[] = [];

  connect(connector: Connector = this.world.connector): End {
    const end = new End(this);
    this.#ends.push(end);
    end.connect(connector);
    return end;
  }

  /** Listens, and collects the ends of the streams that come. */
  serve(begin: (end: End) => void = () => {}): End[] {
    const ends: End[] = [];
    this.world.listener.listen((stream) => {
      const end = new End(this);
      end.stream = stream;
      ends.push(end);
      this.#ends.push(end);
      begin(end);
      return end;
    });
    return ends;
  }

  /** Two connected ends. */
  async pair(): Promise<[host: End, target: End]> {
    const ends = this.serve();
    const host = this.connect();
    await this.until(() => host.isOpen && ends[0]?.isOpen === true);
    return [host, ends[0]!];
  }

  protected leave(): void {
    this.world.listener.close();
    for (const end of this.#ends) end.reset();
  }
}

const options = { receiveBytes: 65_536, connectTimeoutMs: 10_000 };

/** One end of a stream under test, which writes down what it is told and checks the order of it. */
export class End implements ByteStreamHandler {
  readonly events: string[] = [];
  error: NvmeofError | undefined;
  receivedBytes = 0;
  drains = 0;
  onEvent: ((event: string) => void) | undefined;
  stream!: ByteStream;
  readonly #bench: StreamBench;
  readonly #chunks: Uint8Array[] = [];
  /** Calls into the stream under way: no event may come inside one. */
  #calls = 0;
  /** This end has closed or reset the stream itself. */
  #left = false;

  constructor(bench: StreamBench) {
    this.#bench = bench;
  }

  connect(connector: Connector): void {
    this.#inside(() => {
      this.stream = connector.connect(options, this);
    });
  }

  write(...pieces: readonly Uint8Array[]): void {
    this.#inside(() => this.stream.write(pieces));
  }

  pause(): void {
    this.#inside(() => this.stream.pause());
  }

  resume(): void {
    this.#inside(() => this.stream.resume());
  }

  close(): void {
    this.#left = true;
    this.#inside(() => this.stream.close());
  }

  reset(): void {
    this.#left = true;
    this.#inside(() => this.stream.reset());
  }

  /** All bytes received. */
  get bytes(): Uint8Array {
    const whole = new Uint8Array(this.receivedBytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  }

  get isOpen(): boolean {
    return this.events.includes("opened");
  }

  get isOver(): boolean {
    return this.events.includes("ended");
  }

  opened(): void {
    this.#event("opened");
  }

  received(buffer: Region, start: number, end: number): void {
    this.#expect(start >= 0 && start < end && end <= buffer.bytes.length, "received no bytes");
    this.#chunks.push(buffer.bytes.slice(start, end));
    this.receivedBytes += end - start;
    this.#event("received");
  }

  drained(): void {
    this.drains++;
    this.#event("drained");
  }

  ended(error: NvmeofError | undefined): void {
    this.error = error;
    this.#event("ended");
  }

  #event(event: string): void {
    this.#expect(this.#calls === 0, `${event} inside a call to the stream`);
    this.#expect(!this.isOver, `${event} after ended`);
    this.#expect(event === "opened" || event === "ended" || this.isOpen, `${event} before opened`);
    this.#expect(event !== "opened" || !this.isOpen, "opened twice");
    this.#expect(!this.#left || event === "ended", `${event} after this end closed or reset`);
    this.events.push(event);
    this.onEvent?.(event);
    this.#bench.world.happened?.();
  }

  #expect(condition: boolean, what: string): void {
    if (!condition) this.#bench.faults.push(what);
  }

  #inside(call: () => void): void {
    this.#calls++;
    call();
    this.#calls--;
  }
}
