// Fibre Channel: structures, the stream that carries frames, and whole associations with frames that lie.
// Read first: parser.ts; transport/src/testing/fc-bench.ts; FC-NVMe-2 §8 "Information units".

import { viewOf } from "@nvmeof/codec";
import {
  CmdIu,
  CreateAssociationAcc,
  CreateAssociationLs,
  CreateConnectionLs,
  DisconnectAssociationLs,
  DisconnectConnectionLs,
  ErspIu,
  FcHeader,
  LsCommand,
  XferRdyIu,
  checkCmdIu,
  checkErspIu,
  checkFrame,
  checkRspIu,
  checkXferRdyIu,
  decodeLsAnswer,
  decodeLsRequest,
  encodeLs,
} from "@nvmeof/codec/fc";
import { MemoryPort, type Region } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
// @boundaries-ignore what no package exports is tried as well
import { fcListener } from "../../../packages/transport/src/fc/stream-listener.ts";
// @boundaries-ignore what no package exports is tried as well
import {
  FcBench,
  hostNames,
  targetNames,
} from "../../../packages/transport/src/testing/fc-bench.ts";
import { joined } from "../bytes.ts";
import { Broken, type Cuts, type FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";
import { type Choice, parsers } from "./parser.ts";

/** A structure of its full size, whatever the length of the input. */
const padded = (input: Uint8Array, size: number): DataView => {
  const out = new Uint8Array(size);
  out.set(input.subarray(0, size));
  return viewOf(out);
};

const command = (random: Random): Uint8Array => {
  const out = new Uint8Array(CmdIu.size);
  out.set([0xfd, 0x28, 0, 24, 0, 0, 8, random.below(4)]);
  out[24] = random.pick([0, 1, 2, 5, 0x7f, random.byte()]);
  return out;
};

const linkServices = [
  () => encodeLs(CreateAssociationLs, { sqsize: 32, erspRatio: 8, hostnqn: "h", subnqn: "s" }),
  () => encodeLs(CreateConnectionLs, { associationId: 1n, qid: 1, sqsize: 32, erspRatio: 8 }),
  () => encodeLs(DisconnectAssociationLs, { associationId: 1n }),
  () => encodeLs(DisconnectConnectionLs, { associationId: 1n, connectionId: 2n }),
];

const answer = { request: LsCommand.CreateAssociation, associationId: 1n, connectionId: 1n };

const choices: readonly Choice[] = [
  {
    valid: (random) => joined(Uint8Array.of(6, 0, 0, 1, 0, 0, 0, 2, 0x28, 0x29), random.bytes(62)),
    decode: (input) => {
      const view = padded(input, Math.max(input.length, FcHeader.size));
      return checkFrame(view, 0, input.length);
    },
  },
  { valid: command, decode: (input) => checkCmdIu(padded(input, CmdIu.size), 0, input.length) },
  {
    valid: (random) => joined(Uint8Array.of(0, 0, 0, 8), random.bytes(28)),
    decode: (input) =>
      checkErspIu(padded(input, ErspIu.size), 0, input.length, { cid: 1, transferredBytes: 0 }),
  },
  {
    valid: () => new Uint8Array(12),
    decode: (input) => checkRspIu(padded(input, 12), 0, input.length),
  },
  {
    valid: (random) => random.bytes(XferRdyIu.size),
    decode: (input) => checkXferRdyIu(padded(input, XferRdyIu.size), 0, input.length, 4_096),
  },
  { valid: (random) => random.pick(linkServices)(), decode: decodeLsRequest },
  {
    valid: () => encodeLs(CreateAssociationAcc, answer),
    decode: (input) => decodeLsAnswer(CreateAssociationAcc, LsCommand.CreateAssociation, input),
  },
];

export const fcStructures: FuzzTarget = parsers(
  "fc-structures",
  "frames, information units and link services of FC",
  choices,
);

/** Frames as they are on the stream: a prefix of 4 bytes before each. */
function framed(random: Random): Uint8Array {
  const payload = random.pick([
    command(random),
    random.pick(linkServices)(),
    random.bytes(random.below(64) * 4),
  ]);
  const header = new Uint8Array(FcHeader.size);
  header[0] = random.pick([6, 0x22, 0x32, 0x33, 1, 0x81, 0x84, random.byte()]);
  header[3] = 2;
  header[7] = 1;
  header[8] = random.pick([0x28, 1, random.byte()]);
  header.set(random.bytes(3), 9);
  const frame = joined(header, payload);
  const length = random.once(8) ? random.edge() & 0xffff : frame.length;
  return joined(Uint8Array.of(0xfc, 0x28, length >> 8, length & 0xff), frame);
}

export const fcStream: FuzzTarget = {
  name: "fc-stream",
  reads: "a stream of frames, in a target's port",
  chunked: true,
  quickCases: 300,
  make: (random) => joined(...Array.from({ length: random.between(1, 6) }, () => framed(random))),
  run: (input: Uint8Array, cuts: Cuts): string => {
    const clock = new VirtualClock();
    const port = new MemoryPort("fc", { clock });
    const links = fcListener({ listener: port, clock, names: targetNames });
    links.listen((link) => ({
      opened: () => link.configure(32, true, 0),
      command: (tag) => link.respond(tag, 0, 0, 0),
      fetched: (tag, status) => link.respond(tag, status, 0, 0),
      lost() {},
    }));
    const heard: number[] = [];
    let phase = "open";
    const stream = port.connect(
      {},
      {
        opened() {},
        received: (buffer: Region, start, end) => heard.push(...buffer.bytes.subarray(start, end)),
        drained() {},
        ended: (error) => (phase = `ended ${error?.code ?? ""}`),
      },
    );
    clock.settle();
    let from = 0;
    for (const to of [...cuts, input.length]) {
      if (to > from) stream.write([input.slice(from, to)]);
      clock.settle();
      from = to;
    }
    // A link that ends in an error sends nothing more, not even what it had to say just before.
    const words = phase === "open" ? Buffer.from(heard).toString("hex").slice(0, 20_000) : "";
    const said = `${phase}\nsaid ${words}`;
    stream.reset();
    clock.advance(120_000);
    if (clock.armed > 0) throw new Broken(`${clock.armed} timers are armed when the host is gone`);
    return said;
  },
};

/** What becomes of a frame: which one, and three bytes of how. */
const LIE_BYTES = 4;

/** Changes frames on their way; what the two ends make of it must end. */
export const fcWorld: FuzzTarget = {
  name: "fc-world",
  reads: "frames that lie, in both ends of an association",
  quickCases: 120,
  msMax: 400,
  make: (random) => random.bytes(random.between(1, 8) * LIE_BYTES),
  run: (input) => {
    const bench = new FcBench();
    const lies = new Map<number, Uint8Array>();
    for (let at = 0; at + LIE_BYTES <= input.length; at += LIE_BYTES) {
      lies.set(input[at]! & 0x3f, input.subarray(at, at + LIE_BYTES));
    }
    let number = 0;
    bench.fateOf = ({ view }) => {
      const lie = lies.get(number++);
      if (lie === undefined) return "pass";
      const [, how = 0, where = 0, value = 0] = lie;
      if (how < 32) return "kept";
      // R_CTL stays: it says only who looks at the rest.
      const place = 1 + ((where | ((how & 3) << 8)) % (view.byteLength - 1));
      view.setUint8(place, value);
      return "pass";
    };
    const queues = [bench.open(0)];
    bench.clock.settle();
    queues.push(bench.open(1), bench.open(2));
    bench.clock.settle();
    for (const queue of queues) {
      if (!queue.isOpen || queue.error !== undefined) continue;
      for (let cid = 0; cid < 4; cid++) {
        queue.submit(cid, cid % 3, cid % 3 === 0 ? undefined : new Uint8Array(3_000));
      }
    }
    bench.clock.advance(60_000);
    for (const queue of queues) queue.link.close("reset");
    bench.clock.advance(120_000);
    if (bench.host.associations.length > 0) throw new Broken("an association has not ended");
    for (const { completions } of queues) {
      const cids = completions.map(([cid]) => cid);
      if (new Set(cids).size !== cids.length) throw new Broken("a command was completed twice");
    }
    bench.fateOf = () => "pass";
    bench.fabric.unplug(hostNames.portName);
    bench.clock.drain();
    if (bench.clock.armed > 0) throw new Broken(`${bench.clock.armed} timers are armed at the end`);
    return queues.map(({ events, error }) => `${events.join(" ")} ${error?.code ?? ""}`).join("\n");
  },
};
