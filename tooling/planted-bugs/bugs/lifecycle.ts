// Planted bugs of a controller's life: recovery, back-off, keep-alive, close.
// Read first: planted-bug.ts; packages/core/src/lifecycle.ts.

import type { PlantedBug } from "../planted-bug.ts";

const controller = "packages/core/src/controller.ts";
const outage = "packages/core/src/outage.ts";

export const lifecycleBugs: readonly PlantedBug[] = [
  {
    name: "close-waits-for-silent-peer",
    what: "A close that says goodbye waits for the answer without a bound.",
    breaks: ["I12"],
    changes: [
      {
        file: "packages/core/src/close.ts",
        find: "const timer = clock.at(byMs, () => done(undefined, undefined));",
        replace: "const timer = { cancel: () => {} };",
      },
    ],
  },
  {
    name: "keep-alive-after-close",
    what: "A close leaves keep-alive running.",
    breaks: ["I11", "I18"],
    changes: [
      {
        file: controller,
        find: '    this.#stopServices();\n    this.#observers.tell({ type: "closing"',
        replace: '    this.#observers.tell({ type: "closing"',
      },
    ],
  },
  {
    name: "keep-alive-outlives-connection",
    what: "The teardown leaves the keep-alive of the old connection running, beside the next one's.",
    breaks: ["I11", "I13", "I18", "I20"],
    changes: [
      {
        file: controller,
        find: "    this.#stopServices();\n    const association = this.#association;",
        replace: "    this.#services = undefined;\n    const association = this.#association;",
      },
    ],
  },
  {
    name: "pending-reset-forgotten",
    what: "A reset that is asked for during a recovery never gets its answer.",
    breaks: ["I17", "I43"],
    changes: [
      {
        file: controller,
        find: '    } else if (cell === "join") {\n      if (done !== undefined) this.#joined.push(done);\n',
        replace: '    } else if (cell === "join") {\n',
      },
    ],
  },
  {
    name: "attempt-left-behind",
    what: "An attempt that is cancelled leaves its connections open.",
    breaks: ["I11", "I14", "I20"],
    changes: [
      {
        file: controller,
        find: '    association?.close("reset", () => new ClosedError("the controller"));\n',
        replace: "",
      },
    ],
  },
  {
    name: "back-off-not-applied",
    what: "Attempts follow each other without a wait.",
    breaks: ["I15"],
    changes: [
      {
        file: outage,
        find: "const delayMs = this.#addresses.isMidRound ? 0 : this.#delayMs();",
        replace: "const delayMs = 0;",
      },
    ],
  },
  {
    name: "back-off-not-cleared",
    what: "The wait before an attempt goes on when somebody could not wait for it.",
    breaks: ["I1", "I11", "I13", "I15"],
    changes: [
      {
        file: outage,
        find: "  disarmDelay(): void {\n    this.#delay?.cancel();\n    this.#delay = undefined;\n",
        replace: "  disarmDelay(): void {\n",
      },
    ],
  },
  {
    name: "loss-timeout-not-armed",
    what: "A controller that does not come back is never given up.",
    breaks: ["I44"],
    changes: [
      {
        file: outage,
        find: "    if (reconnect.lossMs > 0) {",
        replace: "    if (reconnect.lossMs < -1) {",
      },
    ],
  },
];
