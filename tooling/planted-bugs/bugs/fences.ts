// Planted bugs of fences and of Cross-Controller Reset: whoever believes too early that nothing is left.
// Read first: planted-bug.ts; packages/bdev/src/nvme/fences.ts, packages/target/src/incarnation.ts.

import type { PlantedBug } from "../planted-bug.ts";

const source = "packages/bdev/src/nvme/reset-source.ts";

// Not here, since our target makes them harmless: an entry of the log that is taken for another incarnation
// of the same controller ID, and a new incarnation that is believed without a look at its CIRN. It gives an ID
// again only when nothing is left of who had it, and after all others.

/** What comes of it: the old write, late, over newer data. */
const breaks = ["I21", "I22", "I23"];

export const fenceBugs: readonly PlantedBug[] = [
  {
    name: "reset-in-progress-believed",
    what: "A Cross-Controller Reset that the log says is in progress counts as successful.",
    breaks,
    changes: [
      {
        file: source,
        find: "    if (ccrs === CcrStatus.InProgress) return;\n",
        replace: "",
      },
      {
        file: source,
        find: 'this.#answer(pending, ccrs === CcrStatus.Successful ? "ccr" : "no");',
        replace: 'this.#answer(pending, ccrs !== CcrStatus.Failed ? "ccr" : "no");',
      },
    ],
  },
  {
    name: "reset-told-at-close",
    what: "A target says that a reset is completed when the connections are closed, not when its devices are done.",
    breaks,
    changes: [
      {
        file: "packages/target/src/incarnation.ts",
        find: "    if (this.#backendRequests > 0) return;\n",
        replace: "",
      },
    ],
  },
  {
    name: "reset-believed-at-any-event",
    what: "Any asynchronous event of a controller counts as the end of the resets that it was asked for.",
    breaks,
    changes: [
      {
        file: source,
        find: "    if (this.#pending.size === 0) return;\n",
        replace: '    for (const each of this.#pending) this.#answer(each, "ccr");\n    return;\n',
      },
      {
        file: "packages/bdev/src/nvme/controller-path.ts",
        find: "    if (aet !== AsyncEventType.Notice) return;\n",
        replace: "    this.source.completed();\n    if (aet !== AsyncEventType.Notice) return;\n",
      },
    ],
  },
  {
    name: "any-connection-ends-fences",
    what: "A controller that connects counts as the next incarnation of the lost one, whatever its ID.",
    breaks,
    changes: [
      {
        file: "packages/bdev/src/nvme/fences.ts",
        find: "lost !== undefined && born?.cntlid === lost.cntlid && born.cirn !== lost.cirn;",
        replace: "lost !== undefined && born !== undefined && born.cirn !== lost.cirn;",
      },
    ],
  },
];
