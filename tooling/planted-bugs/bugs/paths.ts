// Planted bugs of the driver: paths, retries, fencing, splitting, the waiting room.
// Read first: planted-bug.ts; packages/bdev/src/nvme/multipath-channel.ts.

import type { PlantedBug } from "../planted-bug.ts";

const channel = "packages/bdev/src/nvme/multipath-channel.ts";
const waitingRoom = "packages/bdev/src/nvme/waiting-room.ts";

export const pathBugs: readonly PlantedBug[] = [
  {
    name: "retry-without-fence",
    what: "A write of unknown outcome is sent again at once, while the old one may still be carried out.",
    breaks: ["I21", "I22", "I23"],
    changes: [
      {
        file: channel,
        find: "    if (fence) this.#waiting.forFence(",
        replace: "    if (slot === undefined) this.#waiting.forFence(",
      },
    ],
  },
  {
    name: "retry-of-dnr",
    what: "Do Not Retry is not looked at.",
    breaks: ["I8"],
    changes: [
      {
        file: "packages/bdev/src/nvme/retry.ts",
        find: '  if (dnrOf(status)) return fail("final");\n',
        replace: "",
      },
    ],
  },
  {
    name: "outcome-of-last-attempt-only",
    what: "A write whose first attempt may have been carried out is called not sent when the next was not.",
    breaks: ["I9", "I21", "I22"],
    changes: [
      {
        file: "packages/bdev/src/nvme/slot.ts",
        find: "    return doubt[this.outcome] > doubt[least] ? this.outcome : least;",
        replace: "    return least;",
      },
    ],
  },
  {
    name: "split-off-by-one",
    what: "The second and later pieces of a request that is split begin one block too early.",
    breaks: ["I6", "I7", "I21", "I24"],
    changes: [
      {
        file: "packages/bdev/src/split.ts",
        find: "    const lba = request.lba + whole.nextBlock;\n",
        replace: "    const lba = request.lba + whole.nextBlock - (whole.nextBlock > 0 ? 1 : 0);\n",
      },
    ],
  },
  {
    name: "waiting-room-wake-up-lost",
    what: "When there is room for one of those who wait, the next is not told to ask for more.",
    breaks: ["I1", "I3", "I43"],
    changes: [
      {
        file: waitingRoom,
        find: "    else if (others > 0) this.#ask(queue);\n",
        replace: "",
      },
    ],
  },
  {
    name: "stale-ana-change-count",
    what: "The change count of an earlier connection makes every log of a target that began anew look old.",
    // Over a way that takes no time it reads the log for ever in one moment.
    breaks: ["I1", "I42", "I43", "I44"],
    changes: [
      {
        file: "packages/bdev/src/nvme/ana-watch.ts",
        find: "    this.#chgcnt = 0n;\n",
        replace: "",
      },
      {
        file: "packages/bdev/src/nvme/ana-watch.ts",
        find: "    return !stale || insists;\n",
        replace: "    return !stale;\n",
      },
    ],
  },
  {
    name: "identity-not-checked-after-reconnect",
    what: "A namespace found again is taken for the one it was, whatever it says of itself.",
    breaks: ["I21", "I29"],
    changes: [
      {
        file: "packages/bdev/src/nvme/group.ts",
        find: "    const changed = differenceTo(device, facts, identityOf(facts));\n",
        replace: "    const changed = undefined;\n",
      },
    ],
  },
  {
    name: "identity-not-awaited",
    what: "I/O goes to a new connection before it is known which namespace is there.",
    breaks: ["I21", "I29"],
    changes: [
      {
        file: "packages/bdev/src/nvme/namespace-path.ts",
        find: '  disconnected(): void {\n    this.#identity = "unverified";\n',
        replace: "  disconnected(): void {\n",
      },
    ],
  },
];
