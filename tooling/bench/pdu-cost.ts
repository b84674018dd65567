// What a PDU costs a session: CPU time, and what it leaves on the heap, which must be next to nothing.
// Read first: cost.ts; @nvmeof/transport session.ts. Sessions take a recorded stream of bytes, and send what
// goes before it, again and again; each pass is divided by its PDUs.

import { DataDirection, DataPdu, PduFlag } from "@nvmeof/codec";
import { ControllerSession, HostSession, Region } from "@nvmeof/transport";
import { RawPdus, joined, sqeOf } from "@nvmeof/transport/testing";
import { type Finding, median, report } from "./cost.ts";

/** Chunks in which the stream arrives: no PDU's header is spared from being cut. */
const CHUNK_BYTES = 262_101;
/** Payload of one pass at most. */
const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;
const WARM_UP_PASSES = 30;
const PASSES = 11;

/** A session that takes the same bytes any number of times. */
interface Subject {
  readonly name: string;
  readonly stream: Region;
  readonly pdus: number;
  /** Puts the session where the stream begins: it sends what the stream answers. */
  prepare(): void;
  /** What `prepare` sends, one PDU for each command; none where it does other things as well. */
  readonly sends?: string;
  receive(start: number, end: number): void;
  /** Commands that have been settled or have arrived, to see that all of it was done. */
  readonly done: () => number;
  readonly commands: number;
}

interface Shape {
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
}

const plain: Shape = { headerDigest: false, dataDigest: false };
const digests: Shape = { headerDigest: true, dataDigest: true };

/** Everything that the session sends goes nowhere. */
function empty(session: HostSession | ControllerSession): void {
  session.pump();
  while (!session.out.isEmpty) {
    session.out.take();
    session.out.drained();
    session.pump();
  }
}

/** A host that reads; the stream holds the answers. */
function hostReads(name: string, shape: Shape, bytes: number, success: boolean): Subject {
  const commands = Math.min(4096, PAYLOAD_BYTES_MAX / bytes);
  const pdus = new RawPdus(shape);
  let done = 0;
  const session = new HostSession(
    { qid: 1, slots: commands, inCapsuleBytes: 8192, pda: 0, ...shape },
    {
      opened: () => {},
      completed: () => void done++,
      lost: (error) => {
        throw error;
      },
    },
    1e9,
  );
  const initialise = new Region(pdus.icResp());
  session.receive(initialise, 0, initialise.bytes.length, 0);
  const data = new Uint8Array(bytes).fill(0x5a);
  const answers: Uint8Array[] = [];
  // Answered in another order than asked, as reads from a disk are.
  for (let i = 0; i < commands; i++) {
    const cid = (i * 1_237) % commands;
    const flags = pdus.digestFlags(true) | PduFlag.Last | (success ? PduFlag.Success : 0);
    answers.push(pdus.c2hData({ cccid: cid }, { data, flags }));
    if (!success) answers.push(pdus.capsuleResp({ cid }));
  }
  const sqe = sqeOf({ opc: 2 });
  const buffers = Array.from({ length: commands }, () => new Uint8Array(bytes));
  const stream = new Region(joined(...answers));
  return {
    name,
    stream,
    pdus: answers.length,
    commands,
    ...(success ? { sends: `host, commands of ${bytes / 1024} KiB reads` } : {}),
    prepare: () => {
      for (let cid = 0; cid < commands; cid++) {
        session.submit(cid, sqe, DataDirection.ToHost, buffers[cid]);
      }
      empty(session);
    },
    receive: (start, end) => session.receive(stream, start, end, 0),
    done: () => done,
  };
}

/** A controller's session, and what it was told. */
class Controller {
  readonly session: ControllerSession;
  readonly tags: Uint16Array;
  /** Commands that have arrived and are not answered. */
  arrived = 0;
  commands = 0;
  fetched = 0;

  constructor(pdus: RawPdus, shape: Shape, slots: number) {
    this.tags = new Uint16Array(slots);
    this.session = new ControllerSession(
      { pda: 0, h2cDataBytesMax: 131_072, inCapsuleBytes: 8192, ...shape },
      {
        opened: () => {},
        command: (tag) => {
          this.tags[this.arrived++] = tag;
          this.commands++;
        },
        fetched: () => void this.fetched++,
        lost: (error) => {
          throw error;
        },
      },
      1e9,
    );
    const initialise = new Region(pdus.icReq());
    this.session.receive(initialise, 0, initialise.bytes.length, 0);
    this.session.configure(slots, false, 8192);
  }

  tag(i: number): number {
    return this.tags[i] ?? 0;
  }

  answer(): void {
    // What is free last serves first: each command gets the slot and the buffer that it had.
    for (let i = this.arrived - 1; i >= 0; i--) this.session.respond(this.tag(i), 0, 0, 0);
    this.arrived = 0;
    empty(this.session);
  }
}

/** Commands that come whole: those without data, and writes with `bytes` of it in the capsule. */
function controllerTakes(name: string, shape: Shape, bytes: number): Subject {
  const commands = 4096;
  const pdus = new RawPdus(shape);
  const controller = new Controller(pdus, shape, commands);
  const data = bytes === 0 ? undefined : new Uint8Array(bytes).fill(0x5a);
  const fields =
    bytes === 0 ? { opc: 2, sglId: 0x5a, sglLength: 4096 } : { opc: 1, sglId: 1, sglLength: bytes };
  const stream = new Region(
    joined(
      ...Array.from({ length: commands }, (_, cid) =>
        pdus.capsuleCmd({ ...fields, cid }, { data }),
      ),
    ),
  );
  return {
    name,
    stream,
    pdus: commands,
    commands,
    sends: `controller, answers to ${name.replace("controller, ", "")}`,
    prepare: () => controller.answer(),
    receive: (start, end) => controller.session.receive(stream, start, end, 0),
    done: () => controller.commands,
  };
}

/** Writes whose data has been asked for; the stream holds it. */
function controllerFetches(name: string, bytes: number): Subject {
  const commands = PAYLOAD_BYTES_MAX / bytes;
  const pdus = new RawPdus(plain);
  const controller = new Controller(pdus, plain, commands);
  const { session } = controller;
  const cids = Array.from({ length: commands }, (_, cid) => cid);
  const capsules = cids.map((cid) =>
    pdus.capsuleCmd({ opc: 1, cid, sglId: 0x5a, sglLength: bytes }),
  );
  const ask = new Region(joined(...capsules));
  const data = new Uint8Array(bytes).fill(0x5a);
  const stream = new Region(joined(...cids.map((cccid) => pdus.h2cData({ cccid }, { data }))));
  const buffers = cids.map(() => new Uint8Array(bytes));
  return {
    name,
    stream,
    pdus: commands,
    commands,
    prepare: () => {
      controller.answer();
      session.receive(ask, 0, ask.bytes.length, 0);
      for (const [cid, buffer] of buffers.entries()) {
        const tag = controller.tag(cid);
        session.fetch(tag, buffer, 0);
        DataPdu.ttag.set(stream.view, cid * (stream.bytes.length / commands), tag + 1);
      }
      empty(session);
    },
    receive: (start, end) => session.receive(stream, start, end, 0),
    done: () => controller.fetched,
  };
}

/** What a piece of work has cost. */
interface Spent {
  /** Growth of the heap. */
  readonly bytes: number;
  /** CPU time. */
  readonly us: number;
}

function spent(work: () => void, isMeasured: boolean): Spent {
  if (isMeasured) globalThis.gc?.();
  const usedBefore = process.memoryUsage().heapUsed;
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return { bytes: process.memoryUsage().heapUsed - usedBefore, us: user + system };
}

interface Pass {
  readonly sent: Spent;
  readonly received: Spent;
}

function pass(subject: Subject, isMeasured: boolean): Pass {
  const sent = spent(() => subject.prepare(), isMeasured);
  const { length } = subject.stream.bytes;
  const before = subject.done();
  const received = spent(() => {
    for (let at = 0; at < length; at += CHUNK_BYTES) {
      subject.receive(at, Math.min(length, at + CHUNK_BYTES));
    }
  }, isMeasured);
  if (subject.done() - before !== subject.commands)
    throw new Error(`${subject.name}: not all done`);
  return { sent, received };
}

function findings(subject: Subject): Finding[] {
  for (let i = 0; i < WARM_UP_PASSES; i++) pass(subject, false);
  const passes = Array.from({ length: PASSES }, () => pass(subject, true));
  const empty = Array.from({ length: PASSES }, () => spent(() => {}, true).bytes);
  const found = (name: string, spents: readonly Spent[], pdus: number): Finding[] => {
    const bytes = median(spents.map(({ bytes }) => bytes)) - median(empty);
    const us = median(spents.map(({ us }) => us));
    return [
      { name, value: (us * 1000) / pdus, unit: "ns" },
      { name: `${name}, heap`, value: Math.max(0, bytes) / pdus, unit: "bytes" },
    ];
  };
  const { name, sends, pdus, commands } = subject;
  const received = found(
    `${name}, received`,
    passes.map(({ received }) => received),
    pdus,
  );
  const sent =
    sends === undefined
      ? []
      : found(
          `${sends}, sent`,
          passes.map(({ sent }) => sent),
          commands,
        );
  return [...received, ...sent];
}

const subjects: (() => Subject)[] = [
  () => hostReads("host, 4 KiB reads, C2HData and CapsuleResp", plain, 4096, false),
  () => hostReads("host, 4 KiB reads, C2HData with SUCCESS", plain, 4096, true),
  () => hostReads("host, 4 KiB reads, both digests", digests, 4096, false),
  () => hostReads("host, 128 KiB reads, C2HData and CapsuleResp", plain, 131_072, false),
  () => hostReads("host, 128 KiB reads, both digests", digests, 131_072, false),
  () => controllerTakes("controller, commands of reads", plain, 0),
  () => controllerTakes("controller, 4 KiB writes in the capsule", plain, 4096),
  () => controllerTakes("controller, 4 KiB writes in the capsule, digests", digests, 4096),
  () => controllerFetches("controller, 128 KiB writes, H2CData", 131_072),
];

if (globalThis.gc === undefined) throw new Error("wants --expose-gc: use tooling/bench/run.mjs");
for (const make of subjects) report(findings(make()));
