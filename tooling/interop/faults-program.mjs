// A program that uses the packages as any other would, while somebody breaks its target.
//
//   node faults-program.mjs destruct PORT NQN        the target is paused with reads outstanding
//   node faults-program.mjs failover PORTS NQN       one of two paths comes and goes under writes
//
// It says what it has come to, and is told to go on, by lines of standard output and input.
import { createInterface } from "node:readline";
import { BlockOp } from "../../packages/bdev/dist/index.js";
import { connect } from "../../packages/bdev/dist/nvme/index.js";
import { tcp } from "../../packages/transport/dist/node/index.js";
import { resources, surplus } from "./resources.mjs";

const [scenario, ports, subsystemNqn] = process.argv.slice(2);
const hostId = "0c9f2b9a-5a35-4d5c-8d3f-0f6f1b8f5e21";
const base = {
  hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${hostId}`,
  hostId,
  subsystemNqn,
  keepAliveTimeoutMs: 1_000,
  reconnect: { delayMs: 1_000, delayMaxMs: 4_000, fastFailMs: 20_000, lossMs: 120_000 },
};
const transports = ports.split(",").map((port) => tcp({ host: "127.0.0.1", port: Number(port) }));

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (word, facts = {}) => process.stdout.write(`${JSON.stringify({ word, ...facts })}\n`);

/** What becomes of a controller, for the log. */
function note({ controller }) {
  const { address } = controller;
  controller.observe((event) => {
    if (event.type !== "state" && event.type !== "retry") return;
    const why = event.reason === undefined ? "" : `${event.reason.code} ${event.reason.message}`;
    const at = Math.round(performance.now());
    process.stderr.write(`${at} ${address.trsvcid}: ${event.type} ${event.to ?? ""} ${why}\n`);
  });
}

/** Waits to be told `word`. */
async function told(word) {
  const { value } = await lines.next();
  if (value !== word) throw new Error(`told ${value} where ${word} was expected`);
}

/** 128 reads to a target that is paused for good, on channels that nobody ever closes. */
async function destruct() {
  const before = resources();
  const host = await connect({ ...base, transport: transports[0], keepAliveTimeoutMs: 10_000 });
  const device = await host.openNamespace(1);
  const channels = [device.openChannel(), device.openChannel()];
  say("connected");
  await told("paused");
  const settled = Array.from({ length: 128 }, () => 0);
  for (let i = 0; i < 128; i++) {
    const data = new Uint8Array(device.blockBytes);
    const request = { op: BlockOp.Read, lba: i, blockCount: 1, data };
    channels[i % 2].submit(request, () => settled[i]++);
  }
  const outstanding = channels[0].inflight + channels[1].inflight;
  const report = await host.close();
  say("closed", {
    outstanding,
    settledOnce: settled.filter((times) => times === 1).length,
    closedMs: report.totalMs,
    phasesMs: report.phasesMs,
    left: surplus(before),
  });
  await told("resumed");
  const again = await connect({ ...base, transport: transports[0] });
  say("again", { namespaces: await again.controller.namespaceIds() });
  await again.close();
}

/** A block's content says where it lies and which write it was. */
function stamp(data, lba, sequence) {
  const view = new DataView(data.buffer);
  for (let at = 0; at < data.length; at += 16) {
    view.setUint32(at, lba);
    view.setUint32(at + 4, sequence);
    view.setUint32(at + 8, at);
    view.setUint32(at + 12, lba ^ sequence ^ at);
  }
}

/** Something has happened: a request has ended, or a controller has another state. */
class Progress {
  #waiters = [];

  made() {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  next() {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}

/** Writes, reads back and compares, without an end, on blocks of its own. */
class Writer {
  #channel;
  #lba;
  #sequence = 0;
  #data;
  #back;
  #counts;
  #progress;
  constructor(device, lba, counts, progress) {
    this.#channel = device.openChannel();
    this.#lba = lba;
    this.#data = new Uint8Array(device.blockBytes);
    this.#back = new Uint8Array(device.blockBytes);
    this.#counts = counts;
    this.#progress = progress;
  }

  #submit(op, data) {
    const sinceMs = performance.now();
    return new Promise((resolve) => {
      this.#channel.submit({ op, lba: this.#lba, blockCount: 1, data }, (error) => {
        this.#note(error, performance.now() - sinceMs);
        resolve();
      });
    });
  }

  async run(more) {
    while (more()) {
      stamp(this.#data, this.#lba, ++this.#sequence);
      await this.#submit(BlockOp.Write, this.#data);
      await this.#submit(BlockOp.Read, this.#back);
      if (Buffer.compare(this.#data, this.#back) !== 0) this.#counts.mismatches++;
    }
    this.#channel.close();
  }

  #note(error, tookMs) {
    this.#counts.longestStallMs = Math.max(this.#counts.longestStallMs, tookMs);
    this.#counts.requests++;
    this.#progress.made();
    if (error === undefined) return;
    this.#counts.errors++;
    this.#counts.firstError ??= error.message;
  }
}

/** Verified writes on two paths, of which one comes and goes. */
async function failover() {
  const host = await connect({
    ...base,
    transport: transports[0],
    policy: { mode: "active-active", selector: "round-robin" },
  });
  await host.addPath(transports[1]);
  for (const path of host.group.controllers) note(path);
  const device = await host.openNamespace(1);
  const progress = new Progress();
  for (const { controller } of host.group.controllers) controller.observe(() => progress.made());
  const counts = { requests: 0, errors: 0, mismatches: 0, longestStallMs: 0 };
  let open = true;
  const writers = Array.from({ length: 16 }, (_, i) => new Writer(device, 8 * i, counts, progress));
  const done = Promise.all(writers.map((writer) => writer.run(() => open)));
  const states = () => host.group.controllers.map(({ controller }) => controller.state);
  say("running", { states: states() });
  // Asked for by whoever takes the path away: said as soon as it is so.
  const conditions = {
    loss: () => () => states().some((state) => state !== "live"),
    writes: () => {
      const enough = counts.requests + 100;
      return () => counts.requests > enough;
    },
    return: () => () => states().every((state) => state === "live"),
  };
  for (let { value } = await lines.next(); value !== "stop"; { value } = await lines.next()) {
    const isSo = conditions[value]();
    while (!isSo()) await progress.next();
    say("so", { states: states(), ...counts });
  }
  open = false;
  await done;
  const report = await host.close();
  say("done", { ...counts, closedMs: report.totalMs });
}

await (scenario === "destruct" ? destruct() : failover());
process.exit(0);
