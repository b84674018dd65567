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
  SecureChannel,
  Subtype,
  decodeDiscoveryHeader,
  decodeDiscoveryLog,
  trtypeName,
} from "@nvmeof/codec";
import { TlsError, type Transport } from "@nvmeof/transport";
import { addressText } from "./addresses.ts";
import type { HostIdentity } from "./options.ts";
import { type ControllerHandle, openController } from "./open-controller.ts";
import { outOfScope } from "./referral-scope.ts";

/** More records than this are not believed, and not read. */
const RECORDS_MAX = 4096;
/** Reads of a log that changes under us, before we give up. */
const READS_MAX = 10;
/** Referrals of referrals of … */
const DEPTH_MAX = 4;
/** Discovery controllers that are asked at most, whoever refers to them. */
const VISITS_MAX = 256;
/** One that does not answer a read of its log for this long, ms, will not. */
const LOG_TIMEOUT_MS = 10_000;

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
  /** Follow referrals to addresses of this machine or its link as well. Default false. */
  readonly referralsAnywhere?: boolean;
}

/**
 * Connects to a discovery controller, reads its log and disconnects.
 *
 * Rejects as `openController` and {@link readDiscoveryLog} do; with the signal's reason when that
 * aborts, connected or not.
 */
export async function discover(options: DiscoverOptions): Promise<DiscoveryLog> {
  const { signal, referralsAnywhere: _followed, ...asked } = options;
  const controller = await openController({
    ...asked,
    subsystemNqn: DISCOVERY_NQN,
    ioQueues: 0,
    keepAliveTimeoutMs: 0,
    adminTimeoutMs: LOG_TIMEOUT_MS,
    reconnect: { lossMs: 0, delayMs: 0, fastFailMs: 0 },
  });
  const cancel = (): void => void controller.close();
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    return await readDiscoveryLog(controller);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
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

/** The address of a record in the words of a transport, so that one is known by the other. */
export const entryAddress = (entry: DiscoveryEntry): string =>
  addressText({ ...entry, trtype: trtypeName(entry.trtype).toLowerCase() });

/**
 * Why `transport` must not be used to connect to an entry: that asks for a secure channel, and the transport
 * has none. `undefined` where it may. The other way round is allowed: who has a key may try it anywhere.
 */
export function unprotected(
  { tsc, traddr, trsvcid }: DiscoveryEntry,
  transport: Transport,
): TlsError | undefined {
  if (tsc !== SecureChannel.Required || transport.security !== undefined) return undefined;
  return new TlsError("required", `${traddr}:${trsvcid} takes hosts by TLS only`, {
    phase: "discovery",
    hint: "Connect with a key; there is no way without.",
  });
}

/**
 * Discovery with referrals followed: each address is asked once, however often it is referred to,
 * and a referral that cannot be followed does not spoil the rest.
 *
 * Rejects when the first address does not answer, and with the signal's reason when that aborts.
 *
 * @param open makes the transport to a referred address; undefined to leave it alone.
 */
export async function discoverAll(
  options: DiscoverOptions,
  open: (referral: DiscoveryEntry) => Transport | undefined,
): Promise<Discovered> {
  const entries = new Map<string, DiscoveryEntry>();
  const unreachable: { address: string; error: NvmeofError }[] = [];
  const visited = new Set([addressText(options.transport.address)]);
  const strayed = (referral: DiscoveryEntry): NvmeofError | undefined =>
    options.referralsAnywhere === true
      ? undefined
      : outOfScope(options.transport.address, referral);
  const follow = async (referral: DiscoveryEntry, depth: number): Promise<void> => {
    const address = entryAddress(referral);
    if (visited.has(address) || visited.size >= RECORDS_MAX) return;
    visited.add(address);
    try {
      if (depth > DEPTH_MAX || visited.size > VISITS_MAX) throw tooFar(depth);
      const transport = open(referral);
      if (transport === undefined) return;
      const refusal = unprotected(referral, transport) ?? strayed(referral);
      if (refusal !== undefined) throw refusal;
      await visit(transport, depth);
    } catch (error) {
      options.signal?.throwIfAborted();
      unreachable.push({ address, error: error as NvmeofError });
    }
  };
  const visit = async (transport: Transport, depth: number): Promise<void> => {
    const log = await discover({ ...options, transport });
    for (const entry of log.entries) {
      if (entry.subtype === Subtype.CurrentDiscovery) visited.add(entryAddress(entry));
    }
    for (const entry of log.entries) {
      const key = `${entryAddress(entry)} ${entry.subtype} ${entry.subnqn}`;
      if (entry.subtype === Subtype.Referral) await follow(entry, depth + 1);
      else if (entries.has(key) || entries.size < RECORDS_MAX) entries.set(key, entry);
    }
  };
  await visit(options.transport, 0);
  return { entries: [...entries.values()], unreachable };
}

const tooFar = (depth: number): NvmeofError =>
  new NvmeofError(
    "NVME_ERR_DISCOVERY_TOO_LARGE",
    depth > DEPTH_MAX
      ? `a referral at depth ${depth}; the limit is ${DEPTH_MAX}`
      : `more than ${VISITS_MAX} discovery controllers`,
    { phase: "discovery" },
  );
