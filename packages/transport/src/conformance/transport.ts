// What every transport must do, host's end and controller's: the suite that NVMe/TCP passes.
// Read first: ../queue-link.ts, the contract that this holds an implementation to.

import { statusOf } from "@nvmeof/codec";
import { type ConformanceCase, must, mustEqual, mustHold, numbers, pattern } from "./case.ts";
import {
  type Controller,
  QueueBench,
  type SeenCommand,
  type TransportWorld,
} from "./queue-bench.ts";

type Case = ConformanceCase<QueueBench>;

const WRITE = 1;
const READ = 2;
const FLUSH = 0;

/** Around what a capsule carries, what is copied, and what a PDU or frame holds. */
const sizes = [
  1, 3, 4, 511, 512, 4095, 4096, 8191, 8192, 8193, 16_385, 131_072, 131_076, 1_000_001,
];

const opening: Case[] = [
  {
    name: "both ends of a queue are opened, once",
    async run(bench) {
      const [host, controller] = await bench.pair();
      await bench.quiet();
      mustEqual([host.events, controller.events], [["opened"], ["opened"]], "events");
      must(controller.link.remote !== "", "the controller's end names its host");
    },
  },
  {
    name: "where nobody is, the queue is lost, and was never opened",
    async run(bench) {
      const host = bench.open();
      await bench.until(() => host.isLost);
      mustEqual(host.events, ["lost"], "events");
      mustEqual(host.error?.code, "NVME_ERR_UNREACHABLE", "error");
    },
  },
  {
    name: "a queue closed before it is opened tells nothing",
    async run(bench) {
      bench.serve();
      bench.open().close("reset");
      bench.open().close("orderly");
      const witness = bench.open();
      await bench.until(() => witness.isOpen);
      await bench.quiet();
    },
  },
  {
    name: "queues do not touch each other",
    async run(bench) {
      const [first] = await bench.pair(0);
      const [second, controller] = await bench.pair(1);
      first.close("reset");
      await bench.quiet();
      second.submit(3, FLUSH);
      await bench.settled(second, 1);
      must(!controller.isLost, "the other queue's controller is lost too");
    },
  },
];

const commands: Case[] = [
  {
    name: "a command without data completes with what its controller says",
    async run(bench) {
      const [host, controller] = await bench.pair();
      controller.onCommand = ({ tag, cid }) =>
        controller.respond(tag, cid === 1 ? statusOf(2, 0x81, true) : 0);
      host.submit(0, FLUSH, undefined, { cdw10: 0x1234_5678 });
      host.submit(1, FLUSH);
      await bench.settled(host, 2);
      mustEqual(
        host.completions,
        [
          [0, 0],
          [1, statusOf(2, 0x81, true)],
        ],
        "completions",
      );
      mustEqual(host.dw0s[0], 0x1234_5678, "DW0");
    },
  },
  ...sizes.map((bytes) => ({
    name: `${bytes} bytes are written and read back`,
    async run(bench: QueueBench) {
      const [host, controller] = await bench.pair();
      const data = pattern(bytes);
      host.submit(3, WRITE, data);
      await bench.settled(host, 1);
      mustHold(controller.store.subarray(0, bytes), data, "what was written");
      must(
        controller.store.subarray(bytes).every((byte) => byte === 0),
        "more was written",
      );
      const guarded = new Uint8Array(bytes + 16).fill(0xa5);
      host.submit(3, READ, guarded.subarray(8, 8 + bytes));
      await bench.settled(host, 2);
      mustHold(guarded.subarray(8, 8 + bytes), data, "what was read");
      const guards = [...guarded.subarray(0, 8), ...guarded.subarray(8 + bytes)];
      must(
        guards.every((byte) => byte === 0xa5),
        "bytes around the buffer were changed",
      );
      mustEqual(
        host.completions.map(([, status]) => status),
        [0, 0],
        "statuses",
      );
      await bench.until(() => controller.lent === 0);
    },
  })),
  {
    name: "a read that fails completes with its status, and no data",
    async run(bench) {
      const [host, controller] = await bench.pair();
      controller.onCommand = ({ tag }) => controller.respond(tag, statusOf(2, 0x81));
      host.submit(3, READ, new Uint8Array(4096));
      host.submit(4, WRITE, new Uint8Array(100_000));
      await bench.settled(host, 2);
      mustEqual(
        host.completions.map(([, status]) => status),
        [statusOf(2, 0x81), statusOf(2, 0x81)],
        "statuses",
      );
    },
  },
];

/** Answers commands once `count` of them are there, the last first. */
function answerReversed(controller: Controller, count: number): void {
  const waiting: SeenCommand[] = [];
  controller.onCommand = (command) => {
    waiting.push(command);
    if (waiting.length < count) return;
    for (const one of waiting.splice(0).toReversed()) controller.answer(one);
  };
}

const manyCommands: Case[] = [
  {
    name: "as many commands as there are slots are in flight, and complete in any order",
    async run(bench) {
      const [host, controller] = await bench.pair();
      answerReversed(controller, bench.slots);
      for (let cid = 0; cid < bench.slots; cid++)
        host.submit(cid, FLUSH, undefined, { cdw10: cid });
      await bench.settled(host, bench.slots);
      const order = Array.from({ length: bench.slots }, (_, i) => bench.slots - 1 - i);
      mustEqual(host.dw0s, order, "order of completions");
    },
  },
  {
    name: "reads and writes of all sizes together do not mix up their data",
    async run(bench) {
      const [host, controller] = await bench.pair();
      controller.store.set(pattern(controller.store.length));
      controller.onCommand = (command) => {
        // Writes are answered from what they say, and reads from what the store held before.
        if (command.opc === READ) controller.answer(command);
        else if (controller.link.capsuleData(command.tag) !== undefined) {
          const data = controller.link.capsuleData(command.tag)!;
          if (data.some((byte) => byte !== command.cid)) bench.faults.push("data of another write");
          controller.respond(command.tag, 0);
        } else controller.link.fetch(command.tag, new Uint8Array(command.bytes));
      };
      const buffers: Uint8Array[] = [];
      for (let cid = 0; cid < bench.slots; cid++) {
        const buffer = new Uint8Array(sizes[cid % sizes.length]!);
        if (cid % 2 === 1) buffer.fill(cid);
        buffers.push(buffer);
        host.submit(cid, cid % 2 === 1 ? WRITE : READ, buffer);
      }
      await bench.settled(host, bench.slots);
      for (const [cid, buffer] of buffers.entries()) {
        if (cid % 2 === 0) mustHold(buffer, pattern(buffer.length), `read ${cid}`);
      }
    },
  },
  {
    name: "slots are used again, also inside the call that completes a command",
    async run(bench) {
      const [host] = await bench.pair();
      const next = numbers(3);
      const total = 500;
      let submitted = 0;
      const submit = (cid: number): void => {
        if (submitted === total) return;
        submitted++;
        const opc = next(3);
        const bytes = 1 + next(20_000);
        host.submit(cid, opc, opc === FLUSH ? undefined : new Uint8Array(bytes));
      };
      host.onCompleted = submit;
      for (let cid = 0; cid < bench.slots; cid++) submit(cid);
      await bench.until(() => host.completions.length === total);
      await bench.settled(host, total);
      must(
        host.completions.every(([, status]) => status === 0),
        "a command failed",
      );
    },
  },
];

function mustHoldTag(data: Uint8Array, tag: number): void {
  must(
    data.every((byte) => byte === tag),
    `data of another command than ${tag}`,
  );
}

const detaching: Case[] = [
  {
    name: "a read's buffer that was taken back is not touched; the command completes all the same",
    async run(bench) {
      const [host, controller] = await bench.pair();
      controller.store.fill(0x11);
      let held: SeenCommand | undefined;
      controller.onCommand = (command) => void (held = command);
      for (const bytes of [512, 500_000]) {
        held = undefined;
        const buffer = new Uint8Array(bytes);
        host.submit(5, READ, buffer);
        await bench.until(() => held !== undefined);
        host.detach(5);
        buffer.fill(0x77);
        controller.answer(held!);
        await bench.until(() => host.inFlight === 0);
        mustHoldTag(buffer, 0x77);
      }
      controller.onCommand = undefined;
      const buffer = new Uint8Array(512);
      host.submit(5, READ, buffer);
      await bench.settled(host, 3);
      mustHoldTag(buffer, 0x11);
    },
  },
  {
    name: "a write whose buffer was taken back writes what was submitted",
    async run(bench) {
      const [host, controller] = await bench.pair();
      let completions = 0;
      for (const bytes of [512, 8192, 500_000, 1_500_000]) {
        const data = pattern(bytes);
        const buffer = data.slice();
        host.submit(5, WRITE, buffer);
        host.detach(5);
        buffer.fill(0xdd);
        await bench.settled(host, ++completions);
        mustHold(controller.store.subarray(0, bytes), data, "what was written");
      }
    },
  },
  {
    name: "a buffer that is taken back while its data moves is the owner's from then on",
    async run(bench) {
      const [host, controller] = await bench.pair();
      let held: SeenCommand | undefined;
      controller.onCommand = (command) => void (held = command);
      const data = pattern(1_500_000);
      const buffer = data.slice();
      host.submit(5, WRITE, buffer);
      await bench.until(() => held !== undefined);
      const into = new Uint8Array(data.length);
      controller.link.fetch(held!.tag, into);
      // The other command's answer says that the host has heard of the fetch, or is about to.
      host.submit(6, FLUSH);
      controller.onCommand = (command) => controller.answer(command);
      await bench.until(() => host.completions.length > 0);
      host.detach(5);
      buffer.fill(0xdd);
      await bench.settled(host, 2);
      mustHold(into, data, "what was written");
    },
  },
];

const losing: Case[] = [
  {
    name: "a queue that its controller resets is lost to the host, once, with all its commands",
    async run(bench) {
      const [host, controller] = await bench.pair();
      controller.onCommand = () => {};
      for (let cid = 0; cid < bench.slots; cid++) host.submit(cid, READ, new Uint8Array(100_000));
      await bench.until(() => controller.events.length === 1 + bench.slots);
      controller.close("reset");
      await bench.until(() => host.isLost);
      await bench.quiet();
      mustEqual(host.events, ["opened", "lost"], "events");
      mustEqual(host.error?.code, "NVME_ERR_CONNECTION_LOST", "error");
      host.submit(0, FLUSH); // too late: goes nowhere
      await bench.quiet();
    },
  },
  {
    name: "a queue that its host resets is lost to the controller, once",
    async run(bench) {
      const [host, controller] = await bench.pair();
      controller.onCommand = () => {};
      host.submit(1, WRITE, new Uint8Array(100_000));
      await bench.until(() => controller.events.includes("command"));
      host.close("reset");
      host.link.close("reset");
      await bench.until(() => controller.isLost);
      await bench.quiet();
      mustEqual(controller.events, ["opened", "command", "lost"], "events");
      // What the storage says late is of no use, and does no harm.
      controller.respond(0, 0);
    },
  },
  {
    name: "an orderly close delivers what was submitted",
    async run(bench) {
      const [host, controller] = await bench.pair();
      host.submit(1, FLUSH);
      await bench.quiet();
      host.submit(2, FLUSH);
      host.submit(3, FLUSH);
      host.close("orderly");
      await bench.until(() => controller.isLost);
      mustEqual(controller.events.filter((event) => event === "command").length, 3, "commands");
    },
  },
  {
    name: "an orderly close of the controller's end delivers its answers, then loses the queue",
    async run(bench) {
      const [host, controller] = await bench.pair();
      controller.onCommand = ({ tag }) => {
        controller.respond(tag, 0);
        controller.close("orderly");
      };
      host.submit(1, FLUSH);
      await bench.until(() => host.isLost);
      mustEqual(host.events, ["opened", "completed", "lost"], "events");
    },
  },
  {
    name: "closing inside a completion is the end of events",
    async run(bench) {
      for (const how of ["orderly", "reset"] as const) {
        const [host, controller] = await bench.pair();
        answerReversed(controller, bench.slots);
        host.onCompleted = () => host.close(how);
        for (let cid = 0; cid < bench.slots; cid++) host.submit(cid, READ, new Uint8Array(5_000));
        await bench.until(() => controller.isLost);
        await bench.quiet();
        mustEqual(host.events, ["opened", "completed"], "events");
      }
    },
  },
  {
    name: "closing inside opened is the end of events",
    async run(bench) {
      bench.serve();
      const host = bench.open();
      host.onOpened = () => host.close("reset");
      await bench.until(() => bench.controllers[0]?.isLost === true);
      await bench.quiet();
      mustEqual(host.events, ["opened"], "events");
    },
  },
];

/** The suite. Each case wants a world of its own. */
export const transportConformance: readonly ConformanceCase<TransportWorld>[] = [
  ...opening,
  ...commands,
  ...manyCommands,
  ...detaching,
  ...losing,
].map(({ name, run }) => ({
  name,
  run: (world) => new QueueBench(world).run(run),
}));
