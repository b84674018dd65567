// Planted bugs of commands in flight on the host: settling, CIDs, deadlines, buffers.
// Read first: planted-bug.ts; packages/core/src/command-table.ts.

import type { PlantedBug } from "../planted-bug.ts";

const table = "packages/core/src/command-table.ts";
const queuePair = "packages/core/src/queue-pair.ts";
const channel = "packages/bdev/src/nvme/multipath-channel.ts";
const session = "packages/transport/src/tcp/host-session.ts";

export const commandBugs: readonly PlantedBug[] = [
  {
    name: "double-settle",
    what: "The late answer to a command that was given up settles its caller a second time.",
    breaks: ["I1", "I6", "I7"],
    changes: [
      {
        file: table,
        find: "    this.#phase[cid] = ABANDONED;\n    this.#settle[cid] = undefined;\n",
        replace: "    this.#phase[cid] = ABANDONED;\n",
      },
      {
        file: table,
        find: "      this.#abandoned--;\n      return;\n",
        replace:
          "      this.#abandoned--;\n      this.#call(settle!, error, dw0, dw1);\n      return;\n",
      },
    ],
  },
  {
    name: "settle-inside-submit",
    what: "A request that cannot be taken settles inside the call that submits it.",
    breaks: ["I10"],
    changes: [
      {
        file: channel,
        find: "      this.#settles.add(settle, refused);\n      return;",
        replace: "      this.#release();\n      settle(refused);\n      return;",
      },
    ],
  },
  {
    name: "cid-reused-before-answered",
    what: "The CID of a command that was given up goes to the next one, and so does the old answer.",
    breaks: ["I1", "I4", "I5", "I38"],
    changes: [
      {
        file: table,
        find: "    this.#phase[cid] = ABANDONED;\n",
        replace: "    this.#phase[cid] = IDLE;\n    this.#idle[this.#idleCount++] = cid;\n",
      },
      {
        file: table,
        find: "    this.#abandoned++;\n",
        replace: "",
      },
      {
        file: session,
        find: "    if (slot.outstanding) throw new Error(`CID ${cid} is in use`);\n",
        replace: "",
      },
    ],
  },
  {
    name: "cid-leaked-on-abort",
    what: "The CID of a command that was given up is not free again when its answer comes.",
    breaks: ["I11", "I20", "I43"],
    changes: [
      {
        file: table,
        find: "    this.#idle[this.#idleCount++] = cid;\n    if (phase === ABANDONED) {",
        replace:
          "    if (phase !== ABANDONED) this.#idle[this.#idleCount++] = cid;\n" +
          "    if (phase === ABANDONED) {",
      },
    ],
  },
  {
    name: "deadline-not-armed",
    what: "No timer runs for the deadlines of commands.",
    breaks: ["I1", "I3", "I43"],
    changes: [
      {
        file: queuePair,
        find: '    if (deadlineMs < this.#timerAtMs && this.#phase === "open") this.#arm(deadlineMs);\n',
        replace: "",
      },
    ],
  },
  {
    name: "queue-timer-leaked",
    what: "A queue that is gone leaves its timer armed.",
    breaks: ["I11", "I20"],
    changes: [
      {
        file: queuePair,
        find: "    this.#dismissWaiters();\n    this.#timer?.cancel();\n",
        replace: "    this.#dismissWaiters();\n",
      },
    ],
  },
  {
    name: "queue-one-too-deep",
    what: "A queue holds as many commands as it has entries, one more than may be in flight.",
    breaks: ["I35"],
    changes: [
      {
        file: queuePair,
        find: "this.depth = options.entries - 1;",
        replace: "this.depth = options.entries;",
      },
    ],
  },
  {
    name: "not-sent-claimed",
    what: "Commands that a teardown takes along are said not to have been sent, so that writes move at once.",
    breaks: ["I9", "I21", "I22", "I23"],
    changes: [
      {
        file: "packages/core/src/controller.ts",
        find: '() => new AbortedError("controller-reset", "unknown", false, details),',
        replace: '() => new AbortedError("controller-reset", "not-sent", false, details),',
      },
    ],
  },
  {
    name: "buffer-written-after-abort",
    what: "Data of a read that was given up still goes into the buffer, which is its caller's again.",
    breaks: ["I7", "I28"],
    changes: [
      {
        file: session,
        find: "    if (slot === undefined || !slot.outstanding || slot.detached) return;\n    slot.detached = true;\n",
        replace: "    if (slot === undefined || slot.outstanding) return;\n",
      },
    ],
  },
  {
    name: "short-read-accepted",
    what: "A read succeeds although its data did not arrive intact.",
    breaks: ["I6", "I21", "I27"],
    changes: [
      {
        file: session,
        find: "if ((slot.corrupt || short) && cqeStatus.get(view, base) === 0) {",
        replace: "if (short && cqeStatus.get(view, base) === 0) {",
      },
    ],
  },
  {
    name: "abort-leaves-request-waiting",
    what: "A request that is given up while it waits is settled, and stays in the waiting room.",
    breaks: ["I1", "I4", "I7"],
    changes: [
      {
        file: channel,
        find: "      this.#waiting.remove(slot);\n",
        replace: "",
      },
    ],
  },
];
