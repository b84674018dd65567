// `gen-hostnqn`: a new pair of host names, which is kept nowhere.

import type { Verb } from "../context.ts";
import { newIdentity } from "../identity.ts";

export const run: Verb = async () => {
  const { hostNqn, hostId } = newIdentity();
  return { data: { hostnqn: hostNqn, hostid: hostId }, text: () => `${hostNqn}\n` };
};
