// What a host meets at each bound of a target: what follows, what is counted, and what is told.
// Read first: docs/limits.md for the table; every bound of `metLimits` has its row here.
import {
  AdminOpcode,
  CrossControllerResetCommand,
  ConnectData,
  DISCOVERY_NQN,
  GetLogPageCommand,
  Lid,
  NvmOpcode,
  SetFeaturesCommand,
  Sqe,
  Status,
  encoded,
} from "@nvmeof/codec";
import { seededRandom } from "@nvmeof/core";
import { authCrypto } from "@nvmeof/core/node";
import { type Listener, TlsError } from "@nvmeof/transport";
import { RawPdus, RawPeer, VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import {
  type AllowedHosts,
  type MetLimit,
  type TargetEvent,
  type TargetLimits,
  metLimits,
} from "./index.ts";
import { authenticate, connected, keyOf } from "./testing/auth-host.ts";
import { HeldDevice } from "./testing/held-device.ts";
import {
  type ConnectOptions,
  HOST_NQN,
  type RawController,
  type RawQueue,
  World,
  connectData,
  connectSqe,
  ioSqe,
  pattern,
  readSqe,
  writeSqe,
} from "./testing/raw-host.ts";

/** A target with one held device, and what it told. */
class Bench {
  readonly clock = new VirtualClock();
  readonly device = new HeldDevice({ clock: this.clock, blockCount: 65_536 });
  readonly world: World;
  readonly told: TargetEvent[] = [];

  constructor(limits: Partial<TargetLimits>, allowedHosts: AllowedHosts = "any") {
    const options = { limits, random: seededRandom(1), authCrypto };
    const namespaces = [{ device: this.device }];
    this.world = new World(this.clock, { namespaces, allowedHosts }, options);
    this.world.target.observe((event) => this.told.push(event));
  }

  count(limit: MetLimit): number {
    return this.world.target.counters.limits[limit];
  }

  /** Events that name a bound. */
  named(limit: MetLimit): TargetEvent[] {
    this.clock.settle();
    return this.told.filter((event) => "limit" in event && event.limit === limit);
  }

  connect(options: ConnectOptions = {}, queue = this.world.openQueue()): number {
    return queue.run(connectSqe(options), connectData(options)).code;
  }

  /** A host that says PDUs as it likes. */
  raw(): RawPeer {
    const peer = RawPeer.connect(this.world.port);
    this.clock.settle();
    return peer;
  }
}

const pdus = new RawPdus();
const other = "nqn.2024-01.com.example:other";
const none = new Uint8Array(0);

/** Past its ICReq. */
function initialized(bench: Bench): RawPeer {
  const peer = bench.raw();
  peer.send(pdus.icReq());
  bench.clock.settle();
  return peer;
}

/** An I/O queue whose host says PDUs as it likes, past its Connect. */
function rawIo(bench: Bench): RawPeer {
  const { cntlid } = bench.world.connect();
  const peer = initialized(bench);
  const asked = { qid: 1, cntlid, queueDepth: 32 };
  const sqe = connectSqe(asked);
  const view = new DataView(sqe.buffer);
  sqe[1] = 0x40;
  view.setUint16(2, 500, true);
  view.setUint32(32, ConnectData.size, true);
  sqe[39] = 1;
  const header = new Uint8Array(72);
  header.set(sqe, 8);
  peer.send(pdus.pdu(4, header, { data: connectData(asked) }));
  bench.clock.settle();
  return peer;
}

/** A write of 64 KiB, whose data has to be asked for. */
const largeWrite = pdus.capsuleCmd({
  opc: 1,
  cid: 1,
  nsid: 1,
  cdw12: 127,
  sglId: 0x5a,
  sglLength: 65_536,
});

/** A host that asks for 1 MiB, and does not read it. */
function whoDoesNotRead(bench: Bench): RawPeer {
  bench.device.settling = "now";
  const peer = rawIo(bench);
  peer.stream.pause();
  const sgl = { sglId: 0x5a, sglLength: 1024 * 1024 };
  peer.send(pdus.capsuleCmd({ opc: 2, cid: 1, nsid: 1, cdw12: 2047, ...sgl }));
  return peer;
}

/** The host has to prove who it is. */
const asked = [{ nqn: HOST_NQN, dhchap: { hostKey: keyOf(1), groups: ["null" as const] } }];

interface Row {
  readonly limits?: Partial<TargetLimits>;
  readonly hosts?: AllowedHosts;
  /** Meets the bound, once. */
  readonly meet: (bench: Bench) => void;
}

const keepAlive = encoded(Sqe, { opc: AdminOpcode.KeepAlive });

const setKato = (value: number): Uint8Array =>
  encoded(SetFeaturesCommand, { opc: AdminOpcode.SetFeatures, fid: 0x0f, cdw11: value });

/** Ends a controller while its device has a request of it, by way of another. */
function reset(bench: Bench, by: RawController): { lost: RawController; code: number } {
  const lost = bench.world.connect();
  const io: RawQueue = lost.openIo();
  io.send(readSqe(0, 1), new Uint8Array(512));
  bench.clock.settle();
  const { incarnation } = bench.world.subsystem.controllers.get(lost.cntlid)!;
  const { ciu, cirn } = incarnation!;
  const opc = AdminOpcode.CrossControllerReset;
  const sqe = encoded(CrossControllerResetCommand, { opc, icid: lost.cntlid, ciu, cirn });
  return { lost, code: by.admin.run(sqe).code };
}

const rows: Record<MetLimit, Row> = {
  connectionsMax: {
    limits: { connectionsMax: 2 },
    meet: (bench) => {
      for (let i = 0; i < 3; i++) bench.world.openQueue();
    },
  },
  connectionsPerAddressMax: {
    limits: { connectionsPerAddressMax: 2 },
    meet: (bench) => {
      for (let i = 0; i < 3; i++) bench.world.openQueue();
    },
  },
  connectingMax: {
    limits: { connectingMax: 2 },
    meet: (bench) => {
      const [first, ...others] = [1, 2, 3].map(() => bench.world.openQueue());
      expect(first?.lost).toBeDefined();
      expect(others.map(({ lost }) => lost)).toEqual([undefined, undefined]);
    },
  },
  controllersMax: {
    limits: { controllersMax: 1 },
    meet: (bench) => {
      expect(bench.connect()).toBe(0);
      expect(bench.connect({ hostNqn: other, hostId: 2 })).toBe(Status.ConnectControllerBusy);
    },
  },
  controllersPerHostMax: {
    limits: { controllersPerHostMax: 1 },
    meet: (bench) => {
      expect(bench.connect()).toBe(0);
      expect(bench.connect()).toBe(Status.ConnectControllerBusy);
    },
  },
  ioQueuesMax: {
    limits: { ioQueuesMax: 2 },
    meet: (bench) => {
      const { cntlid } = bench.world.connect();
      expect(bench.connect({ qid: 3, cntlid })).toBe(Status.ConnectInvalidParameters);
    },
  },
  queueDepthMax: {
    limits: { queueDepthMax: 16 },
    meet: (bench) => {
      const { cntlid } = bench.world.connect();
      const asked = { qid: 1, cntlid, queueDepth: 17 };
      expect(bench.connect(asked)).toBe(Status.ConnectInvalidParameters);
    },
  },
  adminQueueDepthMax: {
    meet: (bench) => {
      expect(bench.connect({ queueDepth: 33 })).toBe(Status.ConnectInvalidParameters);
    },
  },
  handshakeTimeoutMs: {
    meet: ({ clock, world }) => {
      // As a listener of TLS ends a stream whose handshake takes too long.
      const tooLate = new TlsError("timeout", "too late", { limit: "handshakeTimeoutMs" });
      const silent = {
        remote: "192.0.2.1:1",
        write() {},
        pause() {},
        resume() {},
        close() {},
        reset() {},
      };
      const address = { trtype: "tcp", traddr: "192.0.2.2", trsvcid: "4420" };
      const listener: Listener = {
        local: "192.0.2.2:4420",
        security: "tls-1.3",
        listen: (accept) => clock.defer(() => accept(silent)?.ended(tooLate)),
        close() {},
      };
      world.target.listen({ listener, address });
      clock.settle();
      expect(world.target.counters.tlsRefusals).toEqual({ timeout: 1 });
    },
  },
  initializeTimeoutMs: {
    limits: { initializeTimeoutMs: 700 },
    meet: (bench) => {
      const peer = bench.raw();
      bench.clock.advance(690);
      expect(peer.state).toBe("open");
      bench.clock.advance(20);
      expect(peer.state).toBe("ended");
    },
  },
  connectTimeoutMs: {
    limits: { connectTimeoutMs: 700 },
    meet: (bench) => {
      const queue = bench.world.openQueue();
      bench.clock.advance(690);
      expect(queue.lost).toBeUndefined();
      bench.clock.advance(20);
      expect(queue.lost).toBeDefined();
    },
  },
  refusedCommandsMax: {
    limits: { refusedCommandsMax: 1 },
    meet: (bench) => {
      const queue = bench.world.openQueue();
      expect(queue.run(keepAlive).code).toBe(Status.CommandSequenceError);
      expect(queue.lost).toBeDefined();
    },
  },
  unauthenticatedMax: {
    limits: { unauthenticatedMax: 2 },
    hosts: asked,
    meet: (bench) => {
      const [first, ...others] = [1, 2, 3].map(() => connected(bench.world).queue);
      expect(first?.lost).toBeDefined();
      expect(others.map(({ lost }) => lost)).toEqual([undefined, undefined]);
    },
  },
  authenticateTimeoutMs: {
    limits: { authenticateTimeoutMs: 700 },
    hosts: asked,
    meet: (bench) => {
      const { queue } = connected(bench.world);
      bench.clock.advance(690);
      expect(queue.lost).toBeUndefined();
      bench.clock.advance(20);
      expect(queue.lost).toBeDefined();
    },
  },
  authenticationFailuresMax: {
    limits: { authenticationFailuresMax: 1 },
    hosts: asked,
    meet: (bench) => {
      const wrong = { crypto: authCrypto, hostKey: keyOf(9) };
      expect(authenticate(connected(bench.world).queue, wrong)).toBeInstanceOf(Error);
      expect(bench.connect()).toBe(Status.ConnectControllerBusy);
    },
  },
  enableTimeoutMs: {
    limits: { enableTimeoutMs: 700 },
    meet: (bench) => {
      const queue = bench.world.openQueue();
      bench.connect({}, queue);
      bench.clock.advance(690);
      expect(queue.lost).toBeUndefined();
      bench.clock.advance(20);
      expect(queue.lost).toBeDefined();
    },
  },
  partialPduTimeoutMs: {
    limits: { partialPduTimeoutMs: 700 },
    meet: (bench) => {
      const peer = initialized(bench);
      peer.send(pdus.capsuleCmd({ opc: 2 }).subarray(0, 20));
      bench.clock.advance(710);
      expect(peer.state).toBe("ended");
    },
  },
  r2tTimeoutMs: {
    limits: { r2tTimeoutMs: 700 },
    meet: (bench) => {
      const peer = rawIo(bench);
      peer.send(largeWrite);
      bench.clock.advance(690);
      expect(peer.names.at(-1)).toBe("R2T");
      bench.clock.advance(20);
      expect(peer.state).toBe("ended");
      expect(bench.world.target.status.buffers).toBe(0);
    },
  },
  sendTimeoutMs: {
    limits: { sendTimeoutMs: 700 },
    meet: (bench) => {
      const peer = whoDoesNotRead(bench);
      bench.clock.advance(690);
      expect(bench.world.target.status.buffers).toBe(1);
      bench.clock.advance(200);
      expect(peer.state).toBe("ended");
      expect(bench.world.target.status.buffers).toBe(0);
    },
  },
  keepAliveTimeoutMsMax: {
    limits: { keepAliveTimeoutMsMax: 5_000 },
    meet: (bench) => {
      const asked = { keepAliveTimeoutMs: 5_001 };
      expect(bench.connect(asked)).toBe(Status.KeepAliveInvalid);
    },
  },
  inCapsuleBytes: {
    limits: { inCapsuleBytes: 1024 },
    meet: (bench) => {
      const peer = rawIo(bench);
      const data = new Uint8Array(1536);
      const sgl = { sglId: 1, sglLength: data.length };
      peer.send(pdus.capsuleCmd({ opc: 1, cid: 1, nsid: 1, cdw12: 2, ...sgl }, { data }));
      bench.clock.settle();
      expect(peer.names.at(-1)).toBe("C2HTermReq");
    },
  },
  h2cDataBytesMax: {
    limits: { h2cDataBytesMax: 4096 },
    meet: (bench) => {
      const peer = rawIo(bench);
      peer.send(largeWrite);
      bench.clock.settle();
      const ttag = peer.pdus.at(-1)!.view.getUint16(10, true);
      peer.send(pdus.h2cData({ cccid: 1, ttag }, { data: new Uint8Array(4100), flags: 0 }));
      bench.clock.settle();
      expect(peer.names.at(-1)).toBe("C2HTermReq");
    },
  },
  transferBytesMax: {
    limits: { transferBytesMax: 8192 },
    meet: (bench) => {
      const io = bench.world.connect().openIo();
      const data = new Uint8Array(17 * 512);
      expect(io.run(readSqe(0, 17), data).code).toBe(Status.InvalidField);
    },
  },
  connectionBufferBytesMax: {
    limits: { connectionBufferBytesMax: 1024 * 1024 },
    meet: (bench) => {
      const io = bench.world.connect().openIo();
      for (const lba of [0, 2048]) io.send(readSqe(lba, 2048), new Uint8Array(1024 * 1024));
      bench.clock.settle();
      expect(bench.world.target.status.buffers).toBe(1);
    },
  },
  bufferBytesMax: {
    limits: { connectionBufferBytesMax: 1024 * 1024, bufferBytesMax: 1024 * 1024 },
    meet: (bench) => {
      const controller = bench.world.connect();
      for (const qid of [1, 2]) {
        controller.openIo(qid).send(readSqe(0, 2048), new Uint8Array(1024 * 1024));
        bench.clock.settle();
      }
      expect(bench.world.target.status.buffers).toBe(1);
    },
  },
  queuedBytesMax: {
    limits: { queuedBytesMax: 65_536 },
    meet: (bench) => {
      whoDoesNotRead(bench);
      bench.clock.settle();
    },
  },
  asyncEventRequestsMax: {
    limits: { asyncEventRequestsMax: 1 },
    meet: (bench) => {
      const controller = bench.world.connect();
      controller.awaitEvent();
      const more = encoded(Sqe, { opc: AdminOpcode.AsyncEventRequest });
      expect(controller.admin.run(more).code).toBe(Status.AerLimitExceeded);
    },
  },
  crossControllerResetsMax: {
    limits: { crossControllerResetsMax: 1 },
    meet: (bench) => {
      const by = bench.world.connect();
      expect(reset(bench, by).code).toBe(0);
      expect(reset(bench, by).code).toBe(Status.CcrLimitExceeded);
    },
  },
  crossControllerResetEntriesMax: {
    limits: { crossControllerResetEntriesMax: 1 },
    meet: (bench) => {
      const by = bench.world.connect();
      expect(reset(bench, by).code).toBe(0);
      expect(reset(bench, by).code).toBe(Status.CcrLogPageFull);
    },
  },
  crossControllerResetTimeoutMs: {
    limits: { crossControllerResetTimeoutMs: 700 },
    meet: (bench) => {
      expect(reset(bench, bench.world.connect()).code).toBe(0);
      bench.clock.advance(710);
    },
  },
  discoveryRecordsMax: {
    limits: { discoveryRecordsMax: 1 },
    meet: (bench) => {
      const controller = bench.world.connect({ subsystemNqn: DISCOVERY_NQN });
      const asked = { opc: AdminOpcode.GetLogPage, lid: Lid.Discovery, numd: 256 };
      expect(controller.read(GetLogPageCommand, asked, 1024).data[8]).toBe(1);
    },
  },
};

describe("a host that meets it once is counted once, and an event names the bound", () => {
  test.each(metLimits)("%s", (limit) => {
    const { limits = {}, hosts, meet } = rows[limit];
    const bench = new Bench(limits, hosts);
    expect(bench.count(limit)).toBe(0);
    meet(bench);
    expect(bench.count(limit)).toBe(1);
    // The controller's own event gives its reason instead.
    if (limit === "enableTimeoutMs") {
      expect(bench.told).toContainEqual(expect.objectContaining({ reason: "enable-timeout" }));
    } else {
      expect(bench.named(limit)).toHaveLength(1);
    }
    const all = Object.entries(bench.world.target.counters.limits);
    expect(all.filter(([, count]) => count > 0)).toEqual([[limit, 1]]);
  });

  test("keepAliveTimeoutMsMax, by the feature", () => {
    const bench = new Bench({ keepAliveTimeoutMsMax: 5_000 });
    const { admin } = bench.world.connect();
    expect(admin.run(setKato(5_001)).code).toBe(Status.KeepAliveInvalid);
    expect(bench.named("keepAliveTimeoutMsMax")).toHaveLength(1);
  });
});

test("nobody who stays within the bounds is counted", () => {
  const bench = new Bench({});
  bench.device.settling = "now";
  const io = bench.world.connect({ keepAliveTimeoutMs: 5_000 }).openIo();
  expect(io.run(writeSqe(0, 64), pattern(64 * 512)).code).toBe(0);
  expect(io.run(ioSqe(NvmOpcode.Flush, 0, 1), none).code).toBe(0);
  expect(io.run(readSqe(0, 2048), new Uint8Array(1024 * 1024)).code).toBe(0);
  expect(io.run(readSqe(70_000, 1), new Uint8Array(512)).code).toBe(Status.LbaOutOfRange);
  const { limits, protocolErrors, strangers } = bench.world.target.counters;
  expect(Object.values(limits).filter((count) => count > 0)).toEqual([]);
  expect([protocolErrors, strangers]).toEqual([0, {}]);
});

test("events about one bound come ten times a second at most, and say how many there were", () => {
  const bench = new Bench({ asyncEventRequestsMax: 1 });
  const controller = bench.world.connect();
  controller.awaitEvent();
  const more = encoded(Sqe, { opc: AdminOpcode.AsyncEventRequest });
  for (let i = 0; i < 25; i++) controller.admin.run(more);
  expect(bench.named("asyncEventRequestsMax")).toHaveLength(10);
  bench.clock.advance(1_000);
  controller.admin.run(more);
  expect(bench.named("asyncEventRequestsMax").at(-1)).toMatchObject({ count: 26 });
});

test.each([
  ["T5", "HTTP", "GET / HTTP/1.1\r\nHost: target\r\n\r\n"],
  ["T6", "TLS", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003"],
  ["T5", "SSH", "SSH-2.0-OpenSSH_9.9\r\n"],
])("[%s] who speaks %s is told so, and counted", (_row, speaks, text) => {
  const bench = new Bench({});
  const peer = bench.raw();
  peer.send(Uint8Array.from(text, (character) => character.charCodeAt(0)));
  bench.clock.settle();
  expect(peer.names).toEqual(["C2HTermReq"]);
  // FES 1, and the FEI is that of the type.
  expect(peer.pdus[0]!.view.getUint16(8, true)).toBe(1);
  expect(peer.pdus[0]!.view.getUint32(10, true)).toBe(0);
  bench.clock.advance(1_000);
  expect(peer.state).toBe("ended");
  const { strangers, protocolErrors } = bench.world.target.counters;
  expect([strangers, protocolErrors]).toEqual([{ [speaks]: 1 }, 1]);
  const ended = bench.told.find(({ type }) => type === "connection-ended");
  expect(ended).toMatchObject({ message: expect.stringContaining(`speaks ${speaks}`) });
});

test("[F95] thousands of silent connections keep nobody out, and those at work do not notice", () => {
  const bench = new Bench({ connectionsPerAddressMax: 4_000, connectionsMax: 600 });
  const controller = bench.world.connect();
  for (let i = 0; i < 5_000; i++) bench.world.openQueue();
  expect(bench.world.target.status.connections).toBe(1 + 512);
  expect(bench.count("connectingMax")).toBe(5_000 - 512);
  expect(bench.connect({ hostNqn: other, hostId: 2 })).toBe(0);
  expect(controller.admin.run(keepAlive).code).toBe(0);
  bench.clock.advance(11_000);
  expect(bench.world.target.status.connections).toBe(2);
});
