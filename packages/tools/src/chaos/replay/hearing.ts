// What a controller says, as far as a replay compares it: how a connection is set up, what is asked for, answers.
// Read first: NVMe/TCP 1.0 §3.3 "Data Transfer Model", §3.4 "Connection Establishment".

import {
  CAPSULE_OFFSET,
  Cqe,
  IcResp,
  PduType,
  R2t,
  TermReq,
  cqeStatus,
  fesName,
} from "@nvmeof/codec";
import { type CapturedCommand } from "../../capture/nvme/command.ts";
import { commandText, statusText } from "../../capture/show/describe.ts";
import type { ChaosPdu } from "../pdu.ts";

/** Something that a host waits for before it goes on. */
export type Gate =
  | {
      readonly kind: "init";
      readonly headerDigest: boolean;
      readonly dataDigest: boolean;
      readonly cpda: number;
      readonly maxh2cdata: number;
    }
  | {
      readonly kind: "answer";
      readonly cid: number;
      readonly command: CapturedCommand | undefined;
      /** Packed as `statusOf` does. */
      readonly status: number;
      readonly dw0: number;
      /** That came for the command. */
      readonly dataBytes: number;
    }
  | {
      readonly kind: "r2t";
      readonly cid: number;
      readonly command: CapturedCommand | undefined;
      readonly ttag: number;
      readonly offset: number;
      readonly bytes: number;
    }
  | { readonly kind: "term"; readonly fes: number };

/** What a gate is known by: the same in a capture and in what comes now. */
export function keyOf(gate: Gate): string {
  return gate.kind === "answer" || gate.kind === "r2t" ? `${gate.kind} ${gate.cid}` : gate.kind;
}

const yes = (flag: boolean): string => (flag ? "on" : "off");

/** A gate as people read it. */
export function gateText(gate: Gate): string {
  switch (gate.kind) {
    case "init":
      return (
        `digests: header ${yes(gate.headerDigest)}, data ${yes(gate.dataDigest)}; ` +
        `CPDA ${gate.cpda}, MAXH2CDATA ${gate.maxh2cdata}`
      );
    case "answer": {
      const status = statusText(gate.status, (gate.command?.fctype ?? -1) >= 0);
      return gate.dataBytes === 0 ? status : `${status}, ${gate.dataBytes} bytes`;
    }
    case "r2t":
      return `R2T for ${gate.bytes} bytes at ${gate.offset}`;
    case "term":
      return `C2HTermReq, ${fesName(gate.fes)}`;
    default:
      return gate satisfies never;
  }
}

/** Whom a gate is about: "Read nsid 1 slba 0 blocks 8, CID 3". */
export function gateSubject(gate: Gate): string {
  if (gate.kind === "init") return "ICResp";
  if (gate.kind === "term") return "the connection";
  const { command, cid } = gate;
  return command === undefined ? `CID ${cid}` : `${commandText(command)}, CID ${cid}`;
}

/** Hears PDUs to the host, and tells the gates among them. */
export class Hearing {
  /** Bytes of data that have come for each command in flight. */
  readonly #dataBytes = new Map<number, number>();

  hear(pdu: ChaosPdu): Gate | undefined {
    const { view, cid, command } = pdu;
    switch (pdu.type) {
      case PduType.ICResp:
        return {
          kind: "init",
          headerDigest: IcResp.hdgst.get(view) === 1,
          dataDigest: IcResp.ddgst.get(view) === 1,
          cpda: IcResp.cpda.get(view),
          maxh2cdata: IcResp.maxh2cdata.get(view),
        };
      case PduType.C2HData:
        this.#dataBytes.set(cid, (this.#dataBytes.get(cid) ?? 0) + pdu.dataBytes);
        return pdu.isAnswer ? this.#answer(pdu, 0, 0) : undefined;
      case PduType.CapsuleResp:
        return this.#answer(
          pdu,
          cqeStatus.get(view, CAPSULE_OFFSET),
          Cqe.dw0.get(view, CAPSULE_OFFSET),
        );
      case PduType.R2T: {
        const [ttag, offset] = [R2t.ttag.get(view), R2t.r2to.get(view)];
        return { kind: "r2t", cid, command, ttag, offset, bytes: R2t.r2tl.get(view) };
      }
      case PduType.C2HTermReq:
        return { kind: "term", fes: TermReq.fes.get(view) };
      default:
        return undefined;
    }
  }

  #answer({ cid, command }: ChaosPdu, status: number, dw0: number): Gate {
    const dataBytes = this.#dataBytes.get(cid) ?? 0;
    this.#dataBytes.delete(cid);
    return { kind: "answer", cid, command, status, dw0, dataBytes };
  }
}
