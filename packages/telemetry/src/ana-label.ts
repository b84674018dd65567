// ANA states as labels of metrics.
// Read first: Base 2.0 §8.1 "Asymmetric Namespace Access Reporting".

import { AnaState } from "@nvmeof/codec";

const anaNames: Readonly<Record<AnaState, string>> = {
  [AnaState.Optimized]: "optimized",
  [AnaState.NonOptimized]: "non-optimized",
  [AnaState.Inaccessible]: "inaccessible",
  [AnaState.PersistentLoss]: "persistent-loss",
  [AnaState.Change]: "change",
};

/** All that there are. */
export const anaLabels: readonly string[] = [...Object.values(anaNames), "unknown"];

/** "unknown" while the state is not known. */
export const anaLabel = (state: AnaState | undefined): string =>
  state === undefined ? "unknown" : anaNames[state];
