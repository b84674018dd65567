// The discovery log: read whole and unchanged, and followed through its referrals.
// Read first: Base 2.0 §5.16.1.23 "Discovery Log Page", §3.1.2.3 "Discovery Controller".

import {
  DISCOVERY_NQN,
  type DiscoveryEntry,
  type DiscoveryLog,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  Lid,
  NvmeofError,
  Subtype,
  decodeDiscoveryHeader,
  decodeDiscoveryLog,
} from "@nvmeof/codec";
import type { Transport } from "@nvmeof/transport";
import type { HostIdentity } from "./options.ts";
import { type ControllerHandle, openController } from "./open-controller.ts";

/** More records than this are not believed, and not read. */
const RECORDS_MAX = 4096;
/** Reads of a log that changes under us, before we give up. */
const READS_MAX = 10;
/** Referrals of referrals of … */
const DEPTH_MAX = 4;

/**
 * Reads the discovery log of a connected discovery controller: header, records, and the header again;
 * from the start when the generation changed meanwhile.
 *
 * Rejects with NVME_ERR_DISCOVERY_UNSTABLE after 10 changes in a row, with `ParseError` for a log
 * that cannot be read, and with what ended a command.
 */
export async function readDiscoveryLog(controller: ControllerHandle): Promise<DiscoveryLog> {
  const request = { lid: Lid.Discovery, nsid: 0 };
  for (let read = 0; read < READS_MAX; read++) {
    const head = await controller.logPage({ ...request, rae: true }, DiscoveryLogHeader.size);
    const { genctr, numrec } = decodeDiscoveryHeader(head);
    if (numrec > BigInt(RECORDS_MAX)) {
      throw new NvmeofError(
        "NVME_ERR_DISCOVERY_TOO_LARGE",
        `the discovery log claims ${numrec} records; the limit is ${RECORDS_MAX}`,
        { phase: "discovery" },
      );
    }
    const bytes = DiscoveryLogHeader.size + Number(numrec) * DiscoveryLogEntry.size;
    const log = await controller.logPage({ ...request, rae: true }, bytes);
    // The last read is the one that counts as having seen the change.
    const tail = await controller.logPage(request, DiscoveryLogHeader.size);
    const after = decodeDiscoveryHeader(tail).genctr;
    if (decodeDiscoveryHeader(log).genctr === genctr && after === genctr) {
      return decodeDiscoveryLog(log);
    }
  }
  throw new NvmeofError(
    "NVME_ERR_DISCOVERY_UNSTABLE",
    `the discovery log changed during each of ${READS_MAX} reads`,
    {
      phase: "discovery",
      hint: "Subsystems come and go on the target; try again when it is quiet.",
    },
  );
}

/** Where and as whom to ask. */
export interface DiscoverOptions extends HostIdentity {
  readonly transport: Transport;
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Connects to a discovery controller, reads its log and disconnects. */
export async function discover(options: DiscoverOptions): Promise<DiscoveryLog> {
  const controller = await openController({
    ...options,
    subsystemNqn: DISCOVERY_NQN,
    ioQueues: 0,
    keepAliveTimeoutMs: 0,
    reconnect: { lossMs: 0, delayMs: 0, fastFailMs: 0 },
  });
  try {
    return await readDiscoveryLog(controller);
  } finally {
    await controller.close();
  }
}

/** What {@link discoverAll} found. */
export interface Discovered {
  /** Records of subsystems, in the order in which they were found, without duplicates. */
  readonly entries: readonly DiscoveryEntry[];
  /** Referrals that did not answer, or were not followed, and why. */
  readonly unreachable: readonly { readonly address: string; readonly error: NvmeofError }[];
}

const addressOf = ({ trtype, traddr, trsvcid }: DiscoveryEntry): string =>
  `${trtype} ${traddr} ${trsvcid}`;

/**
 * Discovery with referrals followed: each address is asked once, however often it is referred to.
 *
 * @param open makes the transport to a referred address; undefined to leave it alone.
 */
export async function discoverAll(
  options: DiscoverOptions,
  open: (referral: DiscoveryEntry) => Transport | undefined,
): Promise<Discovered> {
  const entries = new Map<string, DiscoveryEntry>();
  const unreachable: { address: string; error: NvmeofError }[] = [];
  const visited = new Set<string>();
  const visit = async (transport: Transport, depth: number): Promise<void> => {
    const log = await discover({ ...options, transport });
    for (const entry of log.entries) {
      const address = addressOf(entry);
      if (entry.subtype !== Subtype.Referral) {
        if (entry.subtype === Subtype.CurrentDiscovery) visited.add(address);
        if (entries.size < RECORDS_MAX) entries.set(`${address} ${entry.subnqn}`, entry);
        continue;
      }
      if (visited.has(address)) continue;
      visited.add(address);
      const referred = depth < DEPTH_MAX ? open(entry) : undefined;
      if (referred === undefined) continue;
      try {
        await visit(referred, depth + 1);
      } catch (error) {
        unreachable.push({ address, error: error as NvmeofError });
      }
    }
  };
  await visit(options.transport, 0);
  return { entries: [...entries.values()], unreachable };
}
