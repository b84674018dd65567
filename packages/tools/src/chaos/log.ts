// What a proxy tells: connections, faults that were carried out, and why it stands aside.
// Read first: proxy.ts, which tells it. The same seed, plan and traffic give the same events.

import type { NvmeofError } from "@nvmeof/codec";
import type { QueueKind } from "../capture/nvme/command.ts";
import { commandText } from "../capture/show/describe.ts";
import type { FaultKind } from "./kinds.ts";
import type { ChaosPdu } from "./pdu.ts";
import type { ChaosDirection } from "./plan.ts";

interface At {
  /** Since the proxy began, ms. */
  readonly atMs: number;
  /** Number of the connection; the first is 1. */
  readonly connection: number;
}

/** Why nothing is done to PDUs of a connection, or to one of them. */
export type Aside =
  | "tls" // it is encrypted
  | "not-nvme" // it begins with something else
  | "malformed" // a PDU makes no sense, and nothing behind it is understood
  | "oversized" // a PDU is too long to be held
  | "no-room"; // too much is held already

/** What a proxy tells, in the order in which it happened. */
export type ChaosEvent =
  | (At & { readonly type: "opened"; readonly remote: string })
  | (At & { readonly type: "refused"; readonly remote: string })
  | (At & { readonly type: "unreachable"; readonly error: NvmeofError | undefined })
  | (At & {
      readonly type: "fault";
      /** Index in the plan. */
      readonly fault: number;
      readonly kind: FaultKind;
      readonly name: string;
      /** undefined: of the connection as a whole. */
      readonly direction: ChaosDirection | undefined;
      readonly qid: number | undefined;
      readonly pdu: string | undefined;
      readonly cid: number | undefined;
      /** As people write it: "Read, NSID 1, LBA 8, 8 blocks". */
      readonly command: string | undefined;
      readonly detail: string;
    })
  | (At & {
      readonly type: "aside";
      readonly why: Aside;
      readonly direction: ChaosDirection;
      readonly detail: string;
    })
  | (At & {
      readonly type: "closed";
      readonly queue: QueueKind;
      readonly upstreamBytes: number;
      readonly downstreamBytes: number;
    });

/** A fault that was done. */
export type FaultEvent = Extract<ChaosEvent, { readonly type: "fault" }>;

/** What an event says of the PDU that it is about. */
export type PduFacts = Pick<FaultEvent, "direction" | "pdu" | "cid" | "command">;

/** Of a fault that is about no PDU. */
export const noPdu: PduFacts = {
  direction: undefined,
  pdu: undefined,
  cid: undefined,
  command: undefined,
};

export const pduFacts = (pdu: ChaosPdu): PduFacts => ({
  direction: pdu.direction,
  pdu: pdu.name,
  cid: pdu.cid < 0 ? undefined : pdu.cid,
  command: pdu.command === undefined ? undefined : commandText(pdu.command),
});

/** A fault as a line for people. */
export function faultText(event: FaultEvent): string {
  const { connection, qid, direction, pdu, cid, command, name, detail } = event;
  const where = `connection ${connection}${qid === undefined ? "" : `, queue ${qid}`}`;
  const what = [
    direction ?? "",
    pdu ?? "",
    cid === undefined ? "" : `CID ${cid}`,
    command === undefined ? "" : `(${command})`,
  ];
  return `${name}: ${where}: ${[...what.filter((each) => each !== ""), detail].join(" ")}`;
}
