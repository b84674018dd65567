// How a connection begins and how it is terminated: initialisation first and once, TermReq last.
// Read first: NVMe/TCP 1.0 §3.4 "Connection Establishment", §3.5.2 "Fatal Error Handling".

import { Fes, PduType } from "@nvmeof/codec";
import type { Connection } from "./connection.ts";
import type { PduCutter } from "./cutter.ts";
import { readIcReq, readIcResp } from "./initialize.ts";
import type { Find } from "./judge-host.ts";
import type { CapturedPdu, Direction } from "./pdu.ts";
import { noAnswer, silentClose, termReq } from "./rules.ts";

const opposite = { toController: "toHost", toHost: "toController" } as const;

/** Both directions of a stream, as PDUs. */
export type Cutters = Readonly<Record<Direction, PduCutter>>;

export class Setup {
  readonly #connection: Connection;
  /** `unknown`: what would tell was not captured. */
  readonly #initialized: Record<Direction, "no" | "yes" | "unknown"> = {
    toController: "no",
    toHost: "no",
  };
  readonly #terminated: Record<Direction, "no" | "yes"> = { toController: "no", toHost: "no" };

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Something was not captured: it may have been the initialisation. */
  doubt(): void {
    for (const direction of ["toController", "toHost"] as const) {
      if (this.#initialized[direction] === "no") this.#initialized[direction] = "unknown";
    }
  }

  /** Any PDU: nothing follows a TermReq. */
  judgeEnd(direction: Direction, find: Find): void {
    if (this.#terminated[direction] === "no") return;
    find("term-last", noAnswer, "it follows a TermReq of its sender");
  }

  /** A PDU of the running phase comes when that has begun. */
  judgeOrder(direction: Direction, find: Find): void {
    if (this.#initialized[direction] === "no") {
      find("ic-first", termReq(Fes.SequenceError), "it comes before the initialisation");
      this.#initialized[direction] = "unknown";
    } else if (direction === "toController" && this.#initialized.toHost === "no") {
      find("ic-early", noAnswer, "it comes before ICResp");
    }
  }

  /** A TermReq. */
  terminate(direction: Direction, find: Find): void {
    if (direction === "toController" && this.#initialized.toController === "no") {
      find("term-first", silentClose, "it is the first PDU");
    } else if (this.#terminated[opposite[direction]] === "yes") {
      find("term-answered", noAnswer, "it answers a TermReq");
    }
    this.#terminated[direction] = "yes";
  }

  /** ICReq or ICResp: with the latter it is known how PDUs look from here on. */
  initialize(pdu: CapturedPdu, cutters: Cutters, find: Find): void {
    const { direction, type } = pdu;
    if (this.#initialized[direction] === "yes") {
      find("ic-again", termReq(Fes.SequenceError), "the connection is initialised already");
      return;
    }
    this.#initialized[direction] = "yes";
    const connection = this.#connection;
    if (type === PduType.ICReq) {
      readIcReq(pdu, connection, find);
      cutters.toHost.context.alignment = connection.icReq!.alignmentBytes;
      return;
    }
    if (this.#initialized.toController === "no") {
      find("ic-first", termReq(Fes.SequenceError), "there was no ICReq");
    }
    readIcResp(pdu, connection, find);
    const { headerDigest, dataDigest, alignmentBytes } = connection.icResp!;
    for (const cutter of Object.values(cutters)) {
      cutter.agreed = true;
      cutter.context.headerDigest = headerDigest;
      cutter.context.dataDigest = dataDigest;
    }
    cutters.toController.context.alignment = alignmentBytes;
  }
}
