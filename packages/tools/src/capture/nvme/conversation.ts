// Both directions of an NVMe/TCP connection together: commands followed, rules judged, events told.
// Read first: NVMe/TCP 1.0 §3.3 "Data Transfer Model", §3.4, §3.5; judge-host.ts, judge-controller.ts.
//
// A capture sees bytes before their receiver does, and an answer after what it answers: so the order of
// the capture is good enough to judge by. Where something was missed, what follows is doubted, and no
// verdict is given on what nobody can know.

import {
  CAPSULE_OFFSET,
  ConnectCommand,
  Cqe,
  DataPdu,
  Fctype,
  Fes,
  OPC_FABRICS,
  PduFlag,
  PduType,
  Status,
  Sqe,
  TERM_REQ_DATA_MAX,
  cqeStatus,
  pduName,
} from "@nvmeof/codec";
import type { CaptureHandler, VerdictEvent } from "../events.ts";
import { type CapturedCommand, commandOf, isPatient, queueKindOf } from "./command.ts";
import { acceptConnect, noteConnect } from "./connect.ts";
import type { Connection, EndedBy } from "./connection.ts";
import {
  type CapturedController,
  type Controllers,
  heardOf,
  isConnect,
  learn,
  silenceOf,
} from "./controllers.ts";
import { type LostBy, type Moment, type Place, PduCutter, type PduSink } from "./cutter.ts";
import { judgeC2hData, judgeR2t, judgeResponse, judgeSuccess } from "./judge-controller.ts";
import { type Find, type QueueFacts, judgeCapsule, judgeH2cData } from "./judge-host.ts";
import { Ledger } from "./ledger.ts";
import type { CapturedPdu, Direction } from "./pdu.ts";
import { dirtyReserved } from "./reserved.ts";
import { type Cutters, Setup } from "./setup.ts";
import { type RuleId, noAnswer, rules, silentClose, status, termReq } from "./rules.ts";

/** What a conversation is told from outside. */
export interface ConversationContext {
  readonly moment: Moment;
  readonly tell: CaptureHandler;
  readonly controllers: Controllers;
  /** An answer that takes longer is late, ms. */
  readonly lateMs: number;
}

/** Data that is kept of a command which is no I/O, bytes. */
const KEPT_BYTES_MAX = 64 * 1024;

const sender = { toController: "host", toHost: "controller" } as const;

/** The rules on the five fields of a common header, by the first byte of each. */
const headerRules: Readonly<Record<number, RuleId>> = {
  0: "header-type",
  1: "header-flags",
  2: "header-hlen",
  3: "header-pdo",
  4: "header-plen",
};

/** Judgement on the PDU at hand. */
interface Sentence {
  command: CapturedCommand | undefined;
  answers: boolean;
  data: Uint8Array | undefined;
}

export class Conversation implements PduSink {
  readonly connection: Connection;
  readonly #context: ConversationContext;
  readonly #cutters: Cutters;
  readonly #ledger = new Ledger();
  #controller: CapturedController | undefined;
  #connected: QueueFacts["connected"] = "no";
  readonly #setup: Setup;
  /** Data of the capsule or TermReq under way. */
  readonly #arriving: Record<Direction, Uint8Array | undefined> = {
    toController: undefined,
    toHost: undefined,
  };
  /** Directions of which no PDU can be told. */
  readonly #blind = new Set<Direction>();
  #verdicts: VerdictEvent[] = [];

  constructor(connection: Connection, context: ConversationContext) {
    this.connection = connection;
    this.#context = context;
    const { moment } = context;
    this.#cutters = {
      toController: new PduCutter("toController", this, moment),
      toHost: new PduCutter("toHost", this, moment),
    };
    this.#setup = new Setup(connection);
  }

  /** The beginning of this direction was not captured. */
  join(direction: Direction): void {
    this.#doubt();
    this.#cutters[direction].joinInMiddle();
  }

  bytes(direction: Direction, bytes: Uint8Array, view: DataView, start: number, end: number): void {
    this.#cutters[direction].bytes(bytes, view, start, end);
  }

  missing(direction: Direction, count: number): void {
    this.#cutters[direction].missing(count);
  }

  /** A retransmission has other bytes than those that came first. */
  differs(direction: Direction): void {
    const message = "a retransmission has other bytes; those that came first count";
    this.#find(direction)("tcp-differs", noAnswer, message);
    this.#tellVerdicts();
  }

  /** The sender of this direction has closed it. */
  closed(direction: Direction): void {
    if (!this.#cutters[direction].isInside) return;
    this.#find(direction)("end-inside", noAnswer, "it closes in the middle of a PDU");
    this.#tellVerdicts();
  }

  /** Nothing more comes. */
  finish(by: EndedBy): void {
    const { connection } = this;
    const { moment, tell } = this.#context;
    this.#judgeSilence(undefined);
    this.#tellVerdicts();
    const at = { connection, frame: moment.frame, timeMs: moment.timeMs };
    for (const command of this.#ledger.open.values()) {
      if (command.phase !== "open" || isPatient(command)) continue;
      connection.counts.open++;
      tell({ type: "open", ...at, command });
    }
    connection.endedBy = by;
    tell({ type: "end", ...at, by });
  }

  place(type: number, header: DataView, dataBytes: number): Place | undefined {
    switch (type) {
      case PduType.H2CTermReq:
      case PduType.C2HTermReq:
        return this.#arrive(type === PduType.C2HTermReq ? "toHost" : "toController", dataBytes);
      case PduType.CapsuleCmd: {
        const isFabrics = Sqe.opc.get(header, CAPSULE_OFFSET) === OPC_FABRICS;
        const isKept = isFabrics || this.#queueKind(header) === "admin";
        return isKept ? this.#arrive("toController", dataBytes) : undefined;
      }
      case PduType.C2HData:
      case PduType.H2CData: {
        const command = this.#ledger.open.get(DataPdu.cccid.get(header));
        if (command === undefined) return undefined;
        if (command.queue !== "admin" && command.opcode !== OPC_FABRICS) return undefined;
        command.arriving ??= new Uint8Array(Math.min(command.transferBytes, KEPT_BYTES_MAX));
        return { bytes: command.arriving, at: DataPdu.datao.get(header) };
      }
      default:
        return undefined;
    }
  }

  pdu(pdu: CapturedPdu): void {
    const { connection } = this;
    const { direction, frame, timeMs, type } = pdu;
    connection.counts.pdus++;
    connection.lastFrame = frame;
    connection.lastTimeMs = timeMs;
    const sentence: Sentence = { command: undefined, answers: false, data: undefined };
    const find: Find = (rule, answer, message) =>
      this.#find(direction)(rule, answer, `${pduName(type)}: ${message}`);
    if (pdu.refusal !== undefined) this.#refused(pdu, find);
    else if (pdu.headerDigest.state === "bad") {
      const { received, computed } = pdu.headerDigest;
      const message = `header digest ${hex(received)}, expected ${hex(computed)}`;
      find("header-digest", termReq(Fes.HeaderDigest, received), message);
      this.#doubt();
    } else if (!pdu.hasHeader) this.#doubt();
    else this.#judge(pdu, sentence, find);
    this.#judgeRest(pdu, find);
    this.#arriving[direction] = undefined;
    const { command, answers, data } = sentence;
    this.#context.tell({ type: "pdu", connection, frame, timeMs, pdu, command, answers, data });
    this.#tellVerdicts(command);
  }

  lost(direction: Direction, by: LostBy): void {
    this.#blind.add(direction);
    this.#ledger.isBlind = true;
    if (by === "middle") return;
    const { connection } = this;
    const { moment, tell } = this.#context;
    this.#doubt();
    connection.counts.gaps++;
    const { frame, timeMs } = moment;
    tell({ type: "gap", connection, frame, timeMs, direction, by });
  }

  found(direction: Direction, skippedBytes: number): void {
    const { frame, timeMs } = this.#context.moment;
    const { connection } = this;
    this.#doubt();
    this.#blind.delete(direction);
    this.#ledger.isBlind = this.#blind.size > 0;
    this.#context.tell({ type: "resumed", connection, frame, timeMs, direction, skippedBytes });
  }

  /** Something was not captured: it may have been anything. */
  #doubt(): void {
    this.#ledger.doubt();
    this.#setup.doubt();
    if (this.#connected === "no") this.#connected = "unknown";
    if (this.#controller !== undefined) this.#controller.heardMs = this.#context.moment.timeMs;
  }

  /** Data of the capsule or TermReq at hand, if all of it was captured. */
  #arrived({ direction, missingBytes }: CapturedPdu): Uint8Array | undefined {
    return missingBytes === 0 ? this.#arriving[direction] : undefined;
  }

  #arrive(direction: Direction, dataBytes: number): Place | undefined {
    if (dataBytes === 0) return undefined;
    const bytes = new Uint8Array(Math.min(dataBytes, KEPT_BYTES_MAX));
    this.#arriving[direction] = bytes;
    return { bytes, at: 0 };
  }

  /** The kind of queue, with what the capsule in `header` tells of it. */
  #queueKind(header: DataView): "admin" | "io" | "unknown" {
    const { connection } = this;
    const isConnect =
      Sqe.opc.get(header, CAPSULE_OFFSET) === OPC_FABRICS &&
      header.getUint8(CAPSULE_OFFSET + 4) === Fctype.Connect;
    if (isConnect) return ConnectCommand.qid.get(header, CAPSULE_OFFSET) === 0 ? "admin" : "io";
    return connection.queue === "unknown" ? queueKindOf(header, CAPSULE_OFFSET) : connection.queue;
  }

  /** The common header is one that its receiver does not take. */
  #refused({ type, refusal }: CapturedPdu, find: Find): void {
    const { fes, fei, message } = refusal!;
    const isTermReq = type === PduType.H2CTermReq || type === PduType.C2HTermReq;
    // A TermReq is never answered with another one, not even a malformed one.
    const answer = isTermReq && fei > 0 ? silentClose : termReq(fes, fei);
    find(headerRules[fei] ?? "header-plen", answer, withoutStatus(message, pduName(type)));
  }

  #judge(pdu: CapturedPdu, sentence: Sentence, find: Find): void {
    const { direction, type } = pdu;
    const isTermReq = type === PduType.H2CTermReq || type === PduType.C2HTermReq;
    this.#setup.judgeEnd(direction, find);
    if (isTermReq) {
      this.#setup.terminate(direction, find);
      sentence.data = this.#arrived(pdu)?.slice(0, TERM_REQ_DATA_MAX);
    } else if (type === PduType.ICReq || type === PduType.ICResp) {
      this.#setup.initialize(pdu, this.#cutters, find);
    } else {
      this.#setup.judgeOrder(direction, find);
      this.#judgeRunning(pdu, sentence, find);
    }
  }

  #judgeRunning(pdu: CapturedPdu, sentence: Sentence, find: Find): void {
    switch (pdu.type) {
      case PduType.CapsuleCmd:
        this.#capsule(pdu, sentence, find);
        return;
      case PduType.H2CData:
        sentence.command = judgeH2cData(pdu, this.#ledger, this.#facts, find);
        this.#counted(sentence.command, pdu);
        return;
      case PduType.R2T:
        sentence.command = judgeR2t(pdu, this.#ledger, this.#facts, find);
        return;
      case PduType.C2HData:
        this.#c2hData(pdu, sentence, find);
        return;
      default:
        this.#response(pdu, sentence, find);
    }
  }

  get #facts(): QueueFacts {
    const { icReq, icResp, connect } = this.connection;
    return {
      connected: this.#connected,
      inCapsuleBytesMax: this.#controller?.inCapsuleBytesMax ?? Infinity,
      maxH2cDataBytes: icResp?.maxH2cDataBytes ?? Infinity,
      maxR2t: icReq?.maxR2t ?? Infinity,
      qid: connect?.qid,
    };
  }

  #counted(command: CapturedCommand | undefined, pdu: CapturedPdu): void {
    if (command !== undefined) {
      command.dataPdus++;
      command.arrivedBytes += pdu.dataBytes - pdu.missingBytes;
      if (command.arrivedBytes >= command.transferBytes) command.data = command.arriving;
    }
    const { counts } = this.connection;
    if (pdu.direction === "toHost") counts.dataToHost += pdu.dataBytes;
    else counts.dataToController += pdu.dataBytes;
  }

  #capsule(pdu: CapturedPdu, sentence: Sentence, find: Find): void {
    const { connection } = this;
    connection.queue = this.#queueKind(pdu.header);
    const command = commandOf(pdu, connection.queue);
    sentence.command = command;
    connection.counts.commands++;
    connection.counts.dataToController += pdu.dataBytes;
    const isFollowed = judgeCapsule(pdu, command, this.#ledger, this.#facts, find);
    command.data = sentence.data = this.#arrived(pdu);
    if (!isFollowed) return;
    this.#ledger.add(command);
    if (isConnect(command)) connection.connect = noteConnect(command);
    this.#judgeSilence(command);
  }

  #c2hData(pdu: CapturedPdu, sentence: Sentence, find: Find): void {
    const command = judgeC2hData(pdu, this.#ledger, find);
    sentence.command = command;
    this.#counted(command, pdu);
    if (command === undefined || (pdu.flags & PduFlag.Last) === 0) return;
    sentence.data = command.data;
    if ((pdu.flags & PduFlag.Success) === 0) return;
    judgeSuccess(command, find);
    sentence.answers = true;
    this.#answered(command, pdu, { status: 0, dw0: 0, dw1: 0 }, find);
  }

  #response(pdu: CapturedPdu, sentence: Sentence, find: Find): void {
    const { header } = pdu;
    const command = judgeResponse(pdu, this.#ledger, this.#facts, find);
    const said = cqeStatus.get(header, CAPSULE_OFFSET);
    const sqhd = Cqe.sqhd.get(header, CAPSULE_OFFSET);
    const isAccepted = command !== undefined && isConnect(command) && said === 0;
    if (!isAccepted) {
      const wrong = this.#ledger.window.said(sqhd);
      if (wrong !== undefined) find("response-sqhd", noAnswer, wrong);
    }
    if (command === undefined) return;
    sentence.command = command;
    sentence.answers = true;
    const dw0 = Cqe.dw0.get(header, CAPSULE_OFFSET);
    const dw1 = Cqe.dw1.get(header, CAPSULE_OFFSET);
    this.#answered(command, pdu, { status: said, dw0, dw1 }, find);
    if (isAccepted) this.#accepted(command, dw0, sqhd);
  }

  #answered(
    command: CapturedCommand,
    { frame, timeMs }: CapturedPdu,
    said: { readonly status: number; readonly dw0: number; readonly dw1: number },
    find: Find,
  ): void {
    const { counts } = this.connection;
    const latencyMs = timeMs - command.timeMs;
    const isSure = command.phase !== "doubtful";
    this.#ledger.answer(command, { frame, timeMs, latencyMs, isSure, ...said });
    counts.answered++;
    if (said.status !== 0) counts.errors++;
    else if (this.#controller !== undefined && command.queue === "admin") {
      learn(this.#controller, command);
    }
    if (isSure && latencyMs > this.#context.lateMs && !isPatient(command)) {
      find(
        "response-late",
        noAnswer,
        `${command.name} was answered after ${Math.round(latencyMs)} ms`,
      );
    }
  }

  /** A Connect was answered with success. */
  #accepted(command: CapturedCommand, dw0: number, sqhd: number): void {
    const { connection } = this;
    const connect = acceptConnect(command, dw0);
    connection.connect = connect;
    this.#connected = "yes";
    if (this.#ledger.isWhole) {
      this.#ledger.window.connected(connect.entries, connect.disablesFlowControl, sqhd);
    }
    const { controllers, moment } = this.#context;
    this.#controller =
      connect.qid === 0
        ? controllers.create(connection, moment.timeMs)
        : controllers.find(connection);
  }

  /** A command, or the end, after which the controller has not heard of its host for too long. */
  #judgeSilence(command: CapturedCommand | undefined): void {
    const controller = this.#controller;
    if (controller === undefined || this.#blind.has("toController")) return;
    const { timeMs } = this.#context.moment;
    const isAdmin = this.connection.connect?.qid === 0;
    const gapMs =
      command !== undefined
        ? heardOf(controller, command, timeMs)
        : isAdmin
          ? silenceOf(controller, timeMs)
          : undefined;
    if (gapMs === undefined) return;
    const limit = controller.keepAliveTimeoutMs;
    const message = `nothing kept the controller alive for ${Math.round(gapMs)} ms, KATO is ${limit} ms`;
    this.#find("toController")("keep-alive-gap", noAnswer, message);
  }

  /** What does not depend on the type. */
  #judgeRest(pdu: CapturedPdu, find: Find): void {
    if (pdu.dataDigest.state === "bad") {
      const { received, computed } = pdu.dataDigest;
      const message = `data digest ${hex(received)}, expected ${hex(computed)}`;
      find("data-digest", status(Status.TransientTransport), message);
    }
    if (!pdu.hasHeader || pdu.headerDigest.state === "bad") return;
    const at = dirtyReserved(pdu);
    if (at !== undefined) find("reserved", noAnswer, `byte ${at} is reserved, and not 0`);
    if (pdu.dirtyPadding) find("padding", noAnswer, "padding is not 0");
  }

  #find(direction: Direction): Find {
    return (rule, answer, message) => {
      const { connection } = this;
      const { severity } = rules[rule];
      const { frame, timeMs } = this.#context.moment;
      if (severity === "violation") connection.counts.violations++;
      else connection.counts.warnings++;
      this.#verdicts.push({
        type: "verdict",
        connection,
        frame,
        timeMs,
        rule,
        severity,
        by: sender[direction],
        message,
        answer,
        command: undefined,
      });
    };
  }

  #tellVerdicts(command?: CapturedCommand): void {
    if (this.#verdicts.length === 0) return;
    const verdicts = this.#verdicts;
    this.#verdicts = [];
    for (const verdict of verdicts) this.#context.tell({ ...verdict, command });
  }
}

const hex = (word: number): string => `0x${word.toString(16).padStart(8, "0")}`;

/** The message of a refusal without what the answer says anyway, and without the PDU's name. */
const withoutStatus = (message: string, name: string): string =>
  message.replace(/ \(FES \d.*\)$/, "").replace(`${name}: `, "");
