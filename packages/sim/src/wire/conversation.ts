// Both directions of a connection together: does each PDU answer what the other end has said?
// Read first: NVMe/TCP 1.0 §3.3.2 "Data Transfer", §3.4 "Connection Establishment"; pdu-stream.ts.
// An end knows what has been delivered to it; what the other has merely sent is no excuse.

import { PduFlag, PduType } from "@nvmeof/codec";
import type { Direction } from "../network/fault.ts";
import { type WireCommand, commandOf, dataPointerProblem } from "./command.ts";
import { PduStream, type PduWatcher, type SeenPdu, type WireAgreement } from "./pdu-stream.ts";
import { Proof, type ProofWays, isAuthentication } from "./proof.ts";
import { SqHead } from "./sq-head.ts";

/** Something that an end knows once the bytes up to `endAt` have reached it. */
interface News {
  readonly endAt: number;
  readonly reached: () => void;
}

/** What is checked of one direction, and what the end that it leads to knows. */
interface Lane {
  readonly stream: PduStream;
  deliveredBytes: number;
  readonly news: News[];
  initialized: "no" | "sent" | "reached";
  /** A TermReq is the sender's last word. */
  terminated: "no" | "sent" | "reached";
}

const opposite = { toController: "toHost", toHost: "toController" } as const;

export class Conversation implements PduWatcher {
  readonly #complain: (invariant: string, message: string) => void;
  readonly #agreement: WireAgreement = {
    headerDigest: false,
    dataDigest: false,
    alignment: { toController: 4, toHost: 4 },
  };
  readonly #lanes: Readonly<Record<Direction, Lane>>;
  readonly #commands = new Map<number, WireCommand>();
  readonly #head: SqHead;
  readonly #proof: Proof;
  /** By direction: where the PDU ends that brings a message of authentication. */
  readonly #messages: Partial<Record<Direction, number>> = {};
  #r2tMax = 1;
  #h2cDataMax = Infinity;

  constructor(complain: (invariant: string, message: string) => void, ways?: ProofWays) {
    this.#complain = complain;
    this.#proof = new Proof(ways, (direction, what) => this.wrong(direction, "I39", what));
    this.#head = new SqHead((what) => this.wrong("toHost", "I38", what));
    const lane = (direction: Direction): Lane => ({
      stream: new PduStream(direction, this.#agreement, this),
      deliveredBytes: 0,
      news: [],
      initialized: "no",
      terminated: "no",
    });
    this.#lanes = { toController: lane("toController"), toHost: lane("toHost") };
  }

  sent(direction: Direction, bytes: Uint8Array, start: number, end: number): void {
    const lane = this.#lanes[direction];
    if (end > start && lane.terminated !== "no" && !lane.stream.isInside) {
      this.wrong(direction, "I36", "bytes behind a TermReq");
      return;
    }
    lane.stream.sent(bytes, start, end);
  }

  delivered(direction: Direction, bytes: number): void {
    const lane = this.#lanes[direction];
    lane.deliveredBytes += bytes;
    while (lane.news.length > 0 && lane.news[0]!.endAt <= lane.deliveredBytes) {
      lane.news.shift()!.reached();
    }
  }

  /** The sender has closed this direction in good order. */
  closed(direction: Direction): void {
    if (this.#lanes[direction].stream.isInside) {
      this.wrong(direction, "I32", "an orderly close in the middle of a PDU");
    }
  }

  wrong(direction: Direction, invariant: string, what: string): void {
    this.#complain(invariant, `${direction === "toHost" ? "controller" : "host"}: ${what}`);
  }

  pdu(direction: Direction, pdu: SeenPdu): void {
    const lane = this.#lanes[direction];
    const { type } = pdu;
    if (lane.terminated !== "no") this.wrong(direction, "I36", `${pdu.name} behind a TermReq`);
    if (type === PduType.H2CTermReq || type === PduType.C2HTermReq) {
      this.#terminates(direction, pdu);
      return;
    }
    if (type === PduType.ICReq || type === PduType.ICResp) {
      this.#initializes(direction, pdu);
      return;
    }
    const isReady =
      lane.initialized !== "no" && this.#lanes[opposite[direction]].initialized === "reached";
    if (!isReady) this.wrong(direction, "I37", `${pdu.name} before the initialisation is over`);
    else if (type === PduType.CapsuleCmd) this.#capsule(pdu);
    else if (type === PduType.CapsuleResp) this.#response(pdu);
    else if (type === PduType.R2T) this.#r2t(pdu);
    else if (type === PduType.H2CData) this.#h2cData(pdu);
    else this.#c2hData(pdu);
  }

  data(direction: Direction, opening: number): void {
    const endAt = this.#messages[direction];
    if (endAt === undefined) return;
    delete this.#messages[direction];
    this.#tell(direction, { endAt }, this.#proof.says(direction, opening));
  }

  #tell(direction: Direction, { endAt }: Pick<SeenPdu, "endAt">, reached: () => void): void {
    this.#lanes[direction].news.push({ endAt, reached });
  }

  #terminates(direction: Direction, pdu: SeenPdu): void {
    const lane = this.#lanes[direction];
    if (this.#lanes[opposite[direction]].terminated === "reached") {
      this.wrong(direction, "I36", `${pdu.name} in answer to a TermReq`);
    }
    lane.terminated = "sent";
    this.#tell(direction, pdu, () => (lane.terminated = "reached"));
  }

  #initializes(direction: Direction, pdu: SeenPdu): void {
    const lane = this.#lanes[direction];
    const { view } = pdu;
    if (lane.initialized !== "no") this.wrong(direction, "I37", `another ${pdu.name}`);
    lane.initialized = "sent";
    this.#tell(direction, pdu, () => (lane.initialized = "reached"));
    const alignment = (view.getUint8(10) + 1) * 4;
    if (view.getUint16(8, true) !== 0) this.wrong(direction, "I32", `${pdu.name}: PFV is not 0`);
    if (alignment > 128) this.wrong(direction, "I32", `${pdu.name}: alignment ${alignment}`);
    this.#agreement.alignment[opposite[direction]] = alignment;
    if (direction === "toController") {
      this.#r2tMax = view.getUint32(12, true) + 1;
      return;
    }
    if (this.#lanes.toController.initialized !== "reached") {
      this.wrong(direction, "I37", "ICResp before ICReq");
    }
    this.#agreement.headerDigest = (view.getUint8(11) & 1) !== 0;
    this.#agreement.dataDigest = (view.getUint8(11) & 2) !== 0;
    this.#h2cDataMax = view.getUint32(12, true);
    if (this.#h2cDataMax < 4096 || this.#h2cDataMax % 4 !== 0) {
      this.wrong(direction, "I32", `ICResp: MAXH2CDATA ${this.#h2cDataMax}`);
    }
  }

  #carries(direction: Direction, command: WireCommand, { endAt }: SeenPdu): void {
    if (isAuthentication(command)) this.#messages[direction] = endAt;
  }

  #capsule(pdu: SeenPdu): void {
    const problem = dataPointerProblem(pdu.view, 8, pdu.dataBytes);
    if (problem !== undefined) this.wrong("toController", "I32", `CapsuleCmd: ${problem}`);
    const command = commandOf(pdu.view, 8);
    const { cid } = command;
    if (this.#commands.has(cid)) {
      this.wrong("toController", "I38", `CID ${cid} is used again before its answer is here`);
    }
    this.#proof.asks(command);
    if (pdu.dataBytes > 0) this.#carries("toController", command, pdu);
    this.#commands.set(cid, command);
    if (command.connect !== undefined) this.#head.asked(command.connect.entries);
    // Base 2.0 §3.3.1.2: a queue that is full has one entry left.
    if (this.#commands.size > this.#head.entries - 1) {
      const what = `${this.#commands.size} commands in a queue of ${this.#head.entries} entries`;
      this.wrong("toController", "I35", what);
    }
    this.#tell("toController", pdu, () => {
      command.phase = "outstanding";
      this.#head.fetchable();
    });
  }

  #h2cData(pdu: SeenPdu): void {
    const { view, dataBytes, flags } = pdu;
    const bad = (what: string): void => this.wrong("toController", "I34", `H2CData: ${what}`);
    const cid = view.getUint16(8, true);
    const ttag = view.getUint16(10, true);
    const command = this.#commands.get(cid);
    const r2t = command?.r2ts.find((each) => each.ttag === ttag && each.reached === "yes");
    if (command === undefined || r2t === undefined) {
      bad(`no R2T of command ${cid} has tag ${ttag}`);
      return;
    }
    const offset = view.getUint32(12, true);
    const bytes = view.getUint32(16, true);
    if (offset === 0) this.#carries("toController", command, pdu);
    if (bytes !== dataBytes) bad(`DATAL ${bytes}, and ${dataBytes} bytes of data`);
    if (bytes > this.#h2cDataMax) bad(`${bytes} bytes, above MAXH2CDATA ${this.#h2cDataMax}`);
    const wanted = r2t.offset + r2t.sentBytes;
    if (offset !== wanted) bad(`DATAO ${offset}, not ${wanted}`);
    r2t.sentBytes += bytes;
    if (r2t.sentBytes > r2t.bytes) bad(`${r2t.sentBytes} bytes for an R2T of ${r2t.bytes}`);
    const ends = r2t.sentBytes >= r2t.bytes;
    const last = (flags & PduFlag.Last) !== 0;
    if (last !== ends) bad(`LAST_PDU is ${last ? "" : "not "}set with ${r2t.sentBytes} bytes sent`);
    if (!last && bytes % 4 !== 0) bad(`DATAL ${bytes}, with more to come`);
    if (!ends) return;
    this.#tell("toController", pdu, () => {
      command.r2ts = command.r2ts.filter((each) => each !== r2t);
    });
  }

  /** The command that a PDU of the controller is about, if it has reached it and has no answer yet. */
  #outstanding(name: string, cid: number): WireCommand | undefined {
    const command = this.#commands.get(cid);
    if (command?.phase === "outstanding") return command;
    this.wrong("toHost", "I38", `${name}: no command ${cid} is outstanding`);
    return undefined;
  }

  #r2t(pdu: SeenPdu): void {
    const { view } = pdu;
    const command = this.#outstanding("R2T", view.getUint16(8, true));
    if (command === undefined) return;
    const bad = (what: string): void => this.wrong("toHost", "I35", `R2T: ${what}`);
    const ttag = view.getUint16(10, true);
    const offset = view.getUint32(12, true);
    const bytes = view.getUint32(16, true);
    if (command.direction !== "toController" || command.inCapsule === "yes") {
      bad(`command ${command.cid} has no data to be asked for`);
    }
    if (bytes === 0) bad("it asks for nothing");
    if (offset !== command.movedBytes) bad(`R2TO ${offset}, not ${command.movedBytes}`);
    if (offset + bytes > command.transferBytes) {
      bad(`bytes ${offset} to ${offset + bytes} of ${command.transferBytes}`);
    }
    command.movedBytes = offset + bytes;
    for (const other of this.#commands.values()) {
      if (other.r2ts.some((each) => each.ttag === ttag)) bad(`tag ${ttag} is in use`);
    }
    const r2t = { ttag, offset, bytes, sentBytes: 0, reached: "no" as "no" | "yes" };
    command.r2ts.push(r2t);
    if (command.r2ts.length > this.#r2tMax) {
      bad(`${command.r2ts.length} at a time for one command, of ${this.#r2tMax}`);
    }
    this.#tell("toHost", pdu, () => (r2t.reached = "yes"));
  }

  #c2hData(pdu: SeenPdu): void {
    const { view, dataBytes, flags } = pdu;
    const command = this.#outstanding("C2HData", view.getUint16(8, true));
    if (command === undefined) return;
    const bad = (what: string): void => this.wrong("toHost", "I32", `C2HData: ${what}`);
    const offset = view.getUint32(12, true);
    const bytes = view.getUint32(16, true);
    if (offset === 0) this.#carries("toHost", command, pdu);
    if (command.direction !== "toHost") bad(`command ${command.cid} does not read`);
    if (bytes !== dataBytes) bad(`DATAL ${bytes}, and ${dataBytes} bytes of data`);
    if (command.last === "seen") bad("it comes after LAST_PDU");
    if (offset !== command.movedBytes) bad(`DATAO ${offset}, not ${command.movedBytes}`);
    command.movedBytes = offset + bytes;
    if (command.movedBytes > command.transferBytes) {
      bad(`bytes ${offset} to ${command.movedBytes} of ${command.transferBytes}`);
    }
    if ((flags & PduFlag.Last) !== 0) command.last = "seen";
    if ((flags & PduFlag.Success) === 0) return;
    if (command.last === "unseen") bad("SUCCESS without LAST_PDU");
    this.#head.unsaid();
    this.#answered(command, pdu, 0);
  }

  #response(pdu: SeenPdu): void {
    const { view } = pdu;
    const command = this.#outstanding("CapsuleResp", view.getUint16(8 + 12, true));
    if (command === undefined) return;
    const status = view.getUint16(8 + 14, true) >> 1;
    if (status === 0 && command.connect !== undefined) {
      this.#tell("toHost", pdu, this.#proof.connected(view.getUint32(8, true)));
    }
    this.#head.said(view.getUint16(8 + 8, true), status === 0 ? command.connect : undefined);
    this.#answered(command, pdu, status);
  }

  #answered(command: WireCommand, pdu: SeenPdu, status: number): void {
    const { cid, direction, movedBytes, transferBytes, inCapsule } = command;
    if (command.r2ts.length > 0) {
      this.wrong("toHost", "I7", `command ${cid} ends while an R2T of it is unanswered`);
    }
    if (status === 0 && inCapsule === "no" && movedBytes < transferBytes) {
      const invariant = direction === "toHost" ? "I6" : "I7";
      const what = `success of command ${cid} with ${movedBytes} of ${transferBytes} bytes`;
      this.wrong("toHost", invariant, what);
    }
    if (direction === "toHost" && movedBytes > 0 && command.last === "unseen") {
      this.wrong("toHost", "I32", `command ${cid} ends without LAST_PDU`);
    }
    if (status === 0 && command.connect === undefined) this.#proof.serves(command);
    command.phase = "answered";
    this.#tell("toHost", pdu, () => {
      if (this.#commands.get(cid) === command) this.#commands.delete(cid);
    });
  }
}
