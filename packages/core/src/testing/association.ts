// What a scripted controller is when nobody tells it otherwise: properties, Identify, features.
// Read first: Base 2.0 §3.1.3 "Controller Properties", §5.17 "Identify command".

import {
  Cap,
  Cc,
  ConnectCommand,
  ConnectData,
  Csts,
  type Decoded,
  IDENTIFY_BYTES,
  IdentifyController,
  Property,
  PropertyGetCommand,
  PropertySetCommand,
  Shn,
  Shst,
  Status,
  decodeDwords,
  encode,
  encodeDword,
  encoded,
  statusOf,
  viewOf,
} from "@nvmeof/codec";
import type { Answer, SeenCommand } from "./command.ts";

/** What a scripted controller says of itself; what is not given has a sensible value. */
export interface ScriptedFacts {
  readonly subsystemNqn: string;
  readonly cap: Partial<Decoded<typeof Cap>>;
  readonly version: number;
  readonly identify: Partial<Decoded<typeof IdentifyController>>;
  /** I/O queues that it grants. */
  readonly ioQueues: number;
}

/** Refused, and for good (DNR). */
export const refusal = (status: number): Answer => ({ status: statusOf(0, 0, true) | status });

/** One association: a controller as a Connect made it. */
export class ScriptedAssociation {
  readonly cntlid: number;
  readonly #facts: ScriptedFacts;
  readonly #qids = new Set<number>();
  cc = 0;
  csts: Partial<Decoded<typeof Csts>> = {};

  constructor(cntlid: number, facts: ScriptedFacts) {
    this.cntlid = cntlid;
    this.#facts = facts;
  }

  /** Takes an I/O queue, if it may be had. */
  connectIo({ sqe }: SeenCommand): Answer {
    const qid = ConnectCommand.qid.get(sqe);
    if (this.csts.rdy !== 1) return refusal(Status.CommandSequenceError);
    if (this.#qids.has(qid)) return refusal(Status.CommandSequenceError);
    if (qid > this.#facts.ioQueues) return refusal(Status.ConnectInvalidParameters);
    this.#qids.add(qid);
    return { dw0: this.cntlid };
  }

  queueEnded(qid: number): void {
    this.#qids.delete(qid);
  }

  property({ sqe }: SeenCommand): Answer {
    const cap = viewOf(encoded(Cap, this.#facts.cap));
    switch (PropertyGetCommand.ofst.get(sqe)) {
      case Property.Cap:
        return { dw0: cap.getUint32(0, true), dw1: cap.getUint32(4, true) };
      case Property.Vs:
        return { dw0: this.#facts.version };
      case Property.Cc:
        return { dw0: this.cc };
      case Property.Csts:
        return { dw0: encodeDword(Csts, this.csts) };
      default:
        return refusal(Status.InvalidField);
    }
  }

  /** Enables, disables and shuts down at once. */
  setCc({ sqe }: SeenCommand): Answer {
    this.cc = PropertySetCommand.value.get(sqe);
    const { en, shn } = decodeDwords(Cc, this.cc);
    const shst = shn === Shn.None ? Shst.Normal : Shst.Complete;
    this.csts = { rdy: en, shst };
    return {};
  }

  identify(): Answer {
    const data = new Uint8Array(IDENTIFY_BYTES);
    const { identify, subsystemNqn } = this.#facts;
    const { cntlid } = this;
    encode(IdentifyController, viewOf(data), 0, { cntlid, subnqn: subsystemNqn, ...identify });
    return { data };
  }
}

/** NQN of the subsystem that a Connect asks for. */
export const subsystemOf = ({ data }: SeenCommand): string => ConnectData.subnqn.get(viewOf(data));

/** CNTLID that a Connect of an I/O queue names. */
export const cntlidOf = ({ data }: SeenCommand): number => ConnectData.cntlid.get(viewOf(data));
