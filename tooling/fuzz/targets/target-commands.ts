// Commands of a host, whole capsules as bytes, into a whole target: each must be answered, once.
// Read first: target/src/testing/raw-host.ts; Base 2.0 §5, §6; NVM Command Set 1.0 §3.

import {
  AdminOpcode,
  CAPSULE_OFFSET,
  ConnectData,
  Cqe,
  DISCOVERY_NQN,
  Fctype,
  Fid,
  Lid,
  NvmOpcode,
  OPC_FABRICS,
  PduType,
  Property,
  R2t,
  Sqe,
  codeOf,
  cqeStatus,
  viewOf,
} from "@nvmeof/codec";
import { seededRandom } from "@nvmeof/core";
import type { TargetStatus } from "@nvmeof/target";
import { RawPdus, RawPeer, type ReceivedPdu, VirtualClock } from "@nvmeof/transport/testing";
// @boundaries-ignore what no package exports is tried as well
import { HeldDevice } from "../../../packages/target/src/testing/held-device.ts";
// @boundaries-ignore what no package exports is tried as well
import {
  ENABLED,
  World,
  connectData,
  connectSqe,
  propertySet,
} from "../../../packages/target/src/testing/raw-host.ts";
import { joined } from "../bytes.ts";
import { Broken, type FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";

/** A command in an input: how much data its capsule has, and its SQE. Its data follows. */
const RECORD_BYTES = 2 + Sqe.size;
const COMMANDS_MAX = 24;
const BLOCK_BYTES = 512;
const CAPSULE_BYTES = CAPSULE_OFFSET + Sqe.size;

const pdus = new RawPdus();

/** First byte of an input: where its commands go. */
const Way = { NoConnect: 0, Admin: 1, Io: 2, Discovery: 3 } as const;

const adminOpcodes = Object.values(AdminOpcode);
const ioOpcodes = Object.values(NvmOpcode);
const fctypes = Object.values(Fctype);
const properties = Object.values(Property);
const fids = Object.values(Fid);
const lids = Object.values(Lid);

/** An opcode, and the dwords that make sense for it. */
function fillCommand(view: DataView, way: number, random: Random): void {
  const word = (at: number, value: number): void => view.setUint32(at, value >>> 0, true);
  const isIo = way === Way.Io;
  const opc = random.once(12) ? random.byte() : random.pick(isIo ? ioOpcodes : adminOpcodes);
  const isFabrics = way === Way.NoConnect || random.once(8);
  view.setUint8(0, isFabrics ? OPC_FABRICS : opc);
  view.setUint8(1, random.once(10) ? random.byte() : 0x40);
  word(4, random.once(4) ? random.edge() : random.pick([0, 1, 1, 1, 2, 0xffff_ffff]));
  for (let at = 40; at < 64; at += 4) word(at, random.once(3) ? random.edge() : random.below(32));
  if (isFabrics) {
    view.setUint8(4, random.once(8) ? random.byte() : random.pick(fctypes));
    word(44, random.pick(properties));
    word(48, random.once(3) ? random.edge() : ENABLED);
  } else if (opc === AdminOpcode.GetLogPage) {
    view.setUint8(40, random.pick(lids));
    view.setUint16(42, random.pick([127, 255, 1_023]), true);
    word(44, 0);
  } else if (opc === AdminOpcode.SetFeatures || opc === AdminOpcode.GetFeatures) {
    view.setUint8(40, random.pick(fids));
  }
}

/** The length that the command says it has, mostly one that it may have. */
function sglLength(view: DataView, isIo: boolean, inCapsule: number, random: Random): number {
  if (inCapsule > 0) return random.once(8) ? random.edge() : inCapsule;
  if (random.once(8)) return random.edge();
  if (isIo) return ((view.getUint16(48, true) + 1) * BLOCK_BYTES) >>> 0;
  return random.pick([0, 0, 512, 1_024, 4_096]);
}

function record(way: number, at: number, random: Random): Uint8Array {
  const isConnect = way === Way.NoConnect && random.once(2);
  const bytes = isConnect ? ConnectData.size : random.pick([0, 0, 0, 16, 512, 1_024, 4_096]);
  const sqe = isConnect ? connectSqe() : new Uint8Array(Sqe.size);
  const view = viewOf(sqe);
  if (!isConnect) fillCommand(view, way, random);
  sqe[1] = 0x40;
  view.setUint16(2, random.once(12) ? random.edge() & 0xffff : at + 100, true);
  view.setUint32(32, sglLength(view, way === Way.Io, bytes, random), true);
  view.setUint8(39, random.once(16) ? random.byte() : bytes > 0 ? 0x01 : 0x5a);
  const data = isConnect ? connectData() : random.bytes(bytes);
  if (random.once(4)) sqe[random.below(Sqe.size)] = random.byte();
  if (random.once(4) && data.length > 0) data[random.below(data.length)] = random.byte();
  return joined(Uint8Array.of(bytes & 0xff, bytes >> 8), sqe, data);
}

/** A host that answers R2Ts with as much as they ask for, and keeps what it is told. */
class Host {
  readonly peer: RawPeer;
  /** Completions by CID, in their order. */
  readonly answers = new Map<number, { status: number; dw0: number; dw1: number }[]>();
  isTerminated = false;
  readonly #clock: VirtualClock;

  constructor(world: World) {
    this.#clock = world.clock;
    this.peer = RawPeer.connect(world.port);
    this.peer.onPdu = (pdu) => this.#take(pdu);
    this.#clock.settle();
    this.peer.send(pdus.icReq());
    this.#clock.settle();
  }

  send(sqe: Uint8Array, data: Uint8Array): void {
    const header = new Uint8Array(CAPSULE_BYTES);
    header.set(sqe, CAPSULE_OFFSET);
    this.peer.send(pdus.pdu(PduType.CapsuleCmd, header, data.length === 0 ? {} : { data }));
    this.#clock.settle();
  }

  #take({ name, view }: ReceivedPdu): void {
    if (name === "C2HTermReq") this.isTerminated = true;
    if (name === "R2T") {
      const cccid = R2t.cccid.get(view, 0);
      const bytes = R2t.r2tl.get(view, 0);
      if (bytes > 4 * 1024 * 1024) throw new Broken(`R2T for ${bytes} bytes`);
      const data = new Uint8Array(bytes).fill(0x5a);
      // In pieces that MAXH2CDATA allows.
      for (let at = 0; at < bytes; at += 131_072) {
        const piece = data.subarray(at, at + 131_072);
        const flags = at + piece.length === bytes ? 4 : 0;
        const fields = { cccid, ttag: R2t.ttag.get(view, 0), datao: at };
        this.peer.send(pdus.h2cData(fields, { data: piece, flags }));
      }
    }
    if (name !== "CapsuleResp") return;
    const cid = Cqe.cid.get(view, CAPSULE_OFFSET);
    const known = this.answers.get(cid) ?? [];
    known.push({
      status: cqeStatus.get(view, CAPSULE_OFFSET),
      dw0: Cqe.dw0.get(view, CAPSULE_OFFSET),
      dw1: Cqe.dw1.get(view, CAPSULE_OFFSET),
    });
    this.answers.set(cid, known);
  }

  get isOpen(): boolean {
    return this.peer.state === "open" && !this.isTerminated;
  }
}

function withPointer(sqe: Uint8Array, cid: number, bytes: number): Uint8Array {
  const view = viewOf(sqe);
  sqe[1] = 0x40;
  view.setUint16(2, cid, true);
  view.setUint32(32, bytes, true);
  sqe[39] = bytes > 0 ? 0x01 : 0x5a;
  return sqe;
}

/** The queue that the commands go to: connected, or not. */
function hostOf(world: World, way: number): Host {
  if (way === Way.NoConnect) return new Host(world);
  const subsystemNqn = way === Way.Discovery ? { subsystemNqn: DISCOVERY_NQN } : {};
  const cntlid = way === Way.Io ? world.connect().cntlid : 0xffff;
  const options = { ...subsystemNqn, ...(way === Way.Io ? { qid: 1, cntlid } : {}) };
  const host = new Host(world);
  host.send(withPointer(connectSqe(options), 1, ConnectData.size), connectData(options));
  if (way !== Way.Io)
    host.send(withPointer(propertySet(Property.Cc, ENABLED), 2, 0), new Uint8Array(0));
  if (host.answers.get(1)?.[0]?.status !== 0) throw new Broken("a good Connect was refused");
  host.answers.clear();
  return host;
}

/** What must be zero when all hosts are gone and every device has settled. */
function checkNothingLeft(status: TargetStatus): void {
  const { connections, controllers, backendRequests, buffers, bufferBytes } = status;
  const left = { connections, controllers, backendRequests, buffers, bufferBytes };
  const used = Object.entries(left).filter(([, count]) => count !== 0);
  if (used.length > 0) throw new Broken(`left behind: ${JSON.stringify(Object.fromEntries(used))}`);
}

/** Commands whose answer may be long in coming: requests for asynchronous events. */
const mayWait = (sqe: Uint8Array, way: number): boolean =>
  (way === Way.Admin || way === Way.Discovery) && sqe[0] === AdminOpcode.AsyncEventRequest;

export const targetCommands: FuzzTarget = {
  name: "target-commands",
  reads: "capsules of a host, in a whole target: Connect, admin, I/O and discovery",
  quickCases: 120,
  msMax: 300,
  bytesMax: 32 * 1024 * 1024,
  make: (random) => {
    const way = random.below(4);
    const records = Array.from({ length: random.between(1, 8) }, (_, at) =>
      record(way, at, random),
    );
    return joined(Uint8Array.of(way), ...records);
  },
  run: (input) => {
    const clock = new VirtualClock();
    const device = new HeldDevice({ clock, blockCount: 256 });
    const fixed = new HeldDevice({ clock, blockCount: 64, features: { readOnly: true } });
    for (const each of [device, fixed]) each.settling = "now";
    fixed.store.fill(0x77);
    const namespaces = [{ device }, { device: fixed, nsid: 2, readOnly: true }];
    const world = new World(clock, { namespaces }, { random: seededRandom(1) });
    const way = (input[0] ?? 0) & 3;
    const host = hostOf(world, way);
    const words: string[] = [];
    let at = 1;
    for (let count = 0; at + RECORD_BYTES <= input.length && count < COMMANDS_MAX; count++) {
      const bytes = Math.min(input[at]! | (input[at + 1]! << 8), 9_000);
      const sqe = input.slice(at + 2, at + RECORD_BYTES);
      const data = input.slice(at + RECORD_BYTES, at + RECORD_BYTES + bytes);
      at += RECORD_BYTES + bytes;
      const cid = viewOf(sqe).getUint16(2, true);
      const before = host.answers.get(cid)?.length ?? 0;
      host.send(sqe, data);
      // Whoever fetches what was said to come elsewhere waits for it.
      clock.advance(1);
      const given = (host.answers.get(cid) ?? []).slice(before);
      if (given.length > 1) throw new Broken(`command ${cid} was answered ${given.length} times`);
      const [answer] = given;
      if (answer === undefined && host.isOpen && !mayWait(sqe, way)) {
        throw new Broken(`opcode ${sqe[0]} has no answer, and the connection is open`);
      }
      if (answer !== undefined) words.push(`${sqe[0]} ${codeOf(answer.status).toString(16)}`);
      const isConnect = sqe[0] === OPC_FABRICS && sqe[4] === Fctype.Connect;
      if (
        answer !== undefined &&
        answer.status !== 0 &&
        !isConnect &&
        (answer.dw0 | answer.dw1) !== 0
      ) {
        throw new Broken(`opcode ${sqe[0]} failed with a result of ${answer.dw0}, ${answer.dw1}`);
      }
      if (!host.isOpen) break;
    }
    if (fixed.store.some((byte) => byte !== 0x77))
      throw new Broken("a read-only namespace was written");
    host.peer.reset();
    for (const subsystem of world.target.subsystems) subsystem.setAllowedHosts([]);
    clock.advance(200_000);
    checkNothingLeft(world.target.status);
    if (clock.armed > 0)
      throw new Broken(`${clock.armed} timers are armed when the hosts are gone`);
    return `${words.join("\n")}${host.isTerminated ? "\nterminated" : ""}`;
  },
};
