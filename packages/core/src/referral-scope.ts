// Where a referral may lead: not back into the machine or the link of whoever follows it.
// Read first: Base 2.0 §3.1.2.3 "Discovery Controller"; docs/bad-input.md, D8. A log is a stranger's word,
// and an address in it makes the reader connect there.

import { type DiscoveryEntry, NvmeofError } from "@nvmeof/codec";
import type { TransportAddress } from "@nvmeof/transport";

/** Reaches of addresses that mean another place to each machine. */
export type AddressScope = "loopback" | "link-local" | "unspecified" | "multicast";

const words: Readonly<Record<AddressScope, string>> = {
  loopback: "an address of this machine itself",
  "link-local": "a link-local address, where cloud machines have their metadata service",
  unspecified: "no address of anybody",
  multicast: "an address of many",
};

function scopeOfIpv4(text: string): AddressScope | undefined {
  const [a = 0, b = 0] = text.split(".").map(Number);
  if (a === 127) return "loopback";
  if (a === 169 && b === 254) return "link-local";
  if (a === 0) return "unspecified";
  return a >= 224 ? "multicast" : undefined;
}

/** The special scope of an address; `undefined` for all others, and for names. */
export function scopeOf(traddr: string): AddressScope | undefined {
  const text = traddr
    .trim()
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1");
  if (text === "localhost" || text.endsWith(".localhost")) return "loopback";
  if (/^\d+(\.\d+){3}$/.test(text)) return scopeOfIpv4(text);
  const mapped = /^::(?:ffff:)?(\d+(?:\.\d+){3})$/.exec(text)?.[1];
  if (mapped !== undefined) return scopeOfIpv4(mapped);
  if (!text.includes(":")) return undefined;
  if (/^[0:]*:0*1$/.test(text)) return "loopback";
  if (/^[0:]+$/.test(text)) return "unspecified";
  if (/^fe[89ab]/.test(text)) return "link-local";
  return text.startsWith("ff") ? "multicast" : undefined;
}

/**
 * Why a referral is not followed without being told to; `undefined` for one that may be.
 *
 * @param asked the discovery controller whose log has it: what is local there is local here.
 */
export function outOfScope(
  asked: TransportAddress,
  entry: Pick<DiscoveryEntry, "traddr">,
): NvmeofError | undefined {
  const scope = scopeOf(entry.traddr);
  if (scope === undefined || scope === scopeOf(asked.traddr)) return undefined;
  const message = `a referral of ${asked.traddr} leads to ${entry.traddr}, ${words[scope]}`;
  return new NvmeofError("NVME_ERR_REFERRAL", message, {
    phase: "discovery",
    hint: "Ask there yourself if you mean to, or say that referrals may lead anywhere.",
  });
}
