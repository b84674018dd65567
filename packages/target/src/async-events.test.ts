// Asynchronous events: what is told, once, to whom it is of use, until the log is read.
import { memoryDevice } from "@nvmeof/bdev";
import {
  AdminOpcode,
  AnaState,
  AsyncEventBit,
  Fid,
  GetLogPageCommand,
  Lid,
  SetFeaturesCommand,
  decodeAsyncEvent,
  encoded,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { type RawController, World } from "./testing/raw-host.ts";

const ALL = AsyncEventBit.NamespaceAttribute | AsyncEventBit.AnaChange;

function connected(wanted: number = ALL) {
  const clock = new VirtualClock();
  const device = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 64 });
  const world = new World(clock, { namespaces: [{ device }] });
  const controller = world.connect();
  want(controller, wanted);
  return { clock, device, world, controller };
}

function want({ admin }: RawController, bits: number): void {
  const fid = Fid.AsyncEventConfiguration;
  const sqe = encoded(SetFeaturesCommand, { opc: AdminOpcode.SetFeatures, fid, cdw11: bits });
  expect(admin.run(sqe).code).toBe(0);
}

const readLog = ({ read }: { read: RawController["read"] }, lid: number, rae = 0): void => {
  const asked = { opc: AdminOpcode.GetLogPage, lid, numd: 1024, rae };
  expect(read(GetLogPageCommand, asked, 4096).code).toBe(0);
};

/** The event that a request was answered with; undefined while it waits. */
const eventOf = ({ admin, world }: RawController, cid: number) => {
  world.clock.settle();
  const answer = admin.answers.get(cid);
  return answer === undefined ? undefined : decodeAsyncEvent(answer.dw0);
};

const namespaceChanged = { aet: 2, aei: 0x00, lid: Lid.ChangedNamespaces };
const anaChanged = { aet: 2, aei: 0x03, lid: Lid.Ana };

test("a namespace that comes, goes or changes its size is told", () => {
  const { world, controller, device, clock } = connected();
  const other = memoryDevice({ name: "other", clock, blockBytes: 512, blockCount: 8 });
  const changes = [
    () => world.subsystem.addNamespace({ device: other }),
    () => world.subsystem.removeNamespace(2),
    () => device.resize(128),
  ];
  for (const change of changes) {
    const cid = controller.awaitEvent();
    expect(eventOf(controller, cid)).toBeUndefined();
    change();
    expect(eventOf(controller, cid)).toEqual(namespaceChanged);
    readLog({ read: controller.read.bind(controller) }, Lid.ChangedNamespaces);
  }
});

test("an ANA change is told at the port it concerns, and nowhere else", () => {
  const { world, controller } = connected();
  const second = world.listen("second");
  const elsewhere = world.connect({}, second);
  want(elsewhere, ALL);
  const [here, there] = [controller.awaitEvent(), elsewhere.awaitEvent()];
  world.subsystem.setAnaState({ group: 1, state: AnaState.NonOptimized, portId: 2 });
  expect(eventOf(controller, here)).toBeUndefined();
  expect(eventOf(elsewhere, there)).toEqual(anaChanged);
  world.subsystem.setAnaState({ group: 1, state: AnaState.NonOptimized, portId: 2 });
  world.subsystem.setAnaState({ group: 1, state: AnaState.Inaccessible });
  expect(eventOf(controller, here)).toEqual(anaChanged);
});

test("an event waits for a request, and is told once however often it happened", () => {
  const { world, controller } = connected();
  world.subsystem.removeNamespace(1);
  for (const state of [AnaState.Inaccessible, AnaState.Optimized, AnaState.Change]) {
    world.subsystem.setAnaState({ group: 1, state });
  }
  const events = [0, 1, 2].map(() => eventOf(controller, controller.awaitEvent()));
  expect(events).toEqual([namespaceChanged, anaChanged, undefined]);
});

test("what was told is masked until its log is read without retaining", () => {
  const { world, controller } = connected();
  const ana = (state: AnaState): void => world.subsystem.setAnaState({ group: 1, state });
  const first = controller.awaitEvent();
  ana(AnaState.Inaccessible);
  expect(eventOf(controller, first)).toEqual(anaChanged);
  const second = controller.awaitEvent();
  ana(AnaState.Optimized);
  expect(eventOf(controller, second)).toBeUndefined();
  const host = { read: controller.read.bind(controller) };
  readLog(host, Lid.Ana, 1);
  readLog(host, Lid.ChangedNamespaces);
  ana(AnaState.Inaccessible);
  expect(eventOf(controller, second)).toBeUndefined();
  readLog(host, Lid.Ana);
  expect(eventOf(controller, second)).toBeUndefined();
  ana(AnaState.Optimized);
  expect(eventOf(controller, second)).toEqual(anaChanged);
});

test("a host hears only what it asked for", () => {
  const { world, controller } = connected(AsyncEventBit.AnaChange);
  const cid = controller.awaitEvent();
  world.subsystem.removeNamespace(1);
  expect(eventOf(controller, cid)).toBeUndefined();
  world.subsystem.setAnaState({ group: 1, state: AnaState.Inaccessible });
  expect(eventOf(controller, cid)).toEqual(anaChanged);
});

test("an event that was not told yet is forgotten when its log is read, or no longer wanted", () => {
  const { world, controller } = connected();
  world.subsystem.setAnaState({ group: 1, state: AnaState.Inaccessible });
  readLog({ read: controller.read.bind(controller) }, Lid.Ana);
  const cid = controller.awaitEvent();
  expect(eventOf(controller, cid)).toBeUndefined();
  want(controller, 0);
  world.subsystem.setAnaState({ group: 1, state: AnaState.Optimized });
  want(controller, ALL);
  expect(eventOf(controller, cid)).toBeUndefined();
});
