// `discover`: the discovery log of a discovery controller.
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
import { readDiscoveryLog } from "@nvmeof/core";
import { formatAddress } from "../address.ts";
import type { Verb } from "../context.ts";
import type { TargetOptions } from "../options.ts";
import { withController } from "../session.ts";
import type { Style } from "../style.ts";
import { type Column, table } from "../table.ts";
import { discoveryEndpoint } from "../target-options.ts";

/** A record as nvme-cli names its fields, with the address that our own commands take. */
const record = (entry: DiscoveryEntry): object => ({
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

/** What to give to our other commands; null for transports that they do not speak. */
function uriOf({ trtype, traddr, trsvcid, subtype, subnqn }: DiscoveryEntry): string | null {
  const port = Number(trsvcid);
  const transport = trtype === Trtype.Tcp ? "tcp" : trtype === Trtype.Fc ? "fc" : undefined;
  if (transport === undefined || !Number.isInteger(port) || traddr === "") return null;
  const subsystemNqn = subtype === Subtype.Nvm ? subnqn : undefined;
  return formatAddress({ transport, host: traddr, port, subsystemNqn });
}

const columns: readonly Column<DiscoveryEntry>[] = [
  { title: "Subsystem", value: ({ subnqn }) => subnqn },
  { title: "Type", value: ({ subtype }) => subtypeName(subtype) },
  { title: "Transport", value: ({ trtype }) => trtypeName(trtype), drop: 2 },
  { title: "Address", value: ({ traddr }) => traddr },
  { title: "Service", value: ({ trsvcid }) => trsvcid },
  { title: "Port", value: ({ portid }) => String(portid), align: "right", drop: 1 },
];

export const run: Verb<TargetOptions> = async (context, options, uri?: string) => {
  const endpoint = discoveryEndpoint(uri, options);
  const { result } = await withController(context, endpoint, options, readDiscoveryLog);
  const { genctr, entries } = result;
  return {
    data: { genctr, records: entries.map(record) },
    text: (style: Style) =>
      entries.length === 0 ? "no subsystems\n" : table(columns, entries, style),
  };
};
