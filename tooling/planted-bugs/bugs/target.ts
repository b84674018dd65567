// Planted bugs of the target: completions, cache, events, buffers, what it does with a silent host.
// Read first: planted-bug.ts; packages/target/src/io.ts.

import type { PlantedBug } from "../planted-bug.ts";

const io = "packages/target/src/io.ts";
const ioCommand = "packages/target/src/io-command.ts";

export const targetBugs: readonly PlantedBug[] = [
  {
    name: "target-completes-too-early",
    what: "The target answers a write before its device has taken the data.",
    breaks: ["I7", "I21", "I22", "I25", "I26"],
    changes: [
      {
        file: io,
        find: "      seat.channel.submit(command.request, command.settle);\n",
        replace:
          "      if (command.op !== BlockOp.Write) seat.channel.submit(command.request, command.settle);\n" +
          "      else {\n" +
          "        seat.channel.submit({ ...command.request }, () => {});\n" +
          "        command.settle(undefined);\n" +
          "      }\n",
      },
    ],
  },
  {
    name: "target-split-off-by-one",
    what: "A command that the device takes in several pieces gets the data of the wrong ones.",
    breaks: ["I21", "I24"],
    changes: [
      {
        file: ioCommand,
        find: "    const from = this.#doneBlocks * blockBytes;\n",
        replace: "    const from = Math.max(0, this.#doneBlocks - 1) * blockBytes;\n",
      },
    ],
  },
  {
    name: "flush-does-nothing",
    what: "A flush is answered without the device being asked.",
    breaks: ["I21", "I25"],
    changes: [
      {
        file: ioCommand,
        find: "return features.volatileCache ? 0 : NOTHING_TO_DO;",
        replace: "return NOTHING_TO_DO;",
      },
    ],
  },
  {
    name: "fua-dropped",
    what: "Force Unit Access does not reach the device.",
    breaks: ["I21", "I26"],
    changes: [
      {
        file: ioCommand,
        find: "    request.fua = this.fua;\n",
        replace: "    request.fua = false;\n",
      },
    ],
  },
  {
    name: "event-request-dropped",
    what: "Requests for asynchronous events are forgotten: hosts hear of nothing.",
    breaks: ["I43", "I44"],
    changes: [
      {
        file: "packages/target/src/async-events.ts",
        find: "    this.#requests.push(tag);\n",
        replace: "",
      },
    ],
  },
  {
    name: "silent-host-kept",
    what: "The target keeps a host whose keep-alive has expired.",
    breaks: ["I11", "I20", "I23"],
    changes: [
      {
        file: "packages/target/src/keep-alive.ts",
        find: "      this.#timeoutMs = 0;\n      expired();\n",
        replace: "      this.#timeoutMs = 0;\n",
      },
    ],
  },
  {
    name: "loan-lost-with-queue",
    what: "Buffers of commands that wait for their data are not given back when their queue goes.",
    breaks: ["I11", "I20", "I40"],
    changes: [
      {
        file: io,
        find: "      if (command.phase !== IoPhase.Backend) this.#release(command.clear());\n",
        replace: "      if (command.phase !== IoPhase.Backend) command.clear();\n",
      },
    ],
  },
  {
    name: "waiting-list-walked-unguarded",
    what: "Who waits at the target stays first in line while he is served, and is served again from inside.",
    breaks: ["I1", "I7", "I20", "I32", "I38", "I43"],
    changes: [
      {
        file: io,
        find: "      this.#waiting.shift();\n      const waits =\n",
        replace: "      const waits =\n",
      },
      {
        file: io,
        find: "      if (!waits) continue;\n      this.#waiting.unshift(command.tag);\n",
        replace:
          "      if (!waits) {\n        this.#waiting.shift();\n        continue;\n      }\n",
      },
    ],
  },
];
