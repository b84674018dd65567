// Events as plain objects, for whoever prints JSON: one shape per type, to which fields are only added.
// Read first: events.ts.

import { pduName } from "@nvmeof/codec";
import type { CaptureEvent, OpenEvent, PduEvent, VerdictEvent } from "../events.ts";
import type { CapturedCommand } from "../nvme/command.ts";
import type { Connection } from "../nvme/connection.ts";
import { commandText, statusText } from "./describe.ts";
import type { FieldValue } from "./field.ts";
import { pduSections } from "./pdu-fields.ts";

/** An event as JSON has it; 64-bit values are bigints, and bytes are arrays of bytes. */
export type EventObject = Readonly<Record<string, unknown>>;

const connectionObject = (connection: Connection): EventObject => {
  const { number, host, controller, begins, connect, icReq, icResp } = connection;
  return {
    connection: number,
    host,
    controller,
    begins,
    queue: connection.queueText,
    icReq: icReq ?? null,
    icResp: icResp ?? null,
    connect: connect ?? null,
  };
};

/** What is known of a connection, once it is over. */
export const connectionFacts = (connection: Connection): EventObject => ({
  ...connectionObject(connection),
  firstFrame: connection.firstFrame,
  lastFrame: connection.lastFrame,
  durationMs: connection.lastTimeMs - connection.firstTimeMs,
  endedBy: connection.endedBy ?? null,
  counts: { ...connection.counts },
  tcp: { toController: { ...connection.tcp.toController }, toHost: { ...connection.tcp.toHost } },
});

function commandObject(command: CapturedCommand): EventObject {
  const { answer, slba, blockCount, fctype } = command;
  return {
    cid: command.cid,
    opcode: command.opcode,
    ...(fctype < 0 ? {} : { fctype }),
    name: command.name,
    text: commandText(command),
    nsid: command.nsid,
    ...(slba === undefined ? {} : { slba, blockCount }),
    transferBytes: command.transferBytes,
    requestFrame: command.frame,
    ...(answer === undefined
      ? {}
      : {
          responseFrame: answer.frame,
          latencyMs: answer.isSure ? answer.latencyMs : null,
          status: answer.status,
          statusText: statusText(answer.status, fctype >= 0),
        }),
  };
}

/** Fields by their names; where a name stands for several, a list of them. */
function fieldObject(event: PduEvent): Record<string, FieldValue | FieldValue[]> {
  const fields: Record<string, FieldValue | FieldValue[]> = {};
  for (const { fields: some } of pduSections(event)) {
    for (const { name, value } of some) {
      const known = fields[name];
      if (known === undefined) fields[name] = value;
      else if (Array.isArray(known)) known.push(value);
      else fields[name] = [known, value];
    }
  }
  return fields;
}

function pduObject(event: PduEvent): EventObject {
  const { pdu, command, answers } = event;
  return {
    pdu: pduName(pdu.type),
    direction: pdu.direction,
    firstFrame: pdu.firstFrame,
    dataBytes: pdu.dataBytes,
    missingBytes: pdu.missingBytes,
    headerDigest: pdu.headerDigest.state,
    dataDigest: pdu.dataDigest.state,
    answers,
    command: command === undefined ? null : commandObject(command),
    fields: fieldObject(event),
  };
}

function answerObject({ answer, by }: VerdictEvent): EventObject | null {
  switch (answer.kind) {
    case "term-req": {
      const pdu = by === "host" ? "C2HTermReq" : "H2CTermReq";
      return { pdu, fes: answer.fes, fei: answer.fei };
    }
    case "status":
      return { status: answer.status, statusText: statusText(answer.status, false) };
    case "close":
      return { close: true };
    case "none":
    default:
      return null;
  }
}

const openObject = ({ command, timeMs }: OpenEvent): EventObject => ({
  command: commandObject(command),
  waitedMs: timeMs - command.timeMs,
});

function bodyObject(event: CaptureEvent): EventObject {
  switch (event.type) {
    case "connection":
      return { ...connectionObject(event.connection), speaks: event.speaks ?? "NVMe/TCP" };
    case "pdu":
      return pduObject(event);
    case "verdict": {
      const { rule, severity, by, message, command } = event;
      return {
        rule,
        severity,
        by,
        message,
        answer: answerObject(event),
        command: command === undefined ? null : commandObject(command),
      };
    }
    case "gap":
      return { direction: event.direction, by: event.by };
    case "resumed":
      return { direction: event.direction, skippedBytes: event.skippedBytes };
    case "open":
      return openObject(event);
    case "end":
    default:
      return { by: event.by, ...connectionFacts(event.connection) };
  }
}

/** An event as a plain object. */
export const eventObject = (event: CaptureEvent): EventObject => ({
  frame: event.frame,
  timeMs: event.timeMs,
  connection: event.connection.number,
  ...bodyObject(event),
});
