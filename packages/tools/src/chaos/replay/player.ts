// One connection of a capture, played to a live controller: sends what the host sent, once it has heard as much.
// Read first: script.ts for the steps; hearing.ts for what is compared.

import { ConnectData, DataPdu, Fctype, type NvmeofError, PduType, viewOf } from "@nvmeof/codec";
import type { ByteStream, ByteStreamHandler, Clock, Connector, Timer } from "@nvmeof/transport";
import { Conversation } from "../conversation.ts";
import { ChaosPdu } from "../pdu.ts";
import { PduSplitter } from "../splitter.ts";
import { type Gate, Hearing, gateSubject, gateText, keyOf } from "./hearing.ts";
import { type ScriptConnection, type Step, agree } from "./script.ts";

/** Where the peer answered otherwise. */
export interface ReplayDifference {
  /** Number of the connection in the capture. */
  readonly connection: number;
  /** What it is about: "Read nsid 1 slba 0 blocks 8, CID 3". */
  readonly subject: string;
  /** What the capture has; undefined where it has nothing. */
  readonly recorded: string | undefined;
  /** What came; undefined where nothing did. */
  readonly answered: string | undefined;
  /** Nothing more can be sent on this connection. */
  readonly isFinal: boolean;
}

/** What a player needs of those around it. */
export interface Stage {
  readonly clock: Clock;
  readonly connector: Connector;
  readonly connectTimeoutMs: number;
  /** Time that an answer may take, ms. */
  readonly waitMs: number;
  /** CNTLIDs that the live controller has given, by those of the capture. */
  readonly cntlids: Map<number, number>;
  readonly differs: (difference: ReplayDifference) => void;
  /** A step is done, or all are. */
  readonly moved: () => void;
}

const RECEIVE_BYTES = 256 * 1024;
const PDU_BYTES_MAX = 64 * 1024 * 1024;

/** Whether the connection goes on as it was recorded in spite of a difference. */
function isFinal(recorded: Gate, answered: Gate): boolean {
  // PDUs are sent as they are: with other digests or another alignment they would be none.
  if (recorded.kind === "init" && answered.kind === "init") {
    const { headerDigest, dataDigest, cpda } = recorded;
    const isSame = headerDigest === answered.headerDigest && dataDigest === answered.dataDigest;
    return !isSame || cpda !== answered.cpda;
  }
  // What was not asked for must not be sent.
  return recorded.kind === "r2t" && answered.kind === "r2t";
}

type AnswerGate = Extract<Gate, { readonly kind: "answer" }>;

export class Player {
  readonly number: number;
  readonly #steps: readonly Step[];
  readonly #stage: Stage;
  readonly #conversation = new Conversation();
  readonly #hearing = new Hearing();
  readonly #splitter: PduSplitter;
  /** CIDs of commands that were answered where the capture goes on with them. */
  readonly #cut = new Set<number>();
  /** What has come and was not waited for yet, in its order. */
  readonly #heard: Gate[] = [];
  /** Live transfer tags, by those of the capture, of each command. */
  readonly #ttags = new Map<string, number>();
  #stream: ByteStream | undefined;
  #at = 0;
  #sentPdus = 0;
  #answers = 0;
  #timer: Timer | undefined;
  #phase: "waiting" | "opening" | "open" | "over" = "waiting";
  /** Why nothing comes any more. */
  #lost: string | undefined;

  constructor({ number, steps }: ScriptConnection, stage: Stage) {
    this.number = number;
    this.#steps = steps;
    this.#stage = stage;
    this.#splitter = new PduSplitter("downstream", PDU_BYTES_MAX, {
      pdu: (bytes, dataBytes) => this.#pdu(bytes, dataBytes),
      raw: () => {},
      oversized: (bytes) => this.#stop(`a PDU of ${bytes} bytes`),
      lost: (error) => this.#stop(error.message),
    });
  }

  /** Place, among all steps of the capture, of what it does next; Infinity once it is over. */
  get order(): number {
    return this.#phase === "over" ? Infinity : (this.#steps[this.#at]?.order ?? Infinity);
  }

  /** Whether its turn has come. */
  get hasBegun(): boolean {
    return this.#phase !== "waiting";
  }

  get sentPdus(): number {
    return this.#sentPdus;
  }

  /** Answers and requests for data that came as recorded, or otherwise. */
  get answers(): number {
    return this.#answers;
  }

  /** Does its next step; `false` where something has to happen before, which `moved` tells. */
  step(): boolean {
    if (this.#phase === "waiting") this.#start();
    const step = this.#steps[this.#at];
    if (this.#phase !== "open" || step === undefined) return false;
    if (this.#isCut(step)) {
      this.#next();
      return true;
    }
    if (step.kind === "gate" && !this.#pass(step.gate)) {
      this.#wait(step.gate);
      return false;
    }
    if (step.kind === "send") this.#send(step.pdu);
    this.#next();
    return true;
  }

  /** All is played: what came beyond the capture is told, and the stream ends in order. */
  close(): void {
    for (const gate of this.#heard) this.#extra(gate);
    this.#over();
    this.#stream?.close();
  }

  /** Ends it, whatever is left. */
  destroy(): void {
    this.#over();
    this.#stream?.reset();
  }

  #start(): void {
    const { connector, connectTimeoutMs, moved } = this.#stage;
    this.#phase = "opening";
    const handler: ByteStreamHandler = {
      opened: () => {
        this.#phase = "open";
        moved();
      },
      received: (buffer, start, end) => {
        if (this.#phase !== "open") return;
        this.#splitter.write(buffer.bytes, start, end);
        moved();
      },
      drained: () => {},
      ended: (error) => this.#ended(error),
    };
    this.#stream = connector.connect({ receiveBytes: RECEIVE_BYTES, connectTimeoutMs }, handler);
  }

  #next(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#at++;
  }

  #over(): void {
    this.#phase = "over";
    this.#timer?.cancel();
  }

  #pdu(bytes: Uint8Array, dataBytes: number): void {
    const { digests } = this.#conversation.terms;
    const pdu = new ChaosPdu("downstream", bytes, dataBytes, digests);
    this.#conversation.hear(pdu);
    agree({ downstream: this.#splitter }, this.#conversation);
    const gate = this.#hearing.hear(pdu);
    if (gate !== undefined) this.#heard.push(gate);
  }

  /** Whether a step is of a command that is over already; its answer is the last of them. */
  #isCut(step: Step): boolean {
    if (this.#cut.size === 0) return false;
    if (step.kind === "send") {
      return step.pdu.type === PduType.H2CData && this.#cut.has(step.pdu.cid);
    }
    const { gate } = step;
    if (gate.kind === "answer") return this.#cut.delete(gate.cid);
    return gate.kind === "r2t" && this.#cut.has(gate.cid);
  }

  /** Whether what was waited for has come, or what makes it pointless to wait. */
  #pass(recorded: Gate): boolean {
    const isMeant = (gate: Gate): boolean =>
      keyOf(gate) === keyOf(recorded) ||
      (recorded.kind === "r2t" && gate.kind === "answer" && gate.cid === recorded.cid);
    const found = this.#heard.findIndex(isMeant);
    if (found < 0) return false;
    const [answered] = this.#heard.splice(found, 1);
    this.#answers++;
    this.#learn(recorded, answered!);
    const [was, is] = [gateText(recorded), gateText(answered!)];
    if (answered!.kind !== recorded.kind) this.#cut.add((answered as AnswerGate).cid);
    if (was !== is) this.#differ(recorded, was, is, isFinal(recorded, answered!));
    return true;
  }

  #learn(recorded: Gate, answered: Gate): void {
    if (recorded.kind === "r2t" && answered.kind === "r2t") {
      this.#ttags.set(`${recorded.cid} ${recorded.ttag}`, answered.ttag);
    }
    if (recorded.kind !== "answer" || answered.kind !== "answer") return;
    if (recorded.command?.fctype !== Fctype.Connect || answered.status !== 0) return;
    this.#stage.cntlids.set(recorded.dw0 & 0xffff, answered.dw0 & 0xffff);
  }

  #wait(gate: Gate): void {
    const { clock, waitMs, moved } = this.#stage;
    // A TermReq, or the end of the stream, where the capture goes on: no answer can come any more.
    const term = this.#heard.find(({ kind }) => kind === "term");
    if (term !== undefined) this.#stop(gateText(term));
    else if (this.#lost !== undefined) this.#stop(this.#lost);
    if (this.#phase === "over") return;
    this.#timer ??= clock.at(clock.nowMs() + waitMs, () => {
      this.#next();
      this.#differ(gate, gateText(gate), undefined, gate.kind === "r2t" || gate.kind === "init");
      moved();
    });
  }

  #send(recorded: ChaosPdu): void {
    const { direction, dataBytes, digests } = recorded;
    // What is sent is changed, and the script may be played again.
    const pdu = new ChaosPdu(direction, recorded.bytes.slice(), dataBytes, digests);
    if (pdu.type === PduType.H2CData) this.#retag(pdu);
    this.#conversation.hear(pdu);
    if (pdu.type === PduType.CapsuleCmd) this.#rename(pdu);
    this.#sentPdus++;
    this.#stream!.write([pdu.bytes]);
  }

  #retag(pdu: ChaosPdu): void {
    const ttag = this.#ttags.get(`${pdu.cid} ${DataPdu.ttag.get(pdu.view)}`);
    if (ttag === undefined || ttag === DataPdu.ttag.get(pdu.view)) return;
    DataPdu.ttag.set(pdu.view, 0, ttag);
    pdu.redigest();
  }

  /** An I/O queue belongs to the controller that there is now. */
  #rename(pdu: ChaosPdu): void {
    const isConnect = pdu.command?.fctype === Fctype.Connect;
    if (!isConnect || pdu.dataBytes < ConnectData.size || this.#conversation.qid === 0) return;
    const data = viewOf(pdu.bytes.subarray(pdu.dataAt));
    const cntlid = this.#stage.cntlids.get(ConnectData.cntlid.get(data));
    if (cntlid === undefined || cntlid === ConnectData.cntlid.get(data)) return;
    ConnectData.cntlid.set(data, 0, cntlid);
    pdu.redigest();
  }

  #differ(gate: Gate, recorded: string | undefined, answered: string | undefined, final: boolean) {
    const { number } = this;
    const subject = gateSubject(gate);
    this.#stage.differs({ connection: number, subject, recorded, answered, isFinal: final });
    if (final) this.#over();
  }

  /** The connection cannot go on. */
  #stop(why: string): void {
    if (this.#phase === "over") return;
    const step = this.#steps.slice(this.#at).find(({ kind }) => kind === "gate");
    const gate = step?.kind === "gate" ? step.gate : undefined;
    this.#heard.length = 0;
    this.#stage.differs({
      connection: this.number,
      subject: gate === undefined ? "the connection" : gateSubject(gate),
      recorded: gate === undefined ? undefined : gateText(gate),
      answered: why,
      isFinal: true,
    });
    this.#over();
    this.#stage.moved();
  }

  /** What came before the end is compared first; what is sent after it goes nowhere. */
  #ended(error: NvmeofError | undefined): void {
    if (this.#phase === "over") return;
    this.#lost = error?.message ?? "the end of the connection";
    if (this.#phase === "opening") this.#stop(this.#lost);
    else this.#stage.moved();
  }

  /** Something came that the capture has not. */
  #extra(gate: Gate): void {
    this.#differ(gate, undefined, gateText(gate), false);
  }
}
