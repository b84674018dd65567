// A Connect is held to what its connection has proven.

import { expect, test } from "vitest";
import { unprovenBecause } from "./proven-host.ts";

const host = "nqn.2024-01.com.example:host";
const other = "nqn.2024-01.com.example:other";
const disk = "nqn.2024-01.com.example:disk";
const claimed = { hostNqn: host, subsystemNqn: disk };

test.each([
  ["nothing is proven, and nothing asked for", undefined, "not-required", undefined],
  ["nothing is proven, and it is asked for", undefined, "required", "by a secure channel only"],
  ["the same names", claimed, "required", undefined],
  ["the same names, though not asked for", claimed, "not-required", undefined],
  ["another host", { ...claimed, hostNqn: other }, "not-required", `the TLS key of ${other}`],
  ["S4: another subsystem", { ...claimed, subsystemNqn: other }, "required", `is for ${other}`],
  [
    "a name in other letters",
    { ...claimed, hostNqn: host.toUpperCase() },
    "required",
    "key of NQN",
  ],
] as const)("%s", (_name, proven, policy, why) => {
  const because = unprovenBecause(proven, claimed, policy);
  if (why === undefined) expect(because).toBeUndefined();
  else expect(because).toContain(why);
});
