// Records of the discovery log: as scripts and people see them, and as the addresses that our verbs take.
// Read first: Base 2.0 §5.16.1.23 "Discovery Log Page".

import {
  type DiscoveryEntry,
  SecureChannel,
  Subtype,
  Trtype,
  adrfamName,
  nameIn,
  sectypeName,
  subtypeName,
  trtypeName,
} from "@nvmeof/codec";
import { formatAddress } from "./address.ts";
import type { Style } from "./style.ts";
import { type Column, table } from "./table.ts";

/** What to give to our other commands; null for transports that they do not speak. */
export function uriOf({ trtype, traddr, trsvcid, subtype, subnqn }: DiscoveryEntry): string | null {
  const port = Number(trsvcid);
  const transport = trtype === Trtype.Tcp ? "tcp" : trtype === Trtype.Fc ? "fc" : undefined;
  if (transport === undefined || !Number.isInteger(port) || traddr === "") return null;
  const subsystemNqn = subtype === Subtype.Nvm ? subnqn : undefined;
  return formatAddress({ transport, host: traddr, port, subsystemNqn });
}

/** A record as nvme-cli names its fields, with the address that our own commands take. */
export const recordData = (entry: DiscoveryEntry): object => ({
  trtype: trtypeName(entry.trtype).toLowerCase(),
  adrfam: adrfamName(entry.adrfam).toLowerCase(),
  subtype: subtypeName(entry.subtype).toLowerCase(),
  treq: nameIn(SecureChannel, entry.tsc).toLowerCase(),
  portid: entry.portid,
  cntlid: entry.cntlid,
  asqsz: entry.asqsz,
  trsvcid: entry.trsvcid,
  subnqn: entry.subnqn,
  traddr: entry.traddr,
  eflags: entry.eflags,
  sectype: entry.sectype === undefined ? null : sectypeName(entry.sectype),
  uri: uriOf(entry),
});

const subtypes: Readonly<Record<number, string>> = {
  [Subtype.Referral]: "discovery subsystem referral",
  [Subtype.Nvm]: "nvme subsystem",
  [Subtype.CurrentDiscovery]: "current discovery subsystem",
};

const flags = (eflags: number): string =>
  [
    (eflags & 1) === 0 ? "" : "duplicate discovery information",
    (eflags & 2) === 0 ? "" : "explicit discovery connections",
  ]
    .filter((each) => each !== "")
    .join(", ") || "none";

/** The same as nvme-cli has it in JSON. */
export const compatRecord = (entry: DiscoveryEntry): object => ({
  trtype: trtypeName(entry.trtype).toLowerCase(),
  adrfam: adrfamName(entry.adrfam).toLowerCase(),
  subtype: subtypes[entry.subtype] ?? subtypeName(entry.subtype).toLowerCase(),
  treq: nameIn(SecureChannel, entry.tsc).toLowerCase(),
  portid: String(entry.portid),
  trsvcid: entry.trsvcid,
  subnqn: entry.subnqn,
  traddr: entry.traddr,
  eflags: flags(entry.eflags),
  ...(entry.sectype === undefined ? {} : { sectype: sectypeName(entry.sectype) }),
});

const columns: readonly Column<DiscoveryEntry>[] = [
  { title: "Subsystem", value: ({ subnqn }) => subnqn },
  { title: "Type", value: ({ subtype }) => subtypeName(subtype) },
  { title: "Transport", value: ({ trtype }) => trtypeName(trtype), drop: 2 },
  { title: "Address", value: ({ traddr }) => traddr },
  { title: "Service", value: ({ trsvcid }) => trsvcid },
  { title: "Port", value: ({ portid }) => String(portid), align: "right", drop: 1 },
];

/** Records as a table. */
export const recordsText = (entries: readonly DiscoveryEntry[], style: Style): string =>
  entries.length === 0 ? "no subsystems\n" : table(columns, entries, style);
