// The figures of a capture, as tables.
// Read first: summary.ts of @nvmeof/tools.

import {
  type CaptureSummary,
  type Connection,
  type ConnectionFigures,
  type OpcodeFigures,
  type RuleFigures,
  connectionFacts,
  endpointText,
  rules,
} from "@nvmeof/tools/capture";
import type { Style } from "../style.ts";
import { type Column, table } from "../table.ts";
import { formatBytes, formatMs } from "../units.ts";
import { many } from "./many.ts";

const us = (value: number | undefined): string =>
  value === undefined ? "-" : formatMs(value / 1000);

const opcodeColumns: readonly Column<OpcodeFigures>[] = [
  { title: "Command", value: ({ name }) => name },
  { title: "Answered", value: ({ commands }) => String(commands), align: "right" },
  { title: "Errors", value: ({ errors }) => String(errors), align: "right" },
  { title: "Bytes", value: ({ bytes }) => formatBytes(bytes), align: "right" },
  { title: "Min", value: ({ latency }) => us(latency?.minUs), align: "right", drop: 3 },
  { title: "p50", value: ({ latency }) => us(latency?.p50Us), align: "right" },
  { title: "p90", value: ({ latency }) => us(latency?.p90Us), align: "right", drop: 2 },
  { title: "p99", value: ({ latency }) => us(latency?.p99Us), align: "right" },
  { title: "p99.9", value: ({ latency }) => us(latency?.p999Us), align: "right", drop: 1 },
  { title: "Max", value: ({ latency }) => us(latency?.maxUs), align: "right" },
];

const ruleColumns: readonly Column<RuleFigures>[] = [
  { title: "Rule", value: ({ rule }) => rule },
  { title: "Broken", value: ({ count }) => String(count), align: "right" },
  { title: "First frame", value: ({ frame }) => String(frame), align: "right" },
  { title: "What it demands", value: ({ rule }) => rules[rule].text, drop: 1 },
];

function connectionText({ connection, opcodes }: ConnectionFigures, style: Style): string {
  const { counts, connect, icResp, number, queueText, host, controller } = connection;
  const digests = [icResp?.headerDigest && "header", icResp?.dataDigest && "data"].filter(Boolean);
  const names = connect?.subsystemNqn === undefined ? "" : `, ${connect.subsystemNqn}`;
  const lines = [
    style.bold(
      `Connection ${number}, ${queueText}: ${endpointText(host)} to ${endpointText(controller)}${names}`,
    ),
    `  ${many(counts.pdus, "PDU")}, ${many(counts.commands, "command")}, ${counts.answered} answered, ` +
      `${many(counts.errors, "error")}, ${counts.open} open, ` +
      `${many(counts.violations, "violation")}, ${many(counts.warnings, "warning")}`,
    `  ${formatBytes(counts.dataToController)} to the controller, ${formatBytes(counts.dataToHost)} to the host, ` +
      `digests: ${digests.join(" and ") || "none"}${tcpText(connection)}`,
  ];
  const figures = opcodes.length === 0 ? "" : `\n${table(opcodeColumns, opcodes, style)}`;
  return `${lines.join("\n")}\n${figures}`;
}

function tcpText({ tcp, counts }: Connection): string {
  const sum = (of: "retransmissions" | "outOfOrder" | "missingBytes"): number =>
    tcp.toController[of] + tcp.toHost[of];
  const parts = [
    [sum("retransmissions"), "retransmission", ""],
    [sum("outOfOrder"), "segment", " out of order"],
    [sum("missingBytes"), "byte", " not captured"],
    [counts.gaps, "gap", ""],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, noun, more]) => `, ${many(count, noun)}${more}`)
    .join("");
}

/** For people: every connection, then all of them together, then the rules that were broken. */
export function summaryText(summary: CaptureSummary, style: Style): string {
  const { connections, moreConnections, opcodes, rules: broken } = summary;
  const parts = connections.map((each) => connectionText(each, style));
  if (moreConnections > 0) parts.push(`… and ${many(moreConnections, "connection")} more\n`);
  if (connections.length > 1 && opcodes.length > 0) {
    parts.push(`${style.bold("All connections")}\n${table(opcodeColumns, opcodes, style)}`);
  }
  if (broken.length > 0) parts.push(table(ruleColumns, broken, style));
  return parts.join("\n");
}

/** The same as JSON has it. */
export function summaryObject(summary: CaptureSummary): object {
  const { connections, ...rest } = summary;
  const figures = (all: readonly OpcodeFigures[]) =>
    all.map(({ latency, ...each }) => ({ ...each, latency: latency ?? null }));
  return {
    ...rest,
    opcodes: figures(rest.opcodes),
    connections: connections.map(({ connection, opcodes }) => ({
      ...connectionFacts(connection),
      opcodes: figures(opcodes),
    })),
  };
}
