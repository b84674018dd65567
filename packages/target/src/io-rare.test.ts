// Reservations and Copy over a whole target in memory, with two hosts.

import { memoryDevice } from "@nvmeof/bdev";
import {
  AdminOpcode,
  AnaState,
  Fid,
  GetLogPageCommand,
  Lid,
  NvmOpcode,
  SetFeaturesCommand,
  Status,
  decode,
  encoded,
  viewOf,
} from "@nvmeof/codec";
import {
  AcquireKeys,
  CopyCommand,
  type CopySource,
  RegisterKeys,
  ReleaseKey,
  ReservationAcquireCommand,
  ReservationEvent,
  ReservationNotification,
  ReservationRegisterCommand,
  ReservationReleaseCommand,
  ReservationReportCommand,
  ReservationType,
  decodeReservationReport,
  encodeCopyRanges,
} from "@nvmeof/codec/management";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { HeldDevice } from "./testing/held-device.ts";
import {
  type RawController,
  type RawQueue,
  World,
  ioSqe,
  pattern,
  readSqe,
  writeSqe,
} from "./testing/raw-host.ts";

const { WriteExclusive } = ReservationType;

/** Two hosts with a controller and a queue each. */
function twoHosts(device: "memory" | "held" = "memory") {
  const clock = new VirtualClock();
  const size = { blockBytes: 512, blockCount: 8192 };
  // One request at a time: what comes second waits in the target.
  const held = new HeldDevice({ clock, limits: { inflightMax: 1 } });
  const memory = memoryDevice({ name: "m", clock, ...size });
  const world = new World(clock, { namespaces: [{ device: device === "held" ? held : memory }] });
  const hosts = [1, 2].map((id) => {
    const hostNqn = `nqn.2024-01.com.example:host${id}`;
    const controller = world.connect({ hostId: id, hostNqn });
    return { controller, io: controller.openIo(), key: BigInt(id) };
  });
  return { clock, world, held, a: hosts[0]!, b: hosts[1]! };
}

interface Host {
  readonly controller: RawController;
  readonly io: RawQueue;
  readonly key: bigint;
}

const register = ({ io, key }: Host) =>
  io.run(
    encoded(ReservationRegisterCommand, { opc: NvmOpcode.ReservationRegister, nsid: 1 }),
    encoded(RegisterKeys, { nrkey: key }),
  ).code;
const acquireSqe = (racqa: number, rtype: number): Uint8Array =>
  encoded(ReservationAcquireCommand, { opc: NvmOpcode.ReservationAcquire, nsid: 1, racqa, rtype });
const acquire = ({ io, key }: Host, rtype: number, racqa = 0, prkey = 0n) =>
  io.run(acquireSqe(racqa, rtype), encoded(AcquireKeys, { crkey: key, prkey })).code;
const release = ({ io, key }: Host, rtype: number) =>
  io.run(
    encoded(ReservationReleaseCommand, { opc: NvmOpcode.ReservationRelease, nsid: 1, rtype }),
    encoded(ReleaseKey, { crkey: key }),
  ).code;
const write = ({ io }: Host) => io.run(writeSqe(0, 1), pattern(512)).code;
const read = ({ io }: Host) => io.run(readSqe(0, 1), new Uint8Array(512)).code;
const reportSqe = (bytes: number, eds: number): Uint8Array =>
  encoded(ReservationReportCommand, {
    opc: NvmOpcode.ReservationReport,
    nsid: 1,
    numd: bytes / 4,
    eds,
  });

describe("reservations", () => {
  test("the other host may not write while one holds the namespace, and may afterwards", () => {
    const { a, b } = twoHosts();
    expect([register(a), acquire(a, WriteExclusive)]).toEqual([0, 0]);
    expect([write(a), write(b), read(b)]).toEqual([0, Status.ReservationConflict, 0]);
    expect(b.io.run(ioSqe(NvmOpcode.Flush, 0, 1)).code).toBe(Status.ReservationConflict);
    expect(b.io.run(ioSqe(NvmOpcode.WriteZeroes, 0, 1)).code).toBe(Status.ReservationConflict);
    expect(release(a, WriteExclusive)).toBe(0);
    expect(write(b)).toBe(0);
  });

  test("a host is registered, and not a controller: its second one may write as well", () => {
    const { world, a } = twoHosts();
    register(a);
    acquire(a, WriteExclusive);
    const again = world.connect({ hostId: 1, hostNqn: "nqn.2024-01.com.example:host1" });
    expect(again.openIo().run(writeSqe(0, 1), pattern(512)).code).toBe(0);
  });

  test("the report says who is registered, with 128-bit identifiers only", () => {
    const { a, b } = twoHosts();
    register(a);
    register(b);
    acquire(a, WriteExclusive);
    const data = new Uint8Array(4096);
    expect(b.io.run(reportSqe(4096, 1), data).code).toBe(0);
    expect(decodeReservationReport(data, true)).toEqual({
      generation: 2,
      rtype: WriteExclusive,
      registrantCount: 2,
      ptpls: 0,
      registrants: [
        { cntlid: a.controller.cntlid, holds: true, hostid: new Uint8Array(16).fill(1), rkey: 1n },
        { cntlid: b.controller.cntlid, holds: false, hostid: new Uint8Array(16).fill(2), rkey: 2n },
      ],
    });
    const short = new Uint8Array(64);
    expect(b.io.run(reportSqe(64, 1), short).code).toBe(0);
    expect(decodeReservationReport(short, true)).toMatchObject({ registrantCount: 2 });
    expect(b.io.run(reportSqe(64, 0), short).code).toBe(Status.HostIdInconsistent);
    expect(b.io.run(reportSqe(128, 1), short).code).toBe(Status.SglDataLengthInvalid);
  });

  test("a preempted host hears of it once it has asked for events, and reads the log", () => {
    const { a, b } = twoHosts();
    register(a);
    register(b);
    acquire(a, WriteExclusive);
    const request = a.controller.awaitEvent();
    expect(acquire(b, WriteExclusive, 1, a.key)).toBe(0);
    // Type 6, information 0, log 80h.
    expect(a.controller.admin.answers.get(request)).toMatchObject({ code: 0, dw0: 0x80_0006 });
    const readLog = () =>
      decode(
        ReservationNotification,
        viewOf(
          a.controller.read(
            GetLogPageCommand,
            { opc: AdminOpcode.GetLogPage, lid: Lid.ReservationNotification, numd: 16 },
            64,
          ).data,
        ),
      );
    const event = ReservationEvent.RegistrationPreempted;
    expect(readLog()).toEqual({ lpc: 1n, rnlpt: event, nalp: 0, nsid: 1 });
    expect(readLog()).toMatchObject({ lpc: 0n, rnlpt: ReservationEvent.Empty });
    expect([write(a), write(b)]).toEqual([Status.ReservationConflict, 0]);
  });

  test("a masked notification is not given", () => {
    const { a, b } = twoHosts();
    const mask = encoded(SetFeaturesCommand, {
      opc: AdminOpcode.SetFeatures,
      fid: Fid.ReservationNotificationMask,
      nsid: 1,
      cdw11: 0b10,
    });
    expect(a.controller.admin.run(mask).code).toBe(0);
    register(a);
    register(b);
    acquire(a, WriteExclusive);
    const request = a.controller.awaitEvent();
    acquire(b, WriteExclusive, 1, a.key);
    expect(a.controller.admin.answers.has(request)).toBe(false);
  });

  test("preempt and abort is answered when the device has nothing of the preempted host any more", () => {
    const { clock, held, a, b } = twoHosts("held");
    register(a);
    register(b);
    acquire(a, WriteExclusive);
    const late = a.io.send(writeSqe(0, 1), pattern(512));
    clock.settle();
    expect(held.held).toBe(1);
    const keys = encoded(AcquireKeys, { crkey: b.key, prkey: a.key });
    const cid = b.io.send(acquireSqe(2, WriteExclusive), keys);
    clock.settle();
    expect(b.io.answers.has(cid)).toBe(false);
    expect(write(a)).toBe(Status.ReservationConflict);
    held.settleAll();
    clock.settle();
    expect(a.io.answers.get(late)).toMatchObject({ code: 0 });
    expect(b.io.answers.get(cid)).toMatchObject({ code: 0 });
  });

  test("that holds for a preempted host that is gone, too", () => {
    const { clock, held, a, b } = twoHosts("held");
    register(a);
    register(b);
    acquire(a, WriteExclusive);
    a.io.send(writeSqe(0, 1), pattern(512));
    clock.settle();
    a.io.close();
    a.controller.admin.close();
    const keys = encoded(AcquireKeys, { crkey: b.key, prkey: a.key });
    const cid = b.io.send(acquireSqe(2, WriteExclusive), keys);
    clock.settle();
    expect(b.io.answers.has(cid)).toBe(false);
    held.settleAll();
    clock.settle();
    expect(b.io.answers.get(cid)).toMatchObject({ code: 0 });
  });

  test("a write that waited while the reservation was taken is not carried out", () => {
    const { clock, held, a, b } = twoHosts("held");
    register(b);
    const first = a.io.send(writeSqe(0, 1), pattern(512));
    const waiting = a.io.send(writeSqe(1, 1), pattern(512));
    clock.settle();
    expect(held.held).toBe(1);
    expect(acquire(b, WriteExclusive)).toBe(0);
    held.settleAll();
    clock.settle();
    expect(a.io.answers.get(first)).toMatchObject({ code: 0 });
    expect(a.io.answers.get(waiting)).toMatchObject({ code: Status.ReservationConflict });
    expect(held.seen).toHaveLength(1);
  });

  test("keys of a wrong length, and a namespace that is not there, are refused", () => {
    const { a } = twoHosts();
    const sqe = encoded(ReservationRegisterCommand, {
      opc: NvmOpcode.ReservationRegister,
      nsid: 1,
    });
    expect(a.io.run(sqe, new Uint8Array(8)).code).toBe(Status.SglDataLengthInvalid);
    const elsewhere = encoded(ReservationRegisterCommand, {
      opc: NvmOpcode.ReservationRegister,
      nsid: 9,
    });
    expect(a.io.run(elsewhere, new Uint8Array(16)).code).toBe(Status.InvalidNamespace);
  });
});

describe("Copy", () => {
  const copy = (
    { io }: Host,
    sdlba: number,
    sources: readonly CopySource[],
    more: Partial<Parameters<typeof encoded<typeof CopyCommand>>[1]> = {},
  ) =>
    io.run(
      encoded(CopyCommand, { opc: NvmOpcode.Copy, nsid: 1, sdlba, nr: sources.length, ...more }),
      encodeCopyRanges(sources),
    ).code;

  test("puts several ranges one after another", () => {
    const { a } = twoHosts();
    const data = pattern(20 * 512);
    a.io.run(writeSqe(0, 20), data);
    const sources = [
      { slba: 15, blockCount: 5 },
      { slba: 0, blockCount: 3 },
    ];
    expect(copy(a, 100, sources)).toBe(0);
    const read = new Uint8Array(8 * 512);
    a.io.run(readSqe(100, 8), read);
    expect(read.subarray(0, 5 * 512)).toEqual(data.subarray(15 * 512));
    expect(read.subarray(5 * 512)).toEqual(data.subarray(0, 3 * 512));
  });

  test("copies more than its buffer holds, in pieces that the device takes", () => {
    const { a } = twoHosts();
    const data = pattern(2048 * 512);
    a.io.run(writeSqe(0, 2048), data);
    a.io.run(writeSqe(2048, 2048), data);
    expect(copy(a, 4096, [{ slba: 0, blockCount: 4096 }])).toBe(0);
    const read = new Uint8Array(2048 * 512);
    a.io.run(readSqe(6144, 2048), read);
    expect(Buffer.compare(read, data)).toBe(0);
  });

  test("[T84] a range that overlaps its own destination is read before it is written", () => {
    const { a } = twoHosts();
    const data = pattern(10 * 512);
    a.io.run(writeSqe(0, 10), data);
    expect(copy(a, 5, [{ slba: 0, blockCount: 10 }])).toBe(0);
    const read = new Uint8Array(10 * 512);
    a.io.run(readSqe(5, 10), read);
    expect(Buffer.compare(read, data)).toBe(0);
  });

  test("[T84] what is beyond the end or too much is refused before anything is done", () => {
    const { a } = twoHosts();
    expect(copy(a, 8190, [{ slba: 0, blockCount: 3 }])).toBe(Status.LbaOutOfRange);
    expect(copy(a, 0, [{ slba: 8191, blockCount: 2 }])).toBe(Status.LbaOutOfRange);
    const many = Array.from({ length: 129 }, () => ({ slba: 0, blockCount: 1 }));
    expect(copy(a, 0, many)).toBe(Status.CommandSizeLimitExceeded);
    expect(copy(a, 0, [{ slba: 0, blockCount: 1 }], { cdfmt: 1 })).toBe(Status.InvalidField);
    expect(copy(a, 0, [{ slba: 0, blockCount: 1 }], { nr: 2 })).toBe(Status.SglDataLengthInvalid);
  });

  test("a reservation of another host forbids it, and so does the path", () => {
    const { a, b, world } = twoHosts();
    register(b);
    acquire(b, WriteExclusive);
    expect(copy(a, 0, [{ slba: 0, blockCount: 1 }])).toBe(Status.ReservationConflict);
    world.subsystem.setAnaState({ group: 1, state: AnaState.Inaccessible });
    expect(copy(b, 0, [{ slba: 0, blockCount: 1 }])).toBe(Status.AnaInaccessible);
  });
});
