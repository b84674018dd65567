// A host for tests that writes PDUs byte by byte: for data pointers that no decent host would send.
// Read first: NVMe/TCP 1.0 §3.6.2 "PDU Definitions". No digests, no alignment beyond 4 bytes.

import {
  AdminOpcode,
  CAPSULE_OFFSET,
  Cqe,
  IcReq,
  PduHeader,
  PduType,
  Sqe,
  codeOf,
  cqeStatus,
  encoded,
  viewOf,
} from "@nvmeof/codec";
import type { ByteStream, MemoryPort, Region } from "@nvmeof/transport";
import type { VirtualClock } from "@nvmeof/transport/testing";

const CAPSULE_BYTES = 72;

/** What the target said: the type of each PDU, and the completions. */
export class WireHost {
  readonly types: number[] = [];
  /** SCT and SC by CID, and DNR apart. */
  readonly completions: { cid: number; code: number; isFinal: boolean }[] = [];
  /** The target ended the connection. */
  ended: "no" | "yes" = "no";
  readonly #clock: VirtualClock;
  readonly #stream: ByteStream;
  #unread = new Uint8Array(0);

  constructor(clock: VirtualClock, port: MemoryPort) {
    this.#clock = clock;
    this.#stream = port.connect(
      {},
      {
        opened: () => {},
        received: (buffer, start, end) => this.#received(buffer, start, end),
        drained: () => {},
        ended: () => {
          this.ended = "yes";
        },
      },
    );
    clock.settle();
    const request = encoded(IcReq, { pfv: 0 });
    PduHeader.type.set(viewOf(request), 0, PduType.ICReq);
    PduHeader.hlen.set(viewOf(request), 0, 128);
    PduHeader.plen.set(viewOf(request), 0, 128);
    this.#stream.write([request]);
    clock.settle();
  }

  /** Sends an SQE as it is, with this in its capsule, and lets the answer come. */
  send(sqe: Uint8Array, data: Uint8Array = new Uint8Array(0)): void {
    const capsule = new Uint8Array(CAPSULE_BYTES + data.length);
    const view = viewOf(capsule);
    PduHeader.type.set(view, 0, PduType.CapsuleCmd);
    PduHeader.hlen.set(view, 0, CAPSULE_BYTES);
    PduHeader.pdo.set(view, 0, data.length === 0 ? 0 : CAPSULE_BYTES);
    PduHeader.plen.set(view, 0, capsule.length);
    capsule.set(sqe, CAPSULE_OFFSET);
    capsule.set(data, CAPSULE_BYTES);
    this.#stream.write([capsule]);
    this.#clock.settle();
  }

  #received(buffer: Region, start: number, end: number): void {
    const joined = new Uint8Array(this.#unread.length + end - start);
    joined.set(this.#unread);
    joined.set(buffer.bytes.subarray(start, end), this.#unread.length);
    const view = viewOf(joined);
    let at = 0;
    while (joined.length - at >= PduHeader.size) {
      const bytes = PduHeader.plen.get(view, at);
      if (joined.length - at < bytes) break;
      this.#pdu(view, at);
      at += bytes;
    }
    this.#unread = joined.slice(at);
  }

  #pdu(view: DataView, at: number): void {
    const type = PduHeader.type.get(view, at);
    this.types.push(type);
    if (type !== PduType.CapsuleResp) return;
    const status = cqeStatus.get(view, at + CAPSULE_OFFSET);
    this.completions.push({
      cid: Cqe.cid.get(view, at + CAPSULE_OFFSET),
      code: codeOf(status),
      isFinal: (status & 0x4000) !== 0,
    });
  }
}

/** An SQE with its data pointer as given. */
export const rawSqe = (values: Parameters<typeof encoded<typeof Sqe>>[1]): Uint8Array =>
  encoded(Sqe, { opc: AdminOpcode.KeepAlive, psdt: 1, sglId: 0x5a, ...values });
