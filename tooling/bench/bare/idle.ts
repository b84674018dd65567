// Controllers that idle: what a target has to keep when nobody asks anything of it.
// Read first: queue.ts. For each line of stdin, more controllers; ends when its stdin does.

import { createInterface } from "node:readline";
import { say } from "../meter.ts";
import { bareController } from "./queue.ts";

const ENTRIES = 128;
const port = Number(process.argv[2]);

/** What a line asks for. */
interface More {
  readonly controllers: number;
  /** I/O queues of each. */
  readonly queues: number;
}

say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { controllers, queues } = JSON.parse(line) as More;
  for (let i = 0; i < controllers; i++) {
    await bareController({ port, queues, entries: ENTRIES, use: "idle" });
  }
  say({ controllers });
}
process.exit(0);
