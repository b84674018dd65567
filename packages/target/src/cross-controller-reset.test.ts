// Cross-Controller Reset at the target: who is ended, what is waited for, and what is told, to whom.
// Read first: Base 2.3 §5.4.3 "Cross-Controller Reset command".
import {
  AdminOpcode,
  AsyncEventBit,
  CcrStatus,
  Cns,
  CommandEffects,
  CrossControllerResetCommand,
  CrossControllerResetEntry,
  DISCOVERY_NQN,
  Fid,
  GetLogPageCommand,
  IdentifyCommand,
  IdentifyController,
  Lid,
  NSID_ALL,
  NvmOpcode,
  type NvmeofError,
  Property,
  SetFeaturesCommand,
  Shn,
  Cc,
  Sqe,
  Status,
  commandEffectsOffset,
  decode,
  decodeAsyncEvent,
  decodeEntryLog,
  dnrOf,
  encodeDword,
  encoded,
  viewOf,
} from "@nvmeof/codec";
import { seededRandom } from "@nvmeof/core";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import type { TargetEvent, TargetOptions } from "./index.ts";
import { HeldDevice, type HeldDeviceOptions } from "./testing/held-device.ts";
import {
  type Answer,
  type ConnectOptions,
  ENABLED,
  type RawController,
  World,
  ioSqe,
  pattern,
  propertyGet,
  readSqe,
  writeSqe,
} from "./testing/raw-host.ts";

const ALL_EVENTS = AsyncEventBit.CcrCompleted | AsyncEventBit.NamespaceAttribute;

/** A target, one device that holds what it is given, and two controllers of one host. */
function pair(
  limits: TargetOptions["limits"] = {},
  device: Partial<HeldDeviceOptions> = {},
  options: Omit<TargetOptions, "clock" | "limits"> = {},
) {
  const clock = new VirtualClock();
  const held = new HeldDevice({ clock, ...device });
  const random = seededRandom(1);
  const world = new World(
    clock,
    { namespaces: [{ device: held }] },
    { random, limits, ...options },
  );
  const ends: string[] = [];
  world.target.observe((event: TargetEvent) => {
    if (event.type === "controller-removed") ends.push(`${event.cntlid}: ${event.reason}`);
  });
  const [impacted, source] = [world.connect(), world.connect()];
  return { clock, device: held, world, impacted, source, ends };
}

const identify = (controller: RawController) => {
  const asked = { opc: AdminOpcode.Identify, cns: Cns.Controller };
  return decode(IdentifyController, viewOf(controller.read(IdentifyCommand, asked).data));
};

/** What a host keeps of a controller to name it later. */
interface Name {
  readonly icid: number;
  readonly ciu: number;
  readonly cirn: bigint;
}

const nameOf = (controller: RawController): Name => {
  const { ciu, cirn } = identify(controller);
  return { icid: controller.cntlid, ciu, cirn };
};

const reset = (source: RawController, name: Name): Answer =>
  source.admin.run(
    encoded(CrossControllerResetCommand, { opc: AdminOpcode.CrossControllerReset, ...name }),
  );

/** RMC, and what part of the log is read. */
interface LogRead {
  readonly lsp?: number;
  readonly rae?: number;
  readonly lpo?: number;
  readonly bytes?: number;
  readonly nsid?: number;
}

const logOf = (controller: RawController, { bytes = 4096, ...asked }: LogRead = {}) =>
  controller.read(
    GetLogPageCommand,
    {
      opc: AdminOpcode.GetLogPage,
      lid: Lid.CrossControllerReset,
      nsid: NSID_ALL,
      numd: bytes / 4,
      ...asked,
    },
    bytes,
  );

const entriesOf = (controller: RawController, asked?: LogRead) =>
  decodeEntryLog(CrossControllerResetEntry, logOf(controller, asked).data);

const statusesOf = (controller: RawController): number[] =>
  entriesOf(controller).map(({ ccrs }) => ccrs);

function want({ admin }: RawController, bits: number): Answer {
  const fid = Fid.AsyncEventConfiguration;
  return admin.run(encoded(SetFeaturesCommand, { opc: AdminOpcode.SetFeatures, fid, cdw11: bits }));
}

const eventOf = ({ admin, world }: RawController, cid: number) => {
  world.clock.settle();
  const answer = admin.answers.get(cid);
  return answer === undefined ? undefined : decodeAsyncEvent(answer.dw0);
};

const completed = { aet: 2, aei: 0xf4, lid: Lid.CrossControllerReset };
const done = { code: 0, dw0: 1 };
const begun = { code: 0, dw0: 0 };

/** A write that the device has and keeps. */
function write(controller: RawController, lba = 0, qid = 1): void {
  controller.openIo(qid).send(writeSqe(lba, 8), pattern(4096));
  controller.world.clock.settle();
}

describe("what is announced", () => {
  test("a controller names its incarnation, and says what it takes", () => {
    const { impacted, source } = pair({ commandQuiesceTimeMs: 250, crossControllerResetsMax: 7 });
    const [first, second] = [identify(impacted), identify(source)];
    expect(first).toMatchObject({ cqt: 250, ccrl: 7 });
    expect(first.oaes & AsyncEventBit.CcrCompleted).not.toBe(0);
    expect(first.ciu).toBeGreaterThan(0);
    expect(first.cirn).not.toBe(second.cirn);
    expect(logOf(source)).toMatchObject({ code: 0 });
    const asked = { opc: AdminOpcode.GetLogPage, lid: Lid.CommandEffects, numd: 1024 };
    const effects = viewOf(source.read(GetLogPageCommand, asked).data);
    const at = commandEffectsOffset(true, AdminOpcode.CrossControllerReset);
    expect(CommandEffects.csupp.get(effects, at)).toBe(1);
  });

  test("CQT is 0, no promise, unless the owner makes one", () => {
    expect(identify(pair().source)).toMatchObject({ cqt: 0, ccrl: 4 });
  });

  test.each<[string, Parameters<typeof pair>]>([
    ["without chance", [{}, {}, { random: undefined }]],
    ["with a limit of 0", [{ crossControllerResetsMax: 0 }]],
  ])("%s there is no Cross-Controller Reset, and nothing says that there were", (_what, given) => {
    const { source, impacted } = pair(...given);
    const { oaes, ccrl } = identify(source);
    expect([ccrl, oaes & AsyncEventBit.CcrCompleted]).toEqual([0, 0]);
    const name = { icid: impacted.cntlid, ciu: 1, cirn: 0n };
    expect(reset(source, name).code).toBe(Status.InvalidOpcode);
    expect(logOf(source).code).toBe(Status.InvalidLogPage);
    expect(want(source, AsyncEventBit.CcrCompleted).code).toBe(Status.InvalidField);
    expect(impacted.admin.lost).toBeUndefined();
  });

  test("a discovery controller has none of it", () => {
    const { world, impacted } = pair();
    const discovery = world.connect({ subsystemNqn: DISCOVERY_NQN });
    expect(identify(discovery)).toMatchObject({ ciu: 0, cirn: 0n, cqt: 0, ccrl: 0 });
    expect(reset(discovery, nameOf(impacted)).code).toBe(Status.InvalidOpcode);
  });
});

describe("a controller of which no device has a request", () => {
  test("is ended within the command: IRS, and neither log nor event tell of it", () => {
    const { world, impacted, source, ends } = pair();
    want(source, ALL_EVENTS);
    const cid = source.awaitEvent();
    const io = impacted.openIo();
    expect(reset(source, nameOf(impacted))).toMatchObject(done);
    expect([impacted.admin.lost, io.lost].every((error) => error !== undefined)).toBe(true);
    expect(ends).toEqual([`${impacted.cntlid}: cross-controller-reset`]);
    expect(world.target.status).toMatchObject({ controllers: 1, connections: 1 });
    expect(entriesOf(source)).toEqual([]);
    expect(eventOf(source, cid)).toBeUndefined();
  });

  test("is ended in shutdown, too", () => {
    const { impacted, source } = pair();
    const name = nameOf(impacted);
    impacted.setCc(ENABLED | encodeDword(Cc, { shn: Shn.Normal }));
    expect(reset(source, name)).toMatchObject(done);
    expect(impacted.admin.lost).toBeDefined();
  });

  test("and that has gone already is nothing to wait for", () => {
    const { impacted, source } = pair();
    const name = nameOf(impacted);
    impacted.admin.close();
    expect(reset(source, name)).toMatchObject(done);
    expect(entriesOf(source)).toEqual([]);
  });
});

describe("a controller with a write in the device", () => {
  test("is ended at once, and told as quiesced when the device has settled, not before", () => {
    const { clock, device, world, impacted, source } = pair();
    want(source, ALL_EVENTS);
    const cid = source.awaitEvent();
    const name = nameOf(impacted);
    write(impacted);
    expect(reset(source, name)).toMatchObject(begun);
    clock.advance(1_000);
    expect(impacted.admin.lost).toBeDefined();
    expect(world.target.status).toMatchObject({ controllers: 1, backendRequests: 1 });
    expect(eventOf(source, cid)).toBeUndefined();
    const entry = { icid: name.icid, ciu: name.ciu, acid: 0xffff, ccrf: 3 };
    expect(entriesOf(source)).toEqual([{ ...entry, ccrs: CcrStatus.InProgress }]);
    device.settleAll();
    expect(eventOf(source, cid)).toEqual(completed);
    expect(entriesOf(source)).toEqual([{ ...entry, ccrs: CcrStatus.Successful }]);
    expect(world.target.status).toMatchObject({ backendRequests: 0, buffers: 0 });
    clock.advance(20_000); // what a connection needs while it is made, and to be sure of its answers
    expect(clock.armed).toBe(0);
  });

  test("gives nothing more to the device: not what waits, and not the rest of what was cut", () => {
    const limits = { inflightMax: 1, transferBlocksMax: 4 };
    const { device, clock, impacted, source } = pair({}, { limits });
    const name = nameOf(impacted);
    const io = impacted.openIo();
    for (const lba of [0, 8, 16]) io.send(writeSqe(lba, 8), pattern(4096));
    clock.settle();
    expect(device.seen).toHaveLength(1);
    expect(reset(source, name)).toMatchObject(begun);
    device.settleAll();
    clock.advance(60_000);
    expect(device.seen).toHaveLength(1);
    expect(statusesOf(source)).toEqual([CcrStatus.Successful]);
    expect(io.answers.size).toBe(1); // Connect
  });

  test("is waited for on all its queues, and on no other's", () => {
    const { device, clock, impacted, source } = pair();
    const name = nameOf(impacted);
    for (const qid of [1, 2, 3]) write(impacted, 8 * qid, qid);
    expect(reset(source, name)).toMatchObject(begun);
    device.settleAll();
    write(source, 100);
    clock.settle();
    expect(device.held).toBe(1);
    expect(statusesOf(source)).toEqual([CcrStatus.Successful]);
  });

  test("and that was lost before is waited for, although it is not there any more", () => {
    for (const lose of ["host-left", "keep-alive"] as const) {
      const { device, clock, world, source } = pair();
      const lost = world.connect({ keepAliveTimeoutMs: 5_000 });
      const name = nameOf(lost);
      write(lost);
      if (lose === "host-left") lost.admin.close();
      else clock.advance(12_000);
      expect(world.subsystem.controllers.has(name.icid)).toBe(false);
      expect(reset(source, name)).toMatchObject(begun);
      expect(statusesOf(source)).toEqual([CcrStatus.InProgress]);
      device.settleAll();
      clock.settle();
      expect(statusesOf(source)).toEqual([CcrStatus.Successful]);
      // Now nothing is left of it.
      expect(reset(source, name)).toMatchObject(done);
    }
  });

  test("is waited for alone: what others wait for goes on", () => {
    const { clock, device, world, impacted, source } = pair();
    const slow = new HeldDevice({ clock });
    world.subsystem.addNamespace({ device: slow });
    const other = world.connect();
    const names = [nameOf(impacted), nameOf(other)];
    write(impacted);
    other.openIo().send(ioSqe(NvmOpcode.Write, 0, 8, { nsid: 2 }), pattern(4096));
    clock.settle();
    for (const name of names) expect(reset(source, name)).toMatchObject(begun);
    device.settleAll();
    clock.settle();
    expect(statusesOf(source)).toEqual([CcrStatus.Successful, CcrStatus.InProgress]);
    slow.settleAll();
    clock.settle();
    expect(statusesOf(source)).toEqual([CcrStatus.Successful, CcrStatus.Successful]);
  });

  test("is told to a host that asked for no events by the log alone", () => {
    const { device, clock, impacted, source } = pair();
    const name = nameOf(impacted);
    const cid = source.awaitEvent();
    write(impacted);
    reset(source, name);
    device.settleAll();
    clock.settle();
    expect(eventOf(source, cid)).toBeUndefined();
    expect(statusesOf(source)).toEqual([CcrStatus.Successful]);
  });

  test("is told to each controller that asked for it, and to no other", () => {
    const { device, world, clock, impacted, source } = pair();
    const [other, idle] = [world.connect(), world.connect()];
    const name = nameOf(impacted);
    const sources = [source, other, idle];
    const requests = sources.map((each) => {
      want(each, ALL_EVENTS);
      return each.awaitEvent();
    });
    write(impacted);
    expect(reset(source, name)).toMatchObject(begun);
    expect(reset(other, name)).toMatchObject(begun);
    device.settleAll();
    clock.settle();
    const events = sources.map((each, i) => eventOf(each, requests[i]!));
    expect(events).toEqual([completed, completed, undefined]);
    expect(sources.map((each) => statusesOf(each))).toEqual([[1], [1], []]);
  });
});

describe("what is refused", () => {
  const changed = (name: Name, change: Partial<Name>): Name => ({ ...name, ...change });

  test("a controller is not the source of its own end", () => {
    const { source } = pair();
    const { status, code } = reset(source, nameOf(source));
    expect([code, dnrOf(status)]).toEqual([Status.InvalidField, true]);
    // Nor of that of what it was before.
    const before = nameOf(source);
    source.setCc(0);
    source.enable();
    expect(reset(source, before).code).toBe(Status.InvalidField);
  });

  test("a CIU of 0 names nothing", () => {
    const { source, impacted } = pair();
    const { status, code } = reset(source, changed(nameOf(impacted), { ciu: 0 }));
    expect([code, dnrOf(status)]).toEqual([Status.InvalidField, true]);
  });

  test("a command with data is refused before anything is done", () => {
    const { source, impacted } = pair();
    const fields = { opc: AdminOpcode.CrossControllerReset, ...nameOf(impacted) };
    const sqe = encoded(CrossControllerResetCommand, fields);
    expect(source.admin.run(sqe, new Uint8Array(16_384)).code).toBe(Status.SglDataLengthInvalid);
    expect(impacted.admin.lost).toBeUndefined();
  });

  test("the same reset again, while it is in progress", () => {
    const { source, impacted, device, clock } = pair();
    const name = nameOf(impacted);
    write(impacted);
    reset(source, name);
    const { status, code } = reset(source, name);
    expect([code, dnrOf(status)]).toEqual([Status.CcrInProgress, false]);
    expect(entriesOf(source)).toHaveLength(1);
    device.settleAll();
    clock.settle();
    expect(reset(source, name)).toMatchObject(done);
  });

  test("more at the same time than CCRL, until one has ended; idle ones count for nothing", () => {
    const { source, world, device, clock } = pair({ crossControllerResetsMax: 2 });
    const busy = [1, 2, 3].map(() => world.connect());
    const names = busy.map(nameOf);
    for (const [i, each] of busy.entries()) write(each, 8 * i);
    const codes = names.map((name) => reset(source, name).code);
    expect(codes).toEqual([0, 0, Status.CcrLimitExceeded]);
    expect(busy[2]!.admin.lost).toBeUndefined();
    expect(reset(source, nameOf(world.connect()))).toMatchObject(done);
    device.settleAll();
    clock.settle();
    write(busy[2]!, 100, 2);
    expect(reset(source, names[2]!)).toMatchObject(begun);
  });

  test("more than the log holds, until completed entries are removed", () => {
    const { source, world, device, clock } = pair({ crossControllerResetEntriesMax: 2 });
    const resetBusy = (): Answer => {
      const controller = world.connect();
      const name = nameOf(controller);
      write(controller);
      return reset(source, name);
    };
    expect([resetBusy(), resetBusy()]).toMatchObject([begun, begun]);
    device.settleAll();
    clock.settle();
    expect(resetBusy().code).toBe(Status.CcrLogPageFull);
    expect(entriesOf(source, { lsp: 1 })).toHaveLength(2);
    expect(resetBusy()).toMatchObject(begun);
  });

  test("the log of a namespace", () => {
    const { source } = pair();
    expect(logOf(source, { nsid: 1 }).code).toBe(Status.InvalidField);
    expect(logOf(source, { nsid: 0 }).code).toBe(0);
  });

  test("the controller of another host is untouched, whoever it is said to be", () => {
    const { world, impacted, device, clock } = pair();
    const name = nameOf(impacted);
    write(impacted);
    const strangers: ConnectOptions[] = [
      { hostNqn: "nqn.2024-01.com.example:other", hostId: 2 },
      { hostId: 3 },
    ];
    for (const stranger of strangers) {
      const { status, code } = reset(world.connect(stranger), name);
      expect([code, dnrOf(status)]).toEqual([Status.InvalidField, true]);
    }
    device.settleAll();
    clock.settle();
    expect(impacted.admin.lost).toBeUndefined();
  });
});

describe("a controller that was born again", () => {
  test("is not touched by a reset of what it was, which is over", () => {
    const { impacted, source } = pair();
    const before = nameOf(impacted);
    impacted.setCc(0);
    impacted.enable();
    const after = nameOf(impacted);
    expect(after.ciu).toBe((before.ciu % 255) + 1);
    expect(after.cirn).not.toBe(before.cirn);
    expect(reset(source, before)).toMatchObject(done);
    expect(impacted.admin.lost).toBeUndefined();
    expect(reset(source, after)).toMatchObject(done);
    expect(impacted.admin.lost).toBeDefined();
  });

  test("is not touched where only CIRN differs, and CIU is the same", () => {
    const { impacted, source } = pair();
    const name = nameOf(impacted);
    expect(reset(source, { ...name, cirn: name.cirn ^ 1n })).toMatchObject(done);
    expect(reset(source, { ...name, ciu: (name.ciu % 255) + 1 })).toMatchObject(done);
    expect(impacted.admin.lost).toBeUndefined();
  });

  test("is not touched while a write of what it was is waited for", () => {
    const { impacted, source, device, clock } = pair();
    const before = nameOf(impacted);
    write(impacted);
    impacted.setCc(0);
    impacted.enable();
    expect(reset(source, before)).toMatchObject(begun);
    clock.settle();
    expect(impacted.admin.lost).toBeUndefined();
    expect(statusesOf(source)).toEqual([CcrStatus.InProgress]);
    device.settleAll();
    clock.settle();
    expect(statusesOf(source)).toEqual([CcrStatus.Successful]);
    expect(impacted.admin.lost).toBeUndefined();
  });

  test("was not ready for that before its devices had settled: RDY says so", () => {
    const { impacted, device, clock } = pair();
    const ready = (): number => impacted.admin.run(propertyGet(Property.Csts)).dw0 & 1;
    write(impacted);
    impacted.setCc(0);
    expect(ready()).toBe(1);
    device.settleAll();
    clock.settle();
    expect(ready()).toBe(0);
  });

  test("is no other one with its CNTLID, while a device has a request of it", () => {
    const { world, impacted, device, clock } = pair();
    const { cntlid } = impacted;
    write(impacted);
    impacted.admin.close();
    const taken = (): boolean => {
      const ids = Array.from({ length: 0xffef }, () => world.subsystem.takeCntlid());
      return ids.includes(cntlid);
    };
    expect(taken()).toBe(false);
    device.settleAll();
    clock.settle();
    expect(taken()).toBe(true);
  });

  test("has a CIU that skips 0 when it wraps", () => {
    const { impacted } = pair({}, {}, { random: { next32: () => 254 } });
    const seen = [0, 1, 2].map(() => {
      const { ciu } = identify(impacted);
      impacted.setCc(0);
      impacted.enable();
      return ciu;
    });
    expect(seen).toEqual([255, 1, 2]);
  });
});

describe("a device that does not settle", () => {
  test("fails the reset after its timeout, and what settles later does not make it good", () => {
    const { impacted, source, device, clock } = pair({ crossControllerResetTimeoutMs: 5_000 });
    want(source, ALL_EVENTS);
    const cid = source.awaitEvent();
    const name = nameOf(impacted);
    write(impacted);
    reset(source, name);
    clock.advance(4_999);
    expect(eventOf(source, cid)).toBeUndefined();
    clock.advance(1);
    expect(eventOf(source, cid)).toEqual(completed);
    expect(statusesOf(source)).toEqual([CcrStatus.Failed]);
    // Asked again, it waits again.
    expect(reset(source, name)).toMatchObject(begun);
    device.settleAll();
    clock.settle();
    expect(statusesOf(source)).toEqual([CcrStatus.Failed, CcrStatus.Successful]);
    clock.advance(20_000);
    expect(clock.armed).toBe(0);
  });

  test("and then does not know what became of the write fails the reset, now and ever after", () => {
    const { impacted, source, device } = pair();
    want(source, ALL_EVENTS);
    const cid = source.awaitEvent();
    const name = nameOf(impacted);
    write(impacted);
    write(impacted, 8, 2);
    reset(source, name);
    device.settleAll({ outcome: "unknown", status: Status.HostPathError } as NvmeofError);
    expect(eventOf(source, cid)).toEqual(completed);
    expect(statusesOf(source)).toEqual([CcrStatus.Failed]);
    logOf(source);
    const next = source.awaitEvent();
    expect(reset(source, name)).toMatchObject(begun);
    expect(eventOf(source, next)).toEqual(completed);
    expect(statusesOf(source)).toEqual([CcrStatus.Failed, CcrStatus.Failed]);
  });

  test("with an error that says that the write failed is as good as one that succeeds", () => {
    const { impacted, source, device, clock } = pair();
    const name = nameOf(impacted);
    write(impacted);
    reset(source, name);
    device.settleAll({ outcome: "failed", status: Status.WriteFault } as NvmeofError);
    clock.settle();
    expect(statusesOf(source)).toEqual([CcrStatus.Successful]);
  });
});

describe("the log", () => {
  /** Three resets that wait for the device. */
  function three() {
    const all = pair();
    const { world, source } = all;
    const names = [0, 1, 2].map((i) => {
      const controller = world.connect();
      const name = nameOf(controller);
      write(controller, 8 * i);
      expect(reset(source, name)).toMatchObject(begun);
      return name;
    });
    return { ...all, names };
  }

  test("keeps what is in progress when RMC removes what is completed", () => {
    const { source, device, clock, world } = three();
    device.settleAll();
    clock.settle();
    const more = world.connect();
    const name = nameOf(more);
    write(more);
    reset(source, name);
    const S = CcrStatus.Successful;
    expect(entriesOf(source, { lsp: 1 }).map(({ ccrs }) => ccrs)).toEqual([S, S, S, 0]);
    expect(entriesOf(source)).toMatchObject([{ icid: name.icid, ccrs: CcrStatus.InProgress }]);
  });

  test("keeps what a read with RMC did not reach, or reached in part", () => {
    const { source, device, clock, names } = three();
    device.settleAll();
    clock.settle();
    const icids = () => entriesOf(source).map(({ icid }) => icid);
    logOf(source, { lsp: 1, bytes: 20 });
    expect(icids()).toEqual([names[1]!.icid, names[2]!.icid]);
    logOf(source, { lsp: 1, lpo: 16, bytes: 8 });
    expect(icids()).toEqual([names[1]!.icid]);
    logOf(source, { lsp: 0 });
    expect(icids()).toEqual([names[1]!.icid]);
  });

  test("tells the next event only after it was read without retaining", () => {
    const { source, world, device, clock } = pair();
    want(source, ALL_EVENTS);
    const resetBusy = (): void => {
      const controller = world.connect();
      const name = nameOf(controller);
      write(controller);
      reset(source, name);
      device.settleAll();
      clock.settle();
    };
    const first = source.awaitEvent();
    resetBusy();
    expect(eventOf(source, first)).toEqual(completed);
    const second = source.awaitEvent();
    logOf(source, { rae: 1 });
    resetBusy();
    expect(eventOf(source, second)).toBeUndefined();
    logOf(source);
    resetBusy();
    expect(eventOf(source, second)).toEqual(completed);
  });

  test("is empty when its controller is ready again, and what was waited for is not told", () => {
    const { source, device, clock } = three();
    source.setCc(0);
    source.enable();
    want(source, ALL_EVENTS);
    const cid = source.awaitEvent();
    expect(entriesOf(source)).toEqual([]);
    device.settleAll();
    expect(eventOf(source, cid)).toBeUndefined();
    clock.advance(20_000);
    expect(clock.armed).toBe(0);
  });
});

test("a source that dies while it waits leaves nothing, and another can ask anew", () => {
  const { world, source, impacted, device, clock } = pair();
  const name = nameOf(impacted);
  write(impacted);
  reset(source, name);
  source.admin.close();
  expect(clock.armed).toBe(0);
  const other = world.connect();
  expect(reset(other, name)).toMatchObject(begun);
  device.settleAll();
  clock.settle();
  expect(statusesOf(other)).toEqual([CcrStatus.Successful]);
});

test("two controllers that reset each other: the first command wins, and the other is gone", () => {
  const { source, impacted } = pair();
  const [a, b] = [nameOf(source), nameOf(impacted)];
  const send = (from: RawController, name: Name): number =>
    from.admin.send(
      encoded(CrossControllerResetCommand, { opc: AdminOpcode.CrossControllerReset, ...name }),
    );
  const first = send(source, b);
  send(impacted, a);
  source.world.clock.settle();
  expect(source.admin.answers.get(first)).toMatchObject(done);
  expect([source.admin.lost === undefined, impacted.admin.lost === undefined]).toEqual([
    true,
    false,
  ]);
});

test("a frozen target resets nobody until it thaws", () => {
  const { world, source, impacted, clock } = pair();
  const name = nameOf(impacted);
  world.target.freeze();
  const fields = { opc: AdminOpcode.CrossControllerReset, ...name };
  const cid = source.admin.send(encoded(CrossControllerResetCommand, fields));
  clock.advance(1_000);
  expect([source.admin.answers.has(cid), impacted.admin.lost]).toEqual([false, undefined]);
  world.target.thaw();
  clock.settle();
  expect(source.admin.answers.get(cid)).toMatchObject(done);
});

test("a host reads on by the source while another controller of its is reset", () => {
  const { source, impacted, device, clock } = pair();
  const name = nameOf(impacted);
  write(impacted);
  const io = source.openIo();
  reset(source, name);
  device.settleAll();
  device.settling = "now";
  expect(io.run(readSqe(0, 8), new Uint8Array(4096)).code).toBe(0);
  expect(source.admin.run(encoded(Sqe, { opc: AdminOpcode.KeepAlive })).code).toBe(0);
  clock.settle();
});
