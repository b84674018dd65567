// The honest answer to every command that a scripted controller may get: a table.
// Read first: command.ts for the steps; Base 2.0 §5.2 "Asynchronous Event Request command".

import {
  AbortCommand,
  ConnectCommand,
  NumberOfQueues,
  RwCommand,
  Status,
  encodeDword,
} from "@nvmeof/codec";
import {
  ScriptedAssociation,
  type ScriptedFacts,
  cntlidOf,
  refusal,
  subsystemOf,
} from "./association.ts";
import type { Answer, ScriptedStep, SeenCommand } from "./command.ts";
import type { ScriptedQueue } from "./scripted-queue.ts";

/** What the answers draw on. */
export interface Subsystem {
  readonly facts: ScriptedFacts;
  readonly queues: ReadonlySet<ScriptedQueue>;
  readonly associations: Map<number, ScriptedAssociation>;
  newCntlid(): number;
}

/** The answer to `command`, which arrived on `queue`; `undefined` leaves it unanswered. */
export type Usual = (
  subsystem: Subsystem,
  queue: ScriptedQueue,
  command: SeenCommand,
) => Answer | undefined;

const IN_CAPSULE_BYTES = 8192;
/** IATTR and IPO of Connect Invalid Parameters: SUBNQN, in the data. */
const SUBNQN_IN_DATA = 0x1_0100;

const ofAssociation =
  (answer: (association: ScriptedAssociation, command: SeenCommand) => Answer): Usual =>
  (_subsystem, { association }, command) =>
    association === undefined ? refusal(Status.CommandSequenceError) : answer(association, command);

const property = ofAssociation((association, command) => association.property(command));
const succeed = ofAssociation(() => ({}));
const zeroes = ofAssociation((_association, { transferBytes }) => ({
  data: new Uint8Array(transferBytes),
}));

const connect: Usual = (subsystem, queue, command) => {
  const { sqe } = command;
  const qid = ConnectCommand.qid.get(sqe);
  const { facts, associations } = subsystem;
  if (subsystemOf(command) !== facts.subsystemNqn) {
    return { ...refusal(Status.ConnectInvalidParameters), dw0: SUBNQN_IN_DATA };
  }
  const association =
    qid === 0
      ? new ScriptedAssociation(subsystem.newCntlid(), facts)
      : associations.get(cntlidOf(command));
  if (association === undefined) return refusal(Status.ConnectInvalidParameters);
  associations.set(association.cntlid, association);
  const answer = qid === 0 ? { dw0: association.cntlid } : association.connectIo(command);
  if (answer.status !== undefined) return answer;
  queue.qid = qid;
  queue.association = association;
  const flowControl = ConnectCommand.dsqfc.get(sqe) === 0;
  queue.configure(ConnectCommand.sqsize.get(sqe), flowControl, IN_CAPSULE_BYTES);
  return answer;
};

/** Keeps the request until there is something to tell. */
const asyncEvent: Usual = ({ facts }, queue) => {
  const held = [...queue.unanswered.values()].filter(({ step }) => step === "async-event");
  return held.length > (facts.identify.aerl ?? 1) ? refusal(Status.AerLimitExceeded) : undefined;
};

/** Aborts a command that was left unanswered; DW0 bit 0 says that there was none. */
const abort: Usual = ({ queues }, { association }, { sqe }) => {
  const qid = AbortCommand.sqid.get(sqe);
  const cid = AbortCommand.abortedCid.get(sqe);
  for (const queue of queues) {
    if (queue.qid !== qid || queue.association !== association) continue;
    for (const [tag, command] of queue.unanswered) {
      if (command.cid !== cid) continue;
      queue.answer(tag, { status: Status.AbortRequested });
      return { dw0: 0 };
    }
  }
  return { dw0: 1 };
};

export const usual: Readonly<Record<ScriptedStep, Usual>> = {
  connect,
  "connect-io": connect,
  // It knows nobody, unless it is told to.
  "auth-send": () => refusal(Status.InvalidOpcode),
  "auth-receive": () => refusal(Status.InvalidOpcode),
  "get-cap": property,
  "get-vs": property,
  "get-cc": property,
  "get-csts": property,
  "get-property": property,
  "set-cc": ofAssociation((association, command) => association.setCc(command)),
  "set-property": () => refusal(Status.InvalidField),
  "identify-controller": ofAssociation((association) => association.identify()),
  identify: zeroes,
  log: zeroes,
  "set-async-events": succeed,
  "set-host-behavior": succeed,
  "set-features": succeed,
  "set-number-of-queues": ({ facts: { ioQueues } }) => ({
    dw0: encodeDword(NumberOfQueues, { nsq: ioQueues, ncq: ioQueues }),
  }),
  "get-features": succeed,
  "keep-alive": succeed,
  "async-event": asyncEvent,
  abort,
  /** Every byte of a read is the low byte of its first block's number. */
  read: (_subsystem, _queue, { sqe, transferBytes }) => ({
    data: new Uint8Array(transferBytes).fill(RwCommand.slba.get(sqe) & 0xff),
  }),
  write: succeed,
  flush: succeed,
  other: succeed,
};
