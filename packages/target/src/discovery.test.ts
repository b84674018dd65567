// The discovery controller: what its log tells which host, when it changes, and that a host is told.
import { memoryDevice } from "@nvmeof/bdev";
import {
  AdminOpcode,
  AsyncEventBit,
  DISCOVERY_NQN,
  type Decoded,
  Fid,
  GetLogPageCommand,
  Lid,
  SetFeaturesCommand,
  Sqe,
  Status,
  Subtype,
  decodeAsyncEvent,
  decodeDiscoveryHeader,
  decodeDiscoveryLog,
  encoded,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { type RawController, SUBSYSTEM_NQN, World } from "./testing/raw-host.ts";

const other = "nqn.2024-01.com.example:other";

function served() {
  const clock = new VirtualClock();
  const device = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 64 });
  const world = new World(clock, { namespaces: [{ device }] });
  return { world, clock };
}

const read = (
  controller: RawController,
  bytes: number,
  more: Partial<Decoded<typeof GetLogPageCommand>> = {},
) => {
  const asked = { opc: AdminOpcode.GetLogPage, lid: Lid.Discovery, numd: bytes / 4 };
  return controller.read(GetLogPageCommand, { ...asked, ...more }, bytes);
};

const logOf = (controller: RawController, lsp = 0) => {
  const { numrec } = decodeDiscoveryHeader(read(controller, 1024, { lsp }).data);
  return decodeDiscoveryLog(read(controller, 1024 * (1 + Number(numrec)), { lsp }).data);
};

const discover = (world: World, hostNqn?: string, port = world.port) =>
  world.connect(
    { subsystemNqn: DISCOVERY_NQN, ...(hostNqn === undefined ? {} : { hostNqn, hostId: 2 }) },
    port,
  );

test("the log has the discovery subsystem and every subsystem, once for each port", () => {
  const { world } = served();
  world.listen("second");
  world.target.addSubsystem({ nqn: other });
  const { entries } = logOf(discover(world));
  expect(entries.map(({ subtype, subnqn, portid }) => [portid, subtype, subnqn])).toEqual([
    [1, Subtype.CurrentDiscovery, DISCOVERY_NQN],
    [1, Subtype.Nvm, SUBSYSTEM_NQN],
    [1, Subtype.Nvm, other],
    [2, Subtype.CurrentDiscovery, DISCOVERY_NQN],
    [2, Subtype.Nvm, SUBSYSTEM_NQN],
    [2, Subtype.Nvm, other],
  ]);
  expect(entries[0]).toMatchObject({ traddr: "port", trtype: 254, cntlid: 0xffff, asqsz: 32 });
});

test("a port for discovery tells of the subsystems elsewhere and has none itself", () => {
  const { world } = served();
  const port = world.listen("8009", 0, "discovery");
  const { entries } = logOf(discover(world, undefined, port));
  expect(entries.map(({ subtype, portid }) => [portid, subtype])).toEqual([
    [1, Subtype.CurrentDiscovery],
    [1, Subtype.Nvm],
    [2, Subtype.CurrentDiscovery],
  ]);
  expect(() => world.connect({}, port)).toThrow();
});

test("a host can ask for the entries of its own port only", () => {
  const { world } = served();
  const second = world.listen("second");
  const { entries } = logOf(discover(world, undefined, second), 2);
  expect(entries.map(({ portid }) => portid)).toEqual([2, 2]);
});

test("a TCP address is told with its family and service", () => {
  const { world, clock } = served();
  for (const [name, traddr] of [
    ["four", "192.0.2.1"],
    ["six", "2001:db8::1"],
  ] as const) {
    // prettier-ignore
    const listener = { local: name, listen: () => {}, close: () => {} };
    world.target.listen({ listener, address: { trtype: "tcp", traddr, trsvcid: "4420" } });
  }
  const entries = logOf(discover(world)).entries.filter(({ subtype }) => subtype === Subtype.Nvm);
  expect(entries.slice(1)).toMatchObject([
    { trtype: 3, adrfam: 1, traddr: "192.0.2.1", trsvcid: "4420", sectype: 0 },
    { trtype: 3, adrfam: 2, traddr: "2001:db8::1" },
  ]);
  clock.settle();
});

test("a host does not see what it may not connect to", () => {
  const { world } = served();
  world.target.addSubsystem({ nqn: other, allowedHosts: [other] });
  const subsystems = (hostNqn?: string) =>
    logOf(discover(world, hostNqn))
      .entries.filter(({ subtype }) => subtype === Subtype.Nvm)
      .map(({ subnqn }) => subnqn);
  expect(subsystems()).toEqual([SUBSYSTEM_NQN]);
  expect(subsystems(other)).toEqual([SUBSYSTEM_NQN, other]);
});

test("referrals come last", () => {
  const { world } = served();
  const address = { trtype: "tcp", traddr: "192.0.2.9", trsvcid: "8009" };
  world.target.setReferrals([{ address, portId: 7 }]);
  expect(logOf(discover(world)).entries.at(-1)).toMatchObject({
    subtype: Subtype.Referral,
    subnqn: DISCOVERY_NQN,
    traddr: "192.0.2.9",
    portid: 7,
  });
});

test("[T92] offsets into the log: chunks, its end, beyond it, unaligned", () => {
  const { world } = served();
  const controller = discover(world);
  const whole = read(controller, 3072).data;
  const chunks = [0, 1000, 2000].map((lpo) => read(controller, 1000, { lpo }).data);
  expect(Buffer.concat(chunks).equals(whole.subarray(0, 3000))).toBe(true);
  expect(read(controller, 1024, { lpo: 3072 }).data.every((byte) => byte === 0)).toBe(true);
  expect(read(controller, 1024, { lpo: 3076 }).code).toBe(Status.InvalidField);
  expect(read(controller, 1024, { lpo: 2 }).code).toBe(Status.InvalidField);
  expect(read(controller, 1024, { lpo: 2 ** 63 }).code).toBe(Status.InvalidField);
});

test("[K15] a log that changes between two reads has another generation", () => {
  const { world } = served();
  const controller = discover(world);
  const generation = () => decodeDiscoveryHeader(read(controller, 1024).data).genctr;
  const changes = [
    () => world.target.addSubsystem({ nqn: other }),
    () => world.target.subsystems.at(-1)?.setAllowedHosts([]),
    () => world.target.removeSubsystem(other),
    () => world.listen("second"),
    () => world.target.ports.at(-1)?.close(),
    () => world.target.setReferrals([]),
  ];
  for (const change of changes) {
    const before = generation();
    change();
    expect(generation()).not.toBe(before);
  }
});

test("a host that wants to know is told of a change, and again when it has read the log", () => {
  const { world } = served();
  const controller = discover(world);
  const cdw11 = AsyncEventBit.DiscoveryLog;
  const fid = Fid.AsyncEventConfiguration;
  const enable = encoded(SetFeaturesCommand, { opc: AdminOpcode.SetFeatures, fid, cdw11 });
  expect(controller.admin.run(enable).code).toBe(0);
  const first = controller.awaitEvent();
  world.target.addSubsystem({ nqn: other });
  world.clock.settle();
  const { dw0 } = controller.admin.answers.get(first)!;
  expect(decodeAsyncEvent(dw0)).toEqual({ aet: 2, aei: 0xf0, lid: Lid.Discovery });
  const second = controller.awaitEvent();
  world.target.removeSubsystem(other);
  world.clock.settle();
  expect(controller.admin.answers.has(second)).toBe(false);
  read(controller, 1024);
  world.target.addSubsystem({ nqn: other });
  world.clock.settle();
  expect(controller.admin.answers.get(second)?.dw0).toBe(dw0);
});

test("a discovery controller without a timeout is watched all the same; one with it, by that", () => {
  const { world, clock } = served();
  const idle = discover(world);
  const kept = world.connect({ subsystemNqn: DISCOVERY_NQN, keepAliveTimeoutMs: 60_000 });
  const keepAlive = encoded(Sqe, { opc: AdminOpcode.KeepAlive });
  for (let minute = 0; minute < 5; minute++) {
    clock.advance(50_000);
    expect(kept.admin.run(keepAlive).code).toBe(0);
  }
  expect(idle.admin.lost).toBeDefined();
  expect(kept.admin.lost).toBeUndefined();
});

test("a discovery controller has its own few commands", () => {
  const { world } = served();
  const { admin } = discover(world);
  expect(admin.run(encoded(Sqe, { opc: AdminOpcode.Abort })).code).toBe(Status.InvalidOpcode);
  const smart = { opc: AdminOpcode.GetLogPage, lid: Lid.SmartHealth, numd: 128 };
  const { code } = admin.run(encoded(GetLogPageCommand, smart), new Uint8Array(512));
  expect(code).toBe(Status.InvalidLogPage);
});
