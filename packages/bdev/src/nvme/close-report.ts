// Closes of several controllers as one: what their user wanted was one close.
// Read first: @nvmeof/core close.ts for the phases.

import type { CloseReport } from "@nvmeof/core";

/** One report for closes that ran side by side: the longest of each phase, the sum of what ended. */
export function mergedReport(reports: readonly CloseReport[]): CloseReport {
  const phasesMs: Record<string, number> = {};
  for (const report of reports) {
    for (const [phase, ms] of Object.entries(report.phasesMs)) {
      phasesMs[phase] = Math.max(phasesMs[phase] ?? 0, ms);
    }
  }
  const shutdowns = new Set(reports.map(({ shutdown }) => shutdown));
  return {
    reason: reports.find(({ reason }) => reason !== undefined)?.reason,
    phasesMs,
    totalMs: Math.max(0, ...reports.map(({ totalMs }) => totalMs)),
    abortedCommands: reports.reduce((sum, report) => sum + report.abortedCommands, 0),
    shutdown: shutdowns.size === 1 ? reports[0]!.shutdown : "unanswered",
    openHandles: reports.flatMap(({ openHandles }) => openHandles),
  };
}
