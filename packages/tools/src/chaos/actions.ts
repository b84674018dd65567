// What each fault of PDUs does: one function per kind.
// Read first: kinds.ts for what each is; turn.ts for what it may do; NVMe/TCP 1.0 §3.3 "Data Transfer Model".

import {
  AdminOpcode,
  CAPSULE_OFFSET,
  PduFlag,
  PduType,
  R2t,
  cqeStatus,
  hexh,
  statusOf,
} from "@nvmeof/codec";
import type { PduFaultKind } from "./kinds.ts";
import { capsuleResp, termReq } from "./pdu.ts";
import type { PduFault } from "./plan.ts";
import type { Turn } from "./turn.ts";

/** How a kind acts. */
interface Action<K extends PduFaultKind> {
  /** Whether it can act on this PDU. Default: on each of the types that the kind names. */
  readonly fits?: (turn: Turn, values: PduFault<K>["values"]) => boolean;
  /** Acts; says what it did, or undefined where a limit forbids it. */
  readonly act: (turn: Turn, values: PduFault<K>["values"]) => string | undefined;
}

const CID_LIMIT = 0x1_0000;

/** A number that is a whole of dwords, as data within a command has to be. */
const dwords = (bytes: number): number => bytes - (bytes % 4);

/** A CapsuleResp for the command of the PDU. */
function answer({ pdu, conversation }: Turn, status: number): Uint8Array {
  const { sqhd, qid = 0, terms } = conversation;
  return capsuleResp({ cid: pdu.cid, sqhd, qid, status }, terms.digests);
}

/** A CID that no command in flight has, and that the PDU has not either. */
function idleCid({ pdu, conversation, dice }: Turn): number {
  const first = dice.below(CID_LIMIT);
  for (let i = 0; i < CID_LIMIT; i++) {
    const cid = (first + i) % CID_LIMIT;
    if (cid !== pdu.cid && !conversation.commands.has(cid)) return cid;
  }
  return first;
}

const othersInFlight = ({ pdu, conversation }: Turn): number[] =>
  [...conversation.commands.keys()].filter((cid) => cid !== pdu.cid);

function rename(turn: Turn, cid: number): string {
  const { pdu } = turn;
  const was = pdu.cid;
  pdu.cid = cid;
  pdu.redigest();
  return `CID ${was} became ${cid}`;
}

function askFor({ pdu }: Turn, bytes: number): string {
  const was = R2t.r2tl.get(pdu.view);
  R2t.r2tl.set(pdu.view, 0, bytes);
  pdu.redigest();
  return `R2TL ${was} became ${bytes}`;
}

function resize({ pdu }: Turn, bytes: number): string {
  const was = pdu.dataBytes;
  pdu.resize(bytes);
  return `${was} bytes of data became ${bytes}`;
}

/** How many bytes of data are left where some are to be missing. */
const shortened = ({ pdu }: Turn, missing: number | undefined): number =>
  missing === undefined ? dwords(pdu.dataBytes >> 1) : pdu.dataBytes - missing;

/** The status of a completion, in whichever PDU it is. */
function complete(turn: Turn, status: number): void {
  const { pdu } = turn;
  if (pdu.type === PduType.CapsuleResp) {
    cqeStatus.set(pdu.view, CAPSULE_OFFSET, status);
  } else {
    // SUCCESS leaves no room for another status: the answer comes in a PDU of its own.
    pdu.setFlags(pdu.flags & ~PduFlag.Success);
    turn.after.push(answer(turn, status));
  }
  pdu.redigest();
}

const isAnswer = ({ pdu }: Turn): boolean => pdu.isAnswer;

/** Which bit is wrong, counted from the first of the PDU. */
function bitOf({ pdu, dice }: Turn, { where, bit }: PduFault<"flip-bit">["values"]): number {
  const { hlen, dataAt, dataBytes } = pdu;
  const headerBits = hlen * 8;
  const inData = (at: number): number => dataAt * 8 + at;
  const count = where === "header" ? headerBits : dataBytes * 8;
  if (where !== "any") {
    const chosen = (bit ?? dice.below(count)) % count;
    return where === "header" ? chosen : inData(chosen);
  }
  const all = headerBits + dataBytes * 8;
  const chosen = (bit ?? dice.below(all)) % all;
  return chosen < headerBits ? chosen : inData(chosen - headerBits);
}

export const actions: { readonly [K in PduFaultKind]: Action<K> } = {
  "drop-pdu": {
    act: (turn) => {
      turn.drop();
      return "dropped";
    },
  },
  "dup-pdu": {
    act: ({ pdu, after }) => {
      after.push(pdu.bytes.slice());
      return "sent twice";
    },
  },
  "delay-pdu": {
    act: (turn, { delayMs }) => {
      turn.delayMs += delayMs;
      return `${delayMs} ms later, and all behind it`;
    },
  },
  "hold-response": {
    fits: isAnswer,
    act: (turn, { holdMs }) =>
      turn.keep({ forMs: holdMs, afterPdus: Infinity }) ? `held for ${holdMs} ms` : undefined,
  },
  reorder: {
    fits: ({ pdu }) => pdu.cid >= 0,
    act: (turn, { afterPdus, holdMs }) =>
      turn.keep({ forMs: holdMs, afterPdus }) ? `behind ${afterPdus} other` : undefined,
  },
  truncate: {
    act: (turn, { bytes, ends }) => {
      const { pdu, link } = turn;
      const whole = pdu.bytes.length;
      const count = Math.min(bytes ?? whole >> 1, whole - 1);
      pdu.replace(pdu.bytes.subarray(0, count));
      turn.seal();
      if (ends === "silence") turn.afterwards.push(() => link.silence(pdu.direction, Infinity));
      else turn.afterwards.push(() => link.end(ends));
      return `${count} of ${whole} bytes, then ${ends}`;
    },
  },
  blackhole: {
    act: ({ link, afterwards }, { silences, forMs }) => {
      const lastsMs = forMs === 0 ? Infinity : forMs;
      afterwards.push(() => {
        if (silences !== "downstream") link.silence("upstream", lastsMs);
        if (silences !== "upstream") link.silence("downstream", lastsMs);
      });
      return `nothing passes ${silences}${forMs === 0 ? "" : ` for ${forMs} ms`}`;
    },
  },
  "half-open": {
    act: ({ link, afterwards }, { loses }) => {
      afterwards.push(() => link.lose(loses));
      return `the ${loses} is lost`;
    },
  },
  "kato-starve": {
    fits: ({ pdu }, { drops }) =>
      pdu.command?.queue === "admin" &&
      pdu.command.opcode === AdminOpcode.KeepAlive &&
      (pdu.direction === "upstream") === (drops === "commands"),
    act: (turn) => {
      turn.drop();
      return "dropped";
    },
  },
  "term-req": {
    act: (turn, { fes, fei }) => {
      const { pdu, link } = turn;
      pdu.replace(termReq(pdu, fes, fei));
      turn.seal();
      turn.afterwards.push(() => link.end("close"));
      return `FES ${fes}, FEI ${fei}`;
    },
  },
  "flip-bit": {
    fits: ({ pdu }, { where }) => where !== "data" || pdu.dataBytes > 0,
    act: (turn, values) => {
      const { pdu } = turn;
      const bit = bitOf(turn, values);
      pdu.flip(bit);
      if (values.digests === "recomputed") pdu.redigest();
      return `bit ${bit & 7} of byte ${bit >> 3}`;
    },
  },
  "bad-hdgst": {
    fits: ({ pdu }) => pdu.digests.header,
    act: ({ pdu, dice }) => {
      pdu.flip(pdu.hlen * 8 + dice.below(32));
      return "the header digest is wrong";
    },
  },
  "bad-ddgst": {
    fits: ({ pdu }) => pdu.digests.data && pdu.dataBytes > 0,
    act: ({ pdu, dice }) => {
      pdu.flip((pdu.dataAt + pdu.dataBytes) * 8 + dice.below(32));
      return "the data digest is wrong";
    },
  },
  "dup-completion": {
    fits: isAnswer,
    act: (turn) => {
      const { pdu } = turn;
      const isCapsule = pdu.type === PduType.CapsuleResp;
      turn.after.push(isCapsule ? pdu.bytes.slice() : answer(turn, 0));
      return "answered twice";
    },
  },
  "unknown-cid": { act: (turn) => rename(turn, idleCid(turn)) },
  "swap-cid": {
    fits: (turn) => othersInFlight(turn).length > 0,
    act: (turn) => {
      const others = othersInFlight(turn);
      return rename(turn, others[turn.dice.below(others.length)]!);
    },
  },
  "early-completion": {
    act: (turn, { command }) => {
      turn.link.inject("downstream", answer(turn, 0));
      if (command === "pass") return "answered before it was there";
      turn.drop();
      // Its CID is free for the host from here on.
      turn.conversation.forget(turn.pdu.cid);
      return "answered, and dropped";
    },
  },
  "r2t-overrun": {
    fits: ({ pdu }) => (pdu.command?.transferBytes ?? 0) > R2t.r2to.get(pdu.view),
    act: (turn, { bytes }) => {
      const { pdu } = turn;
      return askFor(turn, pdu.command!.transferBytes - R2t.r2to.get(pdu.view) + bytes);
    },
  },
  "r2t-zero": { act: (turn) => askFor(turn, 0) },
  "short-data": {
    fits: (turn, { bytes }) => shortened(turn, bytes) > 0,
    act: (turn, { bytes }) => resize(turn, shortened(turn, bytes)),
  },
  "extra-data": {
    // Before the last there is always more to come.
    fits: ({ pdu }) => (pdu.flags & PduFlag.Last) !== 0,
    act: (turn, { bytes }) => resize(turn, turn.pdu.dataBytes + bytes),
  },
  status: {
    fits: isAnswer,
    act: (turn, { sct, sc, dnr, crd }) => {
      complete(turn, statusOf(sct, sc, dnr) | (crd << 11));
      return `SCT ${sct}h, SC ${hexh(sc)}${dnr ? ", DNR" : ""}${crd > 0 ? `, CRD ${crd}` : ""}`;
    },
  },
};

/** The action of a fault, its kind no longer known to the types. */
export const actionOf = (fault: PduFault): Action<PduFaultKind> =>
  actions[fault.kind] as unknown as Action<PduFaultKind>;
