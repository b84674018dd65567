// Two ends of a connection in a simulated network, for tests: each writes down what it is told.
// Read first: network.ts.

import type { NvmeofError } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler, Connector, Region } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { SimRandom } from "../random.ts";
import type { NetworkEvents } from "./link.ts";
import { SimNetwork } from "./network.ts";
import { CALM, type Weather } from "./weather.ts";

/** An end that keeps everything. */
export class KeptEnd implements ByteStreamHandler {
  stream!: ByteStream;
  readonly told: string[] = [];
  readonly bytes: number[] = [];
  drains = 0;
  endedAtMs: number | undefined;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  opened(): void {
    this.told.push("opened");
  }

  received(buffer: Region, start: number, end: number): void {
    this.bytes.push(...buffer.bytes.subarray(start, end));
  }

  drained(): void {
    this.drains++;
  }

  ended(error: NvmeofError | undefined): void {
    this.told.push(error?.code ?? "ended");
    this.endedAtMs = this.#clock.nowMs();
  }

  write(...bytes: readonly number[]): void {
    this.stream.write([Uint8Array.from(bytes)]);
  }
}

/** A network with one port, on which somebody listens. */
export class NetworkBench {
  readonly clock = new VirtualClock();
  readonly network: SimNetwork;
  /** Ends at the controller, in the order of their coming. */
  readonly controllers: KeptEnd[] = [];
  readonly complaints: string[] = [];

  constructor(weather: Partial<Weather> = {}, events: Partial<NetworkEvents> = {}, seed = 1) {
    const complain = (invariant: string): void => void this.complaints.push(invariant);
    this.network = new SimNetwork(
      this.clock,
      new SimRandom(seed),
      { complain, ...events },
      { ...CALM, ...weather },
    );
    this.network.port("port0").listen((stream) => {
      const end = new KeptEnd(this.clock);
      end.stream = stream;
      this.controllers.push(end);
      return end;
    });
  }

  /** Begins to connect. */
  connect(host = "host0", connectTimeoutMs = 10_000): KeptEnd {
    const connector: Connector = this.network.port("port0").connectorOf(host);
    const end = new KeptEnd(this.clock);
    end.stream = connector.connect({ receiveBytes: 0, connectTimeoutMs }, end);
    return end;
  }

  /** A connection that is open at both ends. */
  pair(host = "host0"): [host: KeptEnd, controller: KeptEnd] {
    const end = this.connect(host);
    this.clock.advance(100);
    return [end, this.controllers.at(-1)!];
  }
}
