// The discovery log: which subsystems a host may connect to, and where. One source for all hosts.
// Read first: Base 2.0 §5.16.1.23 "Discovery Log Page (Log Identifier 70h)", §3.1.2.3 "Discovery
// Controller".

import {
  Adrfam,
  CNTLID_DYNAMIC,
  DISCOVERY_NQN,
  type Decoded,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  Eflag,
  Sectype,
  SecureChannel,
  Subtype,
  Trtype,
  checkNqn,
  encode,
  viewOf,
} from "@nvmeof/codec";
import type { StreamSecurity, TransportAddress } from "@nvmeof/transport";
import type { TargetLimits } from "./limits.ts";
import type { Subsystem } from "./subsystem.ts";

/** Another discovery controller that hosts are told of. */
export interface Referral {
  readonly address: TransportAddress;
  /** How hosts are to connect there. Default: that is not said. */
  readonly security?: StreamSecurity | undefined;
  /** Port ID at that discovery controller. Default 0. */
  readonly portId?: number | undefined;
  /** Default: the discovery NQN that all have in common. */
  readonly nqn?: string | undefined;
}

/** A port as the log knows it. */
export interface DiscoveryPort {
  readonly portId: number;
  readonly address: TransportAddress;
  readonly security: StreamSecurity | undefined;
  readonly offers: "all" | "discovery";
}

/** Where the log comes from. */
export interface DiscoveryContents {
  readonly ports: readonly DiscoveryPort[];
  readonly subsystems: readonly Subsystem[];
  readonly referrals: readonly Referral[];
}

/** LSP of Get Log Page 70h: entries of the port only that the host asks. */
export const LSP_PORT_LOCAL = 2;

/** Transport type of an address. */
export const trtypeOf = ({ trtype }: TransportAddress): number =>
  ({ tcp: Trtype.Tcp, fc: Trtype.Fc })[trtype] ?? Trtype.Loop;

function adrfamOf({ trtype, traddr }: TransportAddress): number {
  if (trtype === "fc") return Adrfam.Fc;
  if (trtype !== "tcp") return Adrfam.Loop;
  return traddr.includes(":") ? Adrfam.IPv6 : Adrfam.IPv4;
}

/**
 * Checks an address for a discovery entry.
 *
 * @throws RangeError for text that its field cannot hold.
 */
export function checkAddress({ traddr, trsvcid }: TransportAddress): void {
  const fits = (text: string, bytes: number): boolean =>
    text.length <= bytes && /^[ -~]*$/.test(text);
  if (!fits(traddr, 256) || !fits(trsvcid, 32)) {
    throw new RangeError(`"${traddr}" and "${trsvcid}" do not fit a discovery entry`);
  }
}

type Fields = Partial<Decoded<typeof DiscoveryLogEntry>>;

/** TREQ and SECTYPE: whether a host has to connect by TLS. */
const securityFields = (security: StreamSecurity | undefined, otherwise: SecureChannel): Fields =>
  security === undefined
    ? { tsc: otherwise }
    : { tsc: SecureChannel.Required, sectype: Sectype.Tls13 };

const entryAt = (address: TransportAddress, portId: number, queueDepth: number): Fields => ({
  trtype: trtypeOf(address),
  adrfam: adrfamOf(address),
  sqfcd: 1,
  portid: portId,
  cntlid: CNTLID_DYNAMIC,
  asqsz: queueDepth,
  traddr: address.traddr,
  trsvcid: address.trsvcid,
});

/** The log of a target. */
export class DiscoverySource {
  /** Changes with the log. */
  generation = 1;
  readonly #contents: DiscoveryContents;
  readonly #adminQueueDepth: number;
  readonly #recordsMax: number;
  readonly #cut: (records: number) => void;

  /** @param cut is told when a host gets fewer records than there are. */
  constructor(
    contents: DiscoveryContents,
    limits: Pick<TargetLimits, "adminQueueDepthMax" | "discoveryRecordsMax">,
    cut: (records: number) => void,
  ) {
    this.#cut = cut;
    this.#contents = contents;
    this.#adminQueueDepth = limits.adminQueueDepthMax;
    this.#recordsMax = limits.discoveryRecordsMax;
  }

  /** The whole log as a host at a port sees it: what it may not connect to is not there. */
  log(hostNqn: string, portId: number, lsp: number): Uint8Array {
    const { ports, subsystems, referrals } = this.#contents;
    const local = (lsp & LSP_PORT_LOCAL) !== 0;
    const entries: Fields[] = [];
    for (const port of ports) {
      if (local && port.portId !== portId) continue;
      const at = {
        ...entryAt(port.address, port.portId, this.#adminQueueDepth),
        ...securityFields(port.security, SecureChannel.NotRequired),
      };
      entries.push({
        ...at,
        subtype: Subtype.CurrentDiscovery,
        subnqn: DISCOVERY_NQN,
        eflags: Eflag.Duplicate | Eflag.Persistent,
      });
      for (const subsystem of port.offers === "all" ? subsystems : []) {
        if (!subsystem.allows(hostNqn)) continue;
        if (subsystem.secureChannel === "required" && port.security === undefined) continue;
        entries.push({ ...at, subtype: Subtype.Nvm, subnqn: subsystem.nqn });
      }
    }
    for (const { address, portId = 0, nqn = DISCOVERY_NQN, security } of referrals) {
      const at = entryAt(address, portId, this.#adminQueueDepth);
      const asked = securityFields(security, SecureChannel.NotSpecified);
      entries.push({ ...at, ...asked, subtype: Subtype.Referral, subnqn: nqn });
    }
    if (entries.length > this.#recordsMax) this.#cut(entries.length);
    return this.#encode(entries.slice(0, this.#recordsMax));
  }

  #encode(entries: readonly Fields[]): Uint8Array {
    const log = new Uint8Array(DiscoveryLogHeader.size + entries.length * DiscoveryLogEntry.size);
    const view = viewOf(log);
    encode(DiscoveryLogHeader, view, 0, {
      genctr: BigInt(this.generation),
      numrec: BigInt(entries.length),
    });
    for (const [i, entry] of entries.entries()) {
      encode(DiscoveryLogEntry, view, DiscoveryLogHeader.size + i * DiscoveryLogEntry.size, entry);
    }
    return log;
  }
}

/** Checks a referral. Raises what {@link checkAddress} and `checkNqn` raise. */
export function checkReferral(referral: Referral): Referral {
  checkAddress(referral.address);
  if (referral.nqn !== undefined) checkNqn(referral.nqn);
  return referral;
}
