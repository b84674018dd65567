// The extended link services that software ports use among themselves: login, logout, change.
// Read first: FC-LS-5 §4 "Extended Link Services" (PLOGI, LOGO, RSCN); not those of FC-NVMe. Codes and
// offsets are recalled: see docs/spec-map.md.
//
// A login is one exchange here: PLOGI and its LS_ACC, with the names where the standard has them.
// FLOGI, PRLI and service parameters are not played, since there is nothing to negotiate.

import { u8 } from "@nvmeof/codec";
import { u24be, u64be } from "@nvmeof/codec/fc";
import type { PortNames } from "./names.ts";

/** First byte of an extended link service. FC-LS-5 §4.1. */
export const ElsCommand = {
  Reject: 0x01,
  Accept: 0x02,
  Plogi: 0x03,
  Logo: 0x05,
  Rscn: 0x61,
} as const;

const ElsHeader = { size: 4, command: u8(0) } as const;

/** PLOGI, and the LS_ACC that answers it. FC-LS-5 §4.2.14. */
const Plogi = { size: 116, command: u8(0), portName: u64be(20), nodeName: u64be(28) } as const;

/** LOGO. FC-LS-5 §4.2.10. */
const Logo = { size: 16, command: u8(0), portId: u24be(5), portName: u64be(8) } as const;

/** RSCN with one page: the port that came or went. FC-LS-5 §4.2.20. */
const Rscn = { size: 8, command: u8(0), pageLength: u8(1), payloadLength: u8(3), portId: u24be(5) };

function els(size: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  fill(new DataView(bytes.buffer));
  return bytes;
}

/** PLOGI, or with `accepts` the answer to it. */
export const plogi = (names: PortNames, accepts: "asks" | "accepts"): Uint8Array =>
  els(Plogi.size, (view) => {
    const command = accepts === "accepts" ? ElsCommand.Accept : ElsCommand.Plogi;
    Plogi.command.set(view, 0, command);
    Plogi.portName.set(view, 0, names.portName);
    Plogi.nodeName.set(view, 0, names.nodeName);
  });

export const logo = (portId: number, { portName }: PortNames): Uint8Array =>
  els(Logo.size, (view) => {
    Logo.command.set(view, 0, ElsCommand.Logo);
    Logo.portId.set(view, 0, portId);
    Logo.portName.set(view, 0, portName);
  });

export const rscn = (portId: number): Uint8Array =>
  els(Rscn.size, (view) => {
    Rscn.command.set(view, 0, ElsCommand.Rscn);
    Rscn.pageLength.set(view, 0, 4);
    Rscn.payloadLength.set(view, 0, Rscn.size);
    Rscn.portId.set(view, 0, portId);
  });

/** An answer without fields: "done", or "no". */
export const elsAnswer = (command: number): Uint8Array =>
  els(ElsHeader.size, (view) => ElsHeader.command.set(view, 0, command));

/** The first byte; 0 where there is none. */
export const elsCommandOf = (payload: Uint8Array): number => payload[0] ?? 0;

/** The names in a PLOGI or in its answer; undefined where it is too short to have any. */
export function namesIn(payload: Uint8Array): PortNames | undefined {
  if (payload.length < Plogi.size) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return { nodeName: Plogi.nodeName.get(view), portName: Plogi.portName.get(view) };
}
