// All that is fuzzed. What reads bytes of somebody else has a line here.
// Read first: fuzz-target.ts; README.md says how to add one.

import type { FuzzTarget } from "./fuzz-target.ts";
import { authController, authHost, authSecrets } from "./targets/auth.ts";
import { captureFile, captureSegments } from "./targets/capture.ts";
import { fcStream, fcStructures, fcWorld } from "./targets/fc.ts";
import { hostWorld } from "./targets/host-world.ts";
import { names } from "./targets/names.ts";
import { nbdServer } from "./targets/nbd.ts";
import { pduController, pduHost } from "./targets/pdu-stream.ts";
import { selfTests } from "./targets/self-test.ts";
import { layoutTarget, structures } from "./targets/structures.ts";
import { targetCommands } from "./targets/target-commands.ts";
import { tlsKeys } from "./targets/tls-keys.ts";

export const fuzzTargets: readonly FuzzTarget[] = [
  pduController,
  pduHost,
  targetCommands,
  hostWorld,
  structures,
  layoutTarget,
  fcStructures,
  fcStream,
  fcWorld,
  names,
  authHost,
  authController,
  authSecrets,
  tlsKeys,
  captureFile,
  captureSegments,
  nbdServer,
];

/** The targets that are meant; all of them where none is named. Those with a fault are only found by name. */
export function targetsNamed(asked: readonly string[]): readonly FuzzTarget[] {
  if (asked.length === 0) return fuzzTargets;
  return asked.map((name) => {
    const found = [...fuzzTargets, ...selfTests].find((target) => target.name === name);
    if (found !== undefined) return found;
    const all = fuzzTargets.map((target) => target.name).join(", ");
    throw new TypeError(`there is no target ${name}; there are ${all}`);
  });
}
