// Why a link service is rejected, and how the one who asked for it is told.
// Read first: FC-NVMe-2 "Link services"; @nvmeof/codec/fc link-service.ts for the reasons.

import {
  FcProtocolError,
  LsExplanation,
  LsReason,
  type LsRejection,
  encodeLsReject,
  lsCommandOf,
} from "@nvmeof/codec/fc";
import type { CommonPort, ReceivedLs } from "./port.ts";

/** A reason, and what explains it. */
export const rejection = (
  reason: LsReason,
  explanation: LsExplanation = LsExplanation.None,
): LsRejection => ({ reason, explanation });

/** Of a request that cannot be read. */
export const rejectionFor = (error: unknown): LsRejection =>
  (error instanceof FcProtocolError ? error.rejection : undefined) ??
  rejection(LsReason.InvalidParameters);

export function rejectLs(port: CommonPort, ls: ReceivedLs, why: LsRejection): void {
  port.answerLs(ls, encodeLsReject(lsCommandOf(ls.request), why));
}
