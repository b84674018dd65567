// Planted bugs of the NVMe/TCP sessions of both ends.
// Read first: planted-bug.ts; packages/transport/src/tcp/session.ts.

import type { PlantedBug } from "../planted-bug.ts";

const host = "packages/transport/src/tcp/host-session.ts";
const controller = "packages/transport/src/tcp/controller-session.ts";
const reader = "packages/transport/src/tcp/pdu-reader.ts";
const connection = "packages/transport/src/tcp/connection.ts";

export const wireBugs: readonly PlantedBug[] = [
  {
    name: "h2c-data-too-long",
    what: "An H2CData carries more than the controller's MAXH2CDATA.",
    breaks: ["I32", "I34"],
    changes: [
      {
        file: host,
        find: "const end = Math.min(slot.movedBytes, start + this.agreement!.h2cDataBytesMax);",
        replace: "const end = slot.movedBytes;",
      },
    ],
  },
  {
    name: "second-h2c-data-wrong-offset",
    what: "The second H2CData for an R2T says that it begins where the first did.",
    breaks: ["I34"],
    changes: [
      {
        file: host,
        find: "    DataPdu.datao.set(view, base, start);\n",
        replace: "    DataPdu.datao.set(view, base, 0);\n",
      },
    ],
  },
  {
    name: "second-h2c-data-wrong-bytes",
    what: "The second H2CData for an R2T carries the bytes of the first.",
    breaks: ["I7", "I21", "I24"],
    changes: [
      {
        file: host,
        find: "    this.#payload(slot.region, start, end, headerEnd);\n",
        replace: "    this.#payload(slot.region, 0, end - start, headerEnd);\n",
      },
    ],
  },
  {
    name: "data-digest-not-checked",
    what: "Data counts as intact whatever its digest says.",
    breaks: ["I6", "I7", "I21", "I24", "I27"],
    changes: [
      {
        file: reader,
        find: "this.#endData(this.#digestWord === crc32cFinish(this.#digest));",
        replace: "this.#endData(true);",
      },
    ],
  },
  {
    name: "sq-head-stands-still",
    what: "The controller frees no entry of the submission queue: SQHD never moves.",
    breaks: ["I38"],
    changes: [
      {
        file: controller,
        find: "    this.#sqhd = (this.#sqhd + 1) % this.#slots.length;\n",
        replace: "",
      },
    ],
  },
  {
    name: "r2t-beyond-the-command",
    what: "An R2T asks for four bytes more than the command transfers.",
    breaks: ["I32", "I34", "I35"],
    changes: [
      {
        file: controller,
        find: "    R2t.r2tl.set(view, base, bytes);\n",
        replace: "    R2t.r2tl.set(view, base, bytes + 4);\n",
      },
    ],
  },
  {
    name: "data-under-way-not-copied",
    what: "Bytes that wait to be written are staged again before the stream has taken them.",
    breaks: ["I21", "I28", "I32"],
    changes: [
      {
        file: connection,
        find: "    if (stream.writeNow === undefined) stream.write(pieces);\n",
        replace:
          "    if (stream.writeNow === undefined) {\n" +
          "      stream.write(pieces);\n      out.drained();\n    }\n",
      },
    ],
  },
];
