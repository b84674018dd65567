// A conversation made by hand, PDU by PDU, right or wrong, as a capture.
// Read first: raw-pdu.ts of @nvmeof/transport, which makes the PDUs; recording.ts.

import {
  ConnectCommand,
  ConnectData,
  Fctype,
  OPC_FABRICS,
  crc32c,
  encoded,
  viewOf,
} from "@nvmeof/codec";
import { type PduShape, RawPdus } from "@nvmeof/transport/testing";
import type { DecoderOptions } from "../decoder.ts";
import type { CapturedStream } from "../write/capture-writer.ts";
import { Recording, type Told, told } from "./recording.ts";

/** How a Connect is asked for, and answered. */
export interface TalkConnect {
  readonly qid?: number;
  readonly entries?: number;
  readonly flowControl?: boolean;
  readonly keepAliveTimeoutMs?: number;
}

/** Two ends of one connection, and what they said to each other. */
export class Talk {
  readonly pdus: RawPdus;
  nowMs = 0;
  readonly recording: Recording;
  readonly stream: CapturedStream;

  constructor(shape: Partial<PduShape> = {}, recording?: Recording, hostPort = 50_000) {
    this.pdus = new RawPdus(shape);
    this.recording = recording ?? new Recording(() => this.nowMs);
    this.stream = this.recording.writer.open({
      host: { address: Uint8Array.of(192, 0, 2, 1), port: hostPort },
      controller: { address: Uint8Array.of(192, 0, 2, 2), port: 4420 },
    });
  }

  /** The host sends these, in one write. */
  host(...pdus: readonly Uint8Array[]): this {
    this.nowMs++;
    this.stream.data("toController", pdus);
    return this;
  }

  /** The controller does. */
  controller(...pdus: readonly Uint8Array[]): this {
    this.nowMs++;
    this.stream.data("toHost", pdus);
    return this;
  }

  /** ICReq and ICResp. */
  initialize(maxR2t = 1, maxH2cDataBytes = 4096): this {
    return this.host(this.pdus.icReq({ maxr2t: maxR2t })).controller(
      this.pdus.icResp({ maxh2cdata: maxH2cDataBytes }),
    );
  }

  /** A Connect that succeeds, behind the initialisation. */
  connect(options: TalkConnect = {}): this {
    const sqhd = options.flowControl === true ? 1 : 0xffff;
    return this.host(this.connectCapsule(options)).controller(
      this.pdus.capsuleResp({ cid: 0, dw0: 1, sqhd }),
    );
  }

  connectCapsule(options: TalkConnect = {}): Uint8Array {
    const { qid = 1, entries = 32, flowControl = false, keepAliveTimeoutMs = 0 } = options;
    const sqe = encoded(ConnectCommand, {
      opc: OPC_FABRICS,
      psdt: 1,
      fctype: Fctype.Connect,
      sglId: 0x01,
      sglLength: ConnectData.size,
      qid,
      sqsize: entries,
      dsqfc: flowControl ? 0 : 1,
      kato: keepAliveTimeoutMs,
    });
    const data = encoded(ConnectData, {
      cntlid: 0xffff,
      subnqn: "nqn.2026-01.dev.nvmeof:talk",
      hostnqn: "nqn.2026-01.dev.nvmeof:host",
    });
    const capsule = this.pdus.capsuleCmd({}, { data });
    capsule.set(sqe, 8);
    return this.redigested(capsule);
  }

  /** A command: reads (2) unless something else is said. */
  command(
    cid: number,
    of: { opcode?: number; bytes?: number; inCapsule?: boolean; nsid?: number } = {},
    data?: Uint8Array,
  ): Uint8Array {
    const { opcode = 0x02, bytes = 0, inCapsule = false, nsid = 1 } = of;
    const sglId = inCapsule ? 0x01 : 0x5a;
    const sent = data ?? (inCapsule ? new Uint8Array(bytes).fill(0x5a) : undefined);
    return this.pdus.capsuleCmd(
      { opc: opcode, cid, nsid, sglId, sglLength: bytes },
      { data: sent },
    );
  }

  /** The PDU with its header digest as it must be. */
  redigested(pdu: Uint8Array): Uint8Array {
    if (!this.pdus.shape.headerDigest) return pdu;
    const hlen = pdu[2]!;
    viewOf(pdu).setInt32(hlen, crc32c(viewOf(pdu), 0, hlen), true);
    return pdu;
  }

  told(options?: DecoderOptions): Told {
    return told(this.recording.bytes, options);
  }

  /** Rules that are broken, in their order. */
  get rules(): string[] {
    return this.told().verdicts.map(({ rule }) => rule);
  }
}
