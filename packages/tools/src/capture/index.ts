// @nvmeof/tools/capture: captures read, judged and written. No platform: bytes in, events out.

export {
  type CaptureFacts,
  CaptureDecoder,
  type DecoderOptions,
  NVME_TCP_PORTS,
  type Skipped,
} from "./decoder.ts";
export type {
  CaptureEvent,
  CaptureHandler,
  ConnectionEvent,
  EndEvent,
  GapEvent,
  OpenEvent,
  PduEvent,
  ResumedEvent,
  VerdictEvent,
} from "./events.ts";
export { CaptureError } from "./file/errors.ts";
export { type Endpoint, endpointText } from "./net/address.ts";
export type { StreamTap } from "./net/flow.ts";
export type { LaneCounts } from "./net/lane.ts";
export type { CapturedAnswer, CapturedCommand, CapturedR2t, QueueKind } from "./nvme/command.ts";
export type {
  Agreed,
  Connected,
  Connection,
  ConnectionCounts,
  EndedBy,
} from "./nvme/connection.ts";
export type { LostBy } from "./nvme/cutter.ts";
export type { CapturedPdu, Digest, DigestState, Direction } from "./nvme/pdu.ts";
export { type Answer, type RuleId, type Severity, rules } from "./nvme/rules.ts";
export {
  answerOf,
  commandText,
  pduText,
  spanText,
  statusText,
  verdictText,
} from "./show/describe.ts";
export type { FieldValue, Section, ShownField } from "./show/field.ts";
export { type EventObject, connectionFacts, eventObject } from "./show/json.ts";
export { fieldLines, isTrouble, lineOf } from "./show/line.ts";
export { pduSections } from "./show/pdu-fields.ts";
export {
  type CaptureSummary,
  type ConnectionFigures,
  type OpcodeFigures,
  type RuleFigures,
  Summary,
} from "./summary.ts";
export {
  CapturedStream,
  type CaptureTime,
  CaptureWriter,
  type CaptureWriterOptions,
  type StreamEnds,
} from "./write/capture-writer.ts";
export type { FrameEnd } from "./write/tcp-frame.ts";
export { tracedConnector, tracedListener } from "./write/traced.ts";
