// Whether a Connect agrees with what its connection has proven, and with how its subsystem may be reached.
// Read first: NVMe/TCP 1.0 §3.6.1.3: a PSK is one host's, for one subsystem; byte-stream.ts `ProvenNames`.

import type { ProvenNames } from "@nvmeof/transport";

/** Whether hosts may connect to a subsystem without a secure channel, at ports that have none. */
export type SecureChannelPolicy = "required" | "not-required";

/**
 * Why a Connect with these names is refused; `undefined` where nothing speaks against it. Whoever has
 * proven one name is nobody else, and whoever has proven nothing is not where that is required.
 */
export function unprovenBecause(
  proven: ProvenNames | undefined,
  { hostNqn, subsystemNqn }: ProvenNames,
  policy: SecureChannelPolicy,
): string | undefined {
  if (proven === undefined) {
    if (policy === "not-required") return undefined;
    return `${subsystemNqn} takes hosts by a secure channel only, and ${hostNqn} came without`;
  }
  if (proven.hostNqn !== hostNqn) return `${hostNqn} came with the TLS key of ${proven.hostNqn}`;
  if (proven.subsystemNqn === subsystemNqn) return undefined;
  return `the TLS key of ${hostNqn} is for ${proven.subsystemNqn}, not for ${subsystemNqn}`;
}
