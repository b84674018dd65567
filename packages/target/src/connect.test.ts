// Connect, row by row of the table of bad input (K1 to K14), and what a good one gives.
import { memoryDevice } from "@nvmeof/bdev";
import {
  AdminOpcode,
  ConnectData,
  DISCOVERY_NQN,
  NvmOpcode,
  Property,
  Sqe,
  Status,
  encoded,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import type { TargetEvent, TargetOptions } from "./index.ts";
import {
  type ConnectOptions,
  type RawController,
  type RawQueue,
  World,
  connectData,
  connectSqe,
  propertySet,
  readSqe,
} from "./testing/raw-host.ts";

function served(options: Omit<TargetOptions, "clock"> = {}): World {
  const clock = new VirtualClock();
  const device = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 64 });
  return new World(clock, { namespaces: [{ device }] }, options);
}

const tryConnect = (world: World, options: ConnectOptions = {}, queue = world.openQueue()) =>
  queue.run(connectSqe(options), connectData(options));

/** Connect Invalid Parameters with its place: IPO, and IATTR 1 for one in the data. */
const invalidAt = (place: "sqe" | "data", ipo: number) => ({
  status: Status.ConnectInvalidParameters | 0x4000,
  dw0: ipo | (place === "data" ? 0x1_0000 : 0),
});

const other = "nqn.2024-01.com.example:other";

test("a good Connect makes a controller, and each has a CNTLID of its own", () => {
  const world = served();
  const cntlids = [1, 2, 3].map(() => tryConnect(world).dw0);
  expect(new Set(cntlids).size).toBe(3);
  expect(world.target.status).toMatchObject({ connections: 3, controllers: 3 });
});

test("a CNTLID that was given up is not given again soon", () => {
  const world = served();
  const first = world.connect();
  first.admin.close();
  expect(tryConnect(world).dw0).not.toBe(first.cntlid);
});

test("Connect works with its data outside the capsule", () => {
  const world = served();
  const queue = world.openQueue(world.port, 32, 0);
  expect(tryConnect(world, {}, queue).code).toBe(0);
});

test("a host that was refused may try again on the same connection", () => {
  const world = served();
  const queue = world.openQueue();
  expect(tryConnect(world, { subsystemNqn: other }, queue).code).not.toBe(0);
  expect(tryConnect(world, {}, queue).code).toBe(0);
});

test("[K1] a command before Connect is out of sequence, and the third one is the last", () => {
  const world = served();
  const queue = world.openQueue();
  const keepAlive = encoded(Sqe, { opc: AdminOpcode.KeepAlive });
  const refused = { status: Status.CommandSequenceError | 0x4000, dw0: 0, dw1: 0 };
  expect(queue.run(keepAlive)).toMatchObject(refused);
  expect(queue.run(propertySet(Property.Cc, 1))).toMatchObject(refused);
  expect(queue.lost).toBeUndefined();
  expect(queue.run(encoded(Sqe, { opc: NvmOpcode.Flush }))).toMatchObject(refused);
  expect(queue.lost).toBeDefined();
  expect(world.target.status.connections).toBe(0);
});

test.each([0, 1023, 1025])("[K2] %d bytes of data are not those of Connect", (bytes) => {
  const data = bytes === 0 ? undefined : new Uint8Array(bytes);
  const { status } = served().openQueue().run(connectSqe(), data);
  expect(status).toBe(Status.SglDataLengthInvalid | 0x4000);
});

test("[K3] another record format is refused", () => {
  expect(tryConnect(served(), { recfmt: 1 })).toMatchObject({
    status: Status.ConnectIncompatibleFormat | 0x4000,
    dw0: 0,
  });
});

describe("[K4] a queue that cannot be is refused, and the answer names the field", () => {
  const refusals: [string, ConnectOptions, ReturnType<typeof invalidAt>][] = [
    ["SQSIZE 0", { queueDepth: 1 }, invalidAt("sqe", 44)],
    ["an admin queue too deep", { queueDepth: 33 }, invalidAt("sqe", 44)],
    ["an I/O queue too deep", { qid: 1, queueDepth: 129 }, invalidAt("sqe", 44)],
    ["a QID beyond the limit", { qid: 129 }, invalidAt("sqe", 42)],
  ];
  test.each(refusals)("%s", (_what, options, answer) => {
    expect(tryConnect(served(), options)).toMatchObject(answer);
  });

  test("[F93] a QID beyond those granted, and one in use: that one is not disturbed", () => {
    const world = served();
    const controller = world.connect();
    const twoQueues = encoded(Sqe, { opc: AdminOpcode.SetFeatures, cdw10: 7, cdw11: 0x1_0001 });
    expect(controller.admin.run(twoQueues)).toMatchObject({ code: 0, dw0: 0x1_0001 });
    const io = controller.openIo(2);
    const asked = { qid: 3, cntlid: controller.cntlid };
    expect(tryConnect(world, asked)).toMatchObject(invalidAt("sqe", 42));
    expect(tryConnect(world, { ...asked, qid: 2 })).toMatchObject(invalidAt("sqe", 42));
    expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(0);
  });
});

describe("[K5] a name that is none is refused, and the answer names the field", () => {
  const field = (text: string | number[]): Uint8Array => {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const out = new Uint8Array(256);
    out.set(bytes);
    return out;
  };
  const names: [string, Uint8Array][] = [
    ["unterminated", new Uint8Array(256).fill(0x61)],
    ["empty", new Uint8Array(256)],
    ["of 224 bytes", field("a".repeat(224))],
    ["with a control character", field("nqn.2024-01.com.example:a\nb")],
    ["of invalid UTF-8", field([0x6e, 0x71, 0x6e, 0xff, 0xfe])],
    ["with text after its end", field("nqn\0more")],
  ];
  test.each(names)("%s", (_what, name) => {
    const world = served();
    const seen: TargetEvent[] = [];
    world.target.observe((event) => seen.push(event));
    const at = { subnqn: ConnectData.subnqn.offset, hostnqn: ConnectData.hostnqn.offset };
    for (const offset of [at.subnqn, at.hostnqn]) {
      const data = connectData();
      data.set(name, offset);
      expect(world.openQueue().run(connectSqe(), data)).toMatchObject(invalidAt("data", offset));
    }
    const texts = seen.map((event) => ("message" in event ? event.message : ""));
    expect(texts.filter((text) => text !== "")).toHaveLength(2);
    for (const text of texts) {
      expect(text).toMatch(/^[^\p{Cc}]*$/u);
      expect(text.length).toBeLessThan(400);
    }
  });
});

test("[K6] a Host Identifier of zero, and that of another host, are refused unless allowed", () => {
  const world = served();
  expect(tryConnect(world, { hostId: 0 })).toMatchObject(invalidAt("data", 0));
  expect(tryConnect(world, { hostId: 5 }).code).toBe(0);
  const stolen = { hostId: 5, hostNqn: other };
  expect(tryConnect(world, stolen)).toMatchObject(invalidAt("data", 0));
  const lenient = served({ hostIdCheck: false });
  expect(tryConnect(lenient, { hostId: 0 }).code).toBe(0);
  expect(tryConnect(lenient, { hostId: 0, hostNqn: other }).code).toBe(0);
});

test("[K7] a host that is not allowed is refused, and so is a subsystem that is not there", () => {
  const world = served();
  world.subsystem.setAllowedHosts([other]);
  const { status } = tryConnect(world);
  expect(status).toBe(Status.ConnectInvalidHost | 0x4000);
  expect(tryConnect(world, { hostNqn: other }).code).toBe(0);
  const nowhere = { subsystemNqn: "nqn.2024-01.com.example:nowhere" };
  expect(tryConnect(world, nowhere)).toMatchObject(invalidAt("data", 256));
});

test.each([0, 1, 0xfffe])("[K8] CNTLID %d on an admin queue is refused", (cntlid) => {
  expect(tryConnect(served(), { cntlid })).toMatchObject(invalidAt("data", 16));
});

describe("[K9] [F93] an I/O queue goes to an enabled controller of the same host, and to no other", () => {
  const refusals: [string, (world: World) => ConnectOptions][] = [
    ["a CNTLID that never was", () => ({ cntlid: 77 })],
    ["the dynamic CNTLID", () => ({ cntlid: 0xffff })],
    [
      "a CNTLID that is gone",
      (world) => {
        const controller = world.connect();
        controller.admin.close();
        return { cntlid: controller.cntlid };
      },
    ],
    [
      "that of another host",
      (world) => ({ cntlid: world.connect({ hostNqn: other, hostId: 2 }).cntlid }),
    ],
    [
      "its own with another Host Identifier",
      (world) => ({ cntlid: world.connect().cntlid, hostId: 9 }),
    ],
    [
      "that of another subsystem",
      (world) => {
        world.target.addSubsystem({ nqn: other });
        // A CNTLID that the first subsystem has not given.
        world.connect({ subsystemNqn: other }).admin.close();
        return { cntlid: world.connect({ subsystemNqn: other }).cntlid };
      },
    ],
    ["one that is not enabled", (world) => ({ cntlid: tryConnect(world).dw0 })],
    [
      "one that is disabled again",
      (world) => {
        const controller = world.connect();
        controller.setCc(0);
        return { cntlid: controller.cntlid };
      },
    ],
  ];
  test.each(refusals)("%s", (_what, options) => {
    const world = served();
    const asked = { qid: 1, ...options(world) };
    expect(tryConnect(world, asked)).toMatchObject(invalidAt("data", 16));
  });
});

test("[K10] a second Connect on a queue is out of sequence, and harms nothing", () => {
  const world = served();
  const controller = world.connect();
  const io = controller.openIo();
  const queues: [RawQueue, ConnectOptions][] = [
    [controller.admin, {}],
    [io, { qid: 1, cntlid: controller.cntlid }],
  ];
  for (const [queue, options] of queues) {
    const { status } = tryConnect(world, options, queue);
    expect(status).toBe(Status.CommandSequenceError | 0x4000);
  }
  expect(io.run(readSqe(0, 1), new Uint8Array(512)).code).toBe(0);
});

test("[K11] reserved bits and a priority class are ignored, a Keep Alive Timeout beyond is not", () => {
  const world = served();
  const sqe = connectSqe();
  sqe[46] = 0xf3;
  expect(world.openQueue().run(sqe, connectData()).code).toBe(0);
  const { status } = tryConnect(world, { keepAliveTimeoutMs: 0xffff_ffff });
  expect(status).toBe(Status.KeepAliveInvalid | 0x4000);
});

test("[K12] a discovery controller has no I/O queues", () => {
  const world = served();
  const { cntlid } = world.connect({ subsystemNqn: DISCOVERY_NQN });
  const asked = { subsystemNqn: DISCOVERY_NQN, cntlid, qid: 1 };
  expect(tryConnect(world, asked)).toMatchObject(invalidAt("sqe", 42));
});

test("[K13] a limit that is reached is Controller Busy, and the host may come again", () => {
  const world = served({ limits: { controllersMax: 2, controllersPerHostMax: 1 } });
  const first = world.connect();
  expect(tryConnect(world)).toMatchObject({ status: Status.ConnectControllerBusy, dw0: 0 });
  world.connect({ hostNqn: other, hostId: 2 });
  const third = { hostNqn: "nqn.2024-01.com.example:third", hostId: 3 };
  expect(tryConnect(world, third).status).toBe(Status.ConnectControllerBusy);
  first.admin.close();
  expect(tryConnect(world, third).code).toBe(0);
});

test("[K14] 500 admin queues that are abandoned leave nothing behind", () => {
  const limits = { connectionsPerAddressMax: 1_000, controllersPerHostMax: 512 };
  const world = served({ limits });
  const queues = Array.from({ length: 500 }, () => world.openQueue());
  for (const queue of queues) expect(tryConnect(world, {}, queue).code).toBe(0);
  expect(world.target.status).toMatchObject({ connections: 500, controllers: 500 });
  for (const queue of queues) queue.close();
  expect(world.target.status).toMatchObject({ connections: 0, controllers: 0, buffers: 0 });
  world.clock.drain();
  expect(world.clock.armed).toBe(0);
});

test("[F92] a host that is gone before its Connect is answered leaves nothing behind", () => {
  const world = served();
  const queue = world.openQueue();
  queue.send(connectSqe(), connectData());
  queue.close();
  world.clock.drain();
  expect(world.target.status).toMatchObject({ connections: 0, controllers: 0 });
});

test("[F94] a connection without a Connect, and a controller never enabled, end by themselves", () => {
  const world = served();
  const silent = world.openQueue();
  world.clock.advance(9_900);
  expect(silent.lost).toBeUndefined();
  world.clock.advance(200);
  expect(silent.lost).toBeDefined();
  const idle = world.openQueue();
  tryConnect(world, {}, idle);
  world.clock.advance(29_900);
  expect(idle.lost).toBeUndefined();
  world.clock.advance(200);
  expect(idle.lost).toBeDefined();
  expect(world.target.status).toMatchObject({ connections: 0, controllers: 0 });
});

test("[F95] connections beyond the limits are refused, in total and by address; others go on", () => {
  const world = served({ limits: { connectionsPerAddressMax: 2, connectionsMax: 3 } });
  const seen: TargetEvent[] = [];
  world.target.observe((event) => seen.push(event));
  const controller: RawController = world.connect();
  for (let i = 0; i < 5; i++) world.openQueue().close();
  world.openQueue();
  expect(world.openQueue().lost?.code).toBe("NVME_ERR_UNREACHABLE");
  const elsewhere = world.listen("elsewhere");
  world.openQueue(elsewhere);
  world.openQueue(elsewhere);
  const refused = seen.filter((event) => event.type === "connection-refused");
  expect(refused.map(({ limit }) => limit)).toEqual(["connectionsPerAddressMax", "connectionsMax"]);
  expect(controller.admin.run(encoded(Sqe, { opc: AdminOpcode.KeepAlive })).code).toBe(0);
});
