// `show-hostnqn`: the names of this user's host, made on first use.

import type { Verb } from "../context.ts";
import { identityFile, userIdentity } from "../identity.ts";
import { facts } from "../table.ts";

export const run: Verb = async ({ io, warn, common }) => {
  const { hostNqn, hostId } = await userIdentity(io.env, warn);
  const file = identityFile(io.env);
  const text = (): string =>
    (common.verbose ?? 0) === 0
      ? `${hostNqn}\n`
      : facts([
          ["hostnqn", hostNqn],
          ["hostid", hostId],
          ["kept in", file],
        ]);
  return { data: { hostnqn: hostNqn, hostid: hostId, file }, text };
};
