// The two field reports that this project grew from, as they were.
// Read first: DESIGN.md §1; reliability-anchors.md §1.

import type { PlantedBug } from "../planted-bug.ts";

export const reportBugs: readonly PlantedBug[] = [
  {
    name: "destruct-without-abort",
    what:
      "A close refuses recovery and aborts nothing: it waits for what is in flight, for as long as " +
      "the silent peer likes, and keep-alives go on meanwhile (field report 1).",
    breaks: ["I1", "I3", "I11", "I12", "I44"],
    changes: [
      {
        file: "packages/core/src/close.ts",
        find: "const timer = clock.at(clock.nowMs() + boundMs * DRAIN_SHARE, () => done(undefined));",
        replace: "const timer = { cancel: () => {} };",
      },
      {
        file: "packages/core/src/controller.ts",
        find: '    this.#stopServices();\n    this.#observers.tell({ type: "closing"',
        replace: '    this.#services?.stop();\n    this.#observers.tell({ type: "closing"',
      },
    ],
  },
  {
    name: "recovery-inside-timeout-handler",
    what:
      "A command of the bring-up that times out asks for a recovery, which waits for the attempt " +
      "that the timeout should have ended (field report 2).",
    breaks: ["I12", "I13", "I16", "I17", "I43", "I44"],
    changes: [
      {
        file: "packages/core/src/controller.ts",
        find: "        const event = this.#outage.failed(",
        replace:
          '        if (reason.code.endsWith("TIMEOUT")) return this.reset(() => {});\n' +
          "        const event = this.#outage.failed(",
      },
    ],
  },
];
