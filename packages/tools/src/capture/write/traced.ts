// Byte streams that record what passes on them, for any connector and any listener.
// Read first: byte-stream.ts of @nvmeof/transport for the contract; capture-writer.ts.
//
// What is recorded is what the session says and hears: of a stream under TLS the plain bytes. Bytes are
// recorded when they are given to the stream; a reset may keep the last of them from the peer.

import type { NvmeofError } from "@nvmeof/codec";
import type {
  ByteStream,
  ByteStreamHandler,
  Connector,
  Listener,
  ProvenNames,
  Region,
} from "@nvmeof/transport";
import { addressBytes } from "../net/address.ts";
import type { Direction } from "../nvme/pdu.ts";
import type { CaptureWriter, CapturedStream } from "./capture-writer.ts";
import type { FrameEnd } from "./tcp-frame.ts";

/** Which end of its connections we are. */
type Side = "host" | "controller";

/** Stands for a port where there is none. */
const PORT = 4420;

/** Addresses for documentation (RFC 5737, RFC 3849): for ends of which none is known. */
const standIn: Readonly<Record<Side, { readonly ipv4: string; readonly ipv6: string }>> = {
  host: { ipv4: "192.0.2.1", ipv6: "2001:db8::1" },
  controller: { ipv4: "192.0.2.2", ipv6: "2001:db8::2" },
};

interface PartialEnd {
  readonly address: Uint8Array | undefined;
  readonly port: number | undefined;
}

const isSpecified = (address: Uint8Array | undefined): address is Uint8Array =>
  address?.some((byte) => byte !== 0) === true;

/** What a text such as "192.0.2.1:4420", "[::1]:4420" or "loop:port0" says of an end. */
function endOf(text: string): PartialEnd {
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|(.*)):(\d{1,5})(?:\D.*)?$/.exec(text) ?? [];
  const address = addressBytes(bracketed ?? plain ?? text);
  return {
    address: isSpecified(address) ? address : undefined,
    port: port === undefined || Number(port) > 65_535 ? undefined : Number(port),
  };
}

const isLoopbackAddress = (address: Uint8Array): boolean =>
  address.length === 4
    ? address[0] === 127
    : address[15] === 1 && address.subarray(0, 15).every((byte) => byte === 0);

/** Both ends in one family: what is not known is stood in for. */
function endsOf(
  host: PartialEnd,
  controller: PartialEnd,
  hostPort: number,
): { host: FrameEnd; controller: FrameEnd } {
  const known = controller.address ?? host.address;
  const family = known?.length === 16 ? "ipv6" : "ipv4";
  const nearby = known !== undefined && isLoopbackAddress(known) ? known : undefined;
  const of = (side: Side, { address }: PartialEnd): Uint8Array => {
    if (address !== undefined && address.length === (family === "ipv6" ? 16 : 4)) return address;
    return nearby ?? addressBytes(standIn[side][family])!;
  };
  return {
    host: { address: of("host", host), port: host.port ?? hostPort },
    controller: { address: of("controller", controller), port: controller.port ?? PORT },
  };
}

/** Records one stream: opened when it is, and ended once. */
class Trace {
  readonly sends: Direction;
  readonly hears: Direction;
  readonly #open: () => CapturedStream;
  #stream: CapturedStream | undefined;

  constructor(side: Side, open: () => CapturedStream) {
    this.sends = side === "host" ? "toController" : "toHost";
    this.hears = side === "host" ? "toHost" : "toController";
    this.#open = open;
  }

  opened(): void {
    this.#stream ??= this.#open();
  }

  data(direction: Direction, pieces: readonly Uint8Array[]): void {
    this.#stream?.data(direction, pieces);
  }

  close(direction: Direction): void {
    this.#stream?.close(direction);
  }

  reset(direction: Direction): void {
    this.#stream?.reset(direction);
  }
}

class TracedHandler implements ByteStreamHandler {
  readonly #handler: ByteStreamHandler;
  readonly #trace: Trace;

  constructor(handler: ByteStreamHandler, trace: Trace) {
    this.#handler = handler;
    this.#trace = trace;
  }

  opened(): void {
    this.#trace.opened();
    this.#handler.opened();
  }

  received(buffer: Region, start: number, end: number): void {
    this.#trace.data(this.#trace.hears, [buffer.bytes.subarray(start, end)]);
    this.#handler.received(buffer, start, end);
  }

  drained(): void {
    this.#handler.drained();
  }

  ended(error: NvmeofError | undefined): void {
    if (error === undefined) this.#trace.close(this.#trace.hears);
    else this.#trace.reset(this.#trace.hears);
    this.#handler.ended(error);
  }
}

class TracedStream implements ByteStream {
  readonly remote: string;
  readonly #stream: ByteStream;
  readonly #trace: Trace;

  constructor(stream: ByteStream, trace: Trace) {
    this.remote = stream.remote;
    this.#stream = stream;
    this.#trace = trace;
  }

  get proven(): ProvenNames | undefined {
    return this.#stream.proven;
  }

  get openingMs(): number {
    return this.#stream.openingMs ?? 0;
  }

  write(pieces: readonly Uint8Array[]): void {
    this.#trace.data(this.#trace.sends, pieces);
    this.#stream.write(pieces);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(lingerMs?: number): void {
    this.#trace.close(this.#trace.sends);
    this.#stream.close(lingerMs);
  }

  reset(): void {
    this.#trace.reset(this.#trace.sends);
    this.#stream.reset();
  }
}

/** A connector whose streams are recorded, as those of a host. */
export function tracedConnector(connector: Connector, writer: CaptureWriter): Connector {
  return {
    remote: connector.remote,
    security: connector.security,
    connect(options, handler) {
      const nobody: PartialEnd = { address: undefined, port: undefined };
      const ends = endsOf(nobody, endOf(connector.remote), writer.freshPort());
      const trace = new Trace("host", () => writer.open(ends, `to ${connector.remote}`));
      return new TracedStream(connector.connect(options, new TracedHandler(handler, trace)), trace);
    },
  };
}

/** A listener whose streams are recorded, as those of a controller. */
export function tracedListener(listener: Listener, writer: CaptureWriter): Listener {
  return {
    local: listener.local,
    security: listener.security,
    listen(accept) {
      listener.listen((stream) => {
        const ends = endsOf(endOf(stream.remote), endOf(listener.local), writer.freshPort());
        const comment = `${stream.remote} to ${listener.local}`;
        const trace = new Trace("controller", () => writer.open(ends, comment));
        const handler = accept(new TracedStream(stream, trace));
        return handler === undefined ? undefined : new TracedHandler(handler, trace);
      });
    },
    close: () => listener.close(),
  };
}
