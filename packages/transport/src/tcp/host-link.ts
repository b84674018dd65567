// NVMe/TCP as a Transport: each queue is one connection of its own.
// Read first: NVMe/TCP 1.0 §3.1 "Transport Overview"; queue-link.ts for the contract.

import type { DataDirection, NvmeofError } from "@nvmeof/codec";
import type { Connector } from "../byte-stream.ts";
import type { Clock } from "../clock.ts";
import type {
  CloseHow,
  QueueEvents,
  QueueLink,
  QueueOptions,
  Transport,
  TransportAddress,
} from "../queue-link.ts";
import { Connection } from "./connection.ts";
import { HostSession } from "./host-session.ts";
import type { Agreement, SessionOptions } from "./initialize.ts";

/** What a host asks of its connections. */
export interface HostTransportOptions extends Partial<SessionOptions> {
  readonly address: TransportAddress;
  readonly connector: Connector;
  readonly clock: Clock;
  /** Receive buffer of an I/O queue, bytes. Default 256 KiB; an admin queue takes an eighth. */
  readonly receiveBytes?: number;
  /** Told what each connection has agreed upon, before its queue is opened. For those who look. */
  readonly onInitialized?: (qid: number, agreement: Agreement) => void;
}

const RECEIVE_BYTES = 256 * 1024;

class HostLink implements QueueLink {
  readonly #session: HostSession;
  readonly #connection: Connection;

  constructor(options: HostTransportOptions, queue: QueueOptions, events: QueueEvents) {
    const { clock } = options;
    const guarded: QueueEvents = {
      opened: () => {
        options.onInitialized?.(queue.qid, this.#session.agreed);
        events.opened();
      },
      completed: (cid, view, base) => events.completed(cid, view, base),
      lost: (error: NvmeofError) => {
        this.#connection.sessionFailed();
        events.lost(error);
      },
    };
    this.#session = new HostSession(
      {
        qid: queue.qid,
        slots: queue.slots,
        inCapsuleBytes: queue.inCapsuleBytes,
        headerDigest: options.headerDigest ?? false,
        dataDigest: options.dataDigest ?? false,
        pda: options.pda ?? 0,
      },
      guarded,
      clock.nowMs() + queue.timeoutMs,
    );
    this.#connection = new Connection(this.#session, clock, () => this.#session.start());
    const wanted = options.receiveBytes ?? RECEIVE_BYTES;
    const stream = options.connector.connect(
      {
        receiveBytes: queue.qid === 0 ? Math.ceil(wanted / 8) : wanted,
        connectTimeoutMs: queue.timeoutMs,
        owner: queue.owner,
      },
      this.#connection,
    );
    this.#connection.attach(stream);
  }

  submit(cid: number, sqe: Uint8Array, direction: DataDirection, data?: Uint8Array): void {
    this.#session.submit(cid, sqe, direction, data);
    this.#connection.flushSoon();
  }

  detach(cid: number): void {
    this.#session.detach(cid);
  }

  close(how: CloseHow): void {
    this.#connection.close(how);
  }
}

/** A transport that opens NVMe/TCP queues over what `connector` connects. */
export function hostTransport(options: HostTransportOptions): Transport {
  return {
    address: options.address,
    clock: options.clock,
    security: options.connector.security,
    openQueue: (queue, events) => new HostLink(options, queue, events),
  };
}
