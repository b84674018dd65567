// A program that closes its group of controllers in a given state, while its target is paused for good.
//
//   node closing-program.mjs CASE PORT NQN
//
// It says "pause" and waits to be told that the target is; closes; says "closed" and how it went; and
// attaches again under the same name when it is told that the target goes on. Read first:
// host-closings.mjs, which starts it, and gate.mjs.
import { createInterface } from "node:readline";
import { BlockOp } from "../../packages/bdev/dist/index.js";
import { NvmeGroup } from "../../packages/bdev/dist/nvme/index.js";
import { Gate } from "./gate.mjs";
import { resources, surplus } from "./resources.mjs";

const [name, port, subsystemNqn] = process.argv.slice(2);
const READS = 128;
const hostId = "0c9f2b9a-5a35-4d5c-8d3f-0f6f1b8f5e22";
const gate = new Gate(Number(port));
const options = {
  hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${hostId}`,
  hostId,
  subsystemNqn,
  ioQueues: 2,
  // Nothing but the close ends anything here: neither keep-alive nor a deadline of a command.
  keepAliveTimeoutMs: 30_000,
  connectTimeoutMs: 20_000,
  fabricsTimeoutMs: 20_000,
};

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (word, facts = {}) => process.stdout.write(`${JSON.stringify({ word, ...facts })}\n`);

async function told(word) {
  const { value } = await lines.next();
  if (value !== word) throw new Error(`told ${value} where ${word} was expected`);
}

async function paused() {
  say("pause");
  await told("paused");
}

const group = new NvmeGroup({ name: "nvme0" });
/** Times that each request has settled. */
const settled = [];
/** Closes that were asked for during the one under test; they are over when that is. */
const others = [];
let device;
let channels = [];

const attach = (more = {}) => group.attach({ ...options, ...more, transport: gate.transport() });

/**
 * Reads on channels that nobody ever closes; refused ones settle as well. They are submitted in this
 * call, and all over when the promise resolves.
 */
async function read(count = READS) {
  if (channels.length === 0) {
    [device] = group.devices;
    channels = [device.openChannel(), device.openChannel()];
  }
  const reads = Array.from({ length: count }, (_, i) => {
    const at = settled.push(0) - 1;
    const data = new Uint8Array(device.blockBytes);
    const request = { op: BlockOp.Read, lba: i, blockCount: 1, data };
    return new Promise((resolve) =>
      channels[i % 2].submit(request, () => {
        settled[at]++;
        resolve();
      }),
    );
  });
  await Promise.all(reads);
}

/** The close under test: when it was called, and when it was over. */
async function close() {
  const sinceMs = performance.now();
  const reports = await group.close();
  return { closedMs: performance.now() - sinceMs, reports };
}

/** Resolves when the controller gets into a state, and what follows from that is done. */
const became = ({ controller }, state) =>
  new Promise((resolve) =>
    controller.observe((event) => event.to === state && setImmediate(resolve)),
  );

const stateOf = ({ controller }) => controller.state;

/** A close whose peer falls silent as a write or an answer of it comes, which is on its way then. */
async function silentAt(what, count) {
  await attach();
  const held = gate.holdAt(what, count);
  const closing = close();
  await held;
  await paused();
  gate.letGo();
  return { state: "closing", closing };
}

/** Gets into a state with a target that is silent, begins the close, and says in which state that was. */
const cases = {
  async connecting() {
    await paused();
    const opened = gate.opened();
    const attached = attach().then(
      () => "attached",
      () => "rejected",
    );
    await opened;
    const state = stateOf(group.controllers[0]);
    const closing = close();
    if ((await attached) !== "rejected") throw new Error("the attach was not rejected");
    return { state, closing };
  },
  async live() {
    await attach();
    await paused();
    void read();
    return { state: stateOf(group.controllers[0]), closing: close() };
  },
  async recovering() {
    const path = await attach();
    await paused();
    void read();
    const opened = gate.opened();
    path.controller.reset(() => {});
    await opened;
    return { state: stateOf(path), closing: close() };
  },
  async waiting() {
    // The time to connect is that of the attempt that has to fail; it suffices for the first one.
    const path = await attach({ connectTimeoutMs: 3_000, fabricsTimeoutMs: 20_000 });
    const { controller } = path;
    await paused();
    void read();
    const waits = new Promise((resolve) =>
      controller.observe((event) => event.type === "retry" && resolve()),
    );
    controller.reset(() => {});
    await waits;
    return { state: stateOf(path), closing: close() };
  },
  async disabled() {
    const path = await attach();
    await paused();
    void read();
    await group.disable(path);
    void read();
    return { state: stateOf(path), closing: close() };
  },
  /** Before the first step has its turn: all that comes after the call is refused. */
  async gate() {
    const { controller } = await attach();
    await paused();
    void read();
    controller.reset(() => {});
    const closing = close();
    void read();
    others.push(group.close());
    return { state: "closing", closing };
  },
  async drain() {
    const path = await attach();
    await paused();
    void read();
    const draining = became(path, "closing");
    const closing = close();
    await draining;
    void read();
    path.controller.reset(() => {});
    others.push(group.close());
    return { state: stateOf(path), closing };
  },
  /** Some answers of the drain still come, and others never do. */
  async "drain, with some answers"() {
    await attach();
    void read(READS / 2);
    await new Promise(setImmediate);
    const held = gate.holdAt("sent", 1);
    void read(READS / 2);
    const closing = close();
    await held;
    await paused();
    gate.letGo();
    return { state: "closing", closing };
  },
  "the notice of the shutdown": () => silentAt("sent", 1),
  "the answer to the notice": () => silentAt("arrived", 1),
  "the look at its status": () => silentAt("sent", 2),
  /** The last that is heard of it may be that it has shut down: then the sockets end in order. */
  sockets: () => silentAt("arrived", 2),
};

const settledOnce = (until) => settled.slice(0, until).filter((times) => times === 1).length;

const before = resources();
const { state, closing } = await cases[name]();
const { closedMs, reports } = await closing;
await Promise.all(others);
const requests = settled.length;
say("closed", {
  state,
  closedMs,
  requests,
  settledOnce: settledOnce(requests),
  left: surplus(before),
  devices: group.devices.length,
  reports,
});
await told("resumed");
await attach();
channels = [];
await read(1);
await group.close();
// What settles twice may do so late: it is counted once more when all is over.
say("again", { settledOnce: settledOnce(requests) });
process.exit(0);
