// Conformance: settling, events, and the end of channels and devices.
// Read first: harness.ts; DESIGN.md §4 "Close".

import { Status } from "@nvmeof/codec";
import { type BlockDeviceEvent, BlockOp } from "../block-device.ts";
import {
  type Attempt,
  type BlockDeviceCase,
  type Subject,
  blockDeviceCase,
  check,
  failed,
  succeeded,
} from "./harness.ts";

/** Submits a few reads and leaves them in flight. */
function readsInFlight(subject: Subject): Attempt[] {
  const depth = Math.min(8, subject.device.limits.inflightMax);
  return Array.from({ length: depth }, (_, lba) =>
    subject.submit(subject.request(BlockOp.Read, lba, 1, subject.dirty(1))),
  );
}

const settleCases: readonly BlockDeviceCase[] = [
  blockDeviceCase("says truly what it is", async ({ device }) => {
    const { blockBytes, limits, identity } = device;
    check(
      [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536].includes(blockBytes),
      `blockBytes is ${blockBytes}`,
    );
    check(Number.isSafeInteger(device.blockCount * blockBytes), "the size in bytes is not exact");
    check(device.name !== "", "the name is empty");
    check(limits.transferBlocksMax >= 1, "transferBlocksMax is less than 1");
    check(limits.boundaryBlocks >= 0, "boundaryBlocks is less than 0");
    check(limits.inflightMax >= 1, "inflightMax is less than 1");
    check((identity.nguid?.length ?? 16) === 16, "the NGUID has not 16 bytes");
    check((identity.eui64?.length ?? 8) === 8, "the EUI64 has not 8 bytes");
    const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
    check(identity.uuid === undefined || uuid.test(identity.uuid), "the UUID is not in text form");
  }),
  blockDeviceCase("settles each request exactly once, and never inside submit", async (subject) => {
    const attempts = readsInFlight(subject);
    check(
      subject.channel.inflight === attempts.length,
      "inflight does not count what is in flight",
    );
    await subject.settle(attempts);
    attempts.forEach(succeeded);
    check(subject.channel.inflight === 0, `inflight is ${subject.channel.inflight} at the end`);
    // Those that are refused at once as well.
    const refused = [
      subject.submit(subject.request(BlockOp.Read, -1, 1, subject.dirty(1))),
      subject.submit(subject.request(99 as BlockOp, 0, 1)),
    ];
    await subject.settle(refused);
    check(subject.channel.inflight === 0, "inflight counts what was refused");
  }),
  blockDeviceCase("lets a settle submit again, never inside that submit", async (subject) => {
    const second = subject.request(BlockOp.Read, 1, 1, subject.dirty(1));
    let next: Attempt | undefined;
    let inflight = -1;
    const first = subject.submit(subject.request(BlockOp.Read, 0, 1, subject.dirty(1)));
    first.onSettled = () => {
      inflight = subject.channel.inflight;
      next = subject.submit(second);
    };
    await subject.settle([first]);
    check(inflight === 0, "a request still counts as in flight when it settles");
    await subject.settle([next!]);
    succeeded(next!);
  }),
];

const channelCases: readonly BlockDeviceCase[] = [
  blockDeviceCase("settles what is in flight when a channel closes, then refuses", async (s) => {
    const attempts = readsInFlight(s);
    s.channel.close();
    s.channel.close();
    const late = s.submit(s.request(BlockOp.Read, 0, 1, s.dirty(1)));
    await s.settle([...attempts, late]);
    attempts.forEach(succeeded);
    failed(late, Status.HostAborted);
    check(s.channel.inflight === 0, "a closed channel still has requests in flight");
  }),
  blockDeviceCase("does not let the end of one channel touch another", async (subject) => {
    const other = subject.device.openChannel();
    const reads = readsInFlight(subject);
    other.close();
    await subject.settle(reads);
    reads.forEach(succeeded);
    await subject.read(0, 1);
    await subject.refused(
      subject.request(BlockOp.Read, 0, 1, subject.dirty(1)),
      Status.HostAborted,
      other,
    );
  }),
];

const deviceCases: readonly BlockDeviceCase[] = [
  blockDeviceCase("settles everything before its close resolves, then refuses", async (subject) => {
    const idle = subject.device.openChannel();
    const attempts = readsInFlight(subject);
    let unsettled = -1;
    const closed = subject.device.close().then(() => {
      unsettled = attempts.filter((attempt) => attempt.settled === 0).length;
    });
    const late = subject.submit(subject.request(BlockOp.Read, 0, 1, subject.dirty(1)));
    const lateToo = subject.submit(subject.request(BlockOp.Read, 0, 1, subject.dirty(1)), idle);
    await subject.until(() => unsettled !== -1, "close() resolves");
    await closed;
    check(unsettled === 0, `close() resolved with ${unsettled} requests in flight`);
    await subject.settle([...attempts, late, lateToo]);
    failed(late, Status.HostAborted);
    failed(lateToo, Status.HostAborted);
    const dead = subject.device.openChannel();
    const request = subject.request(BlockOp.Read, 0, 1, subject.dirty(1));
    await subject.refused(request, Status.HostAborted, dead);
    dead.close();
  }),
  blockDeviceCase("tells removed once, last and not inside close", async (subject) => {
    const events: BlockDeviceEvent[] = [];
    const told = (): string => events.map((event) => event.type).join(", ");
    subject.device.observe((event) => events.push(event));
    let unwanted = 0;
    const stop = subject.device.observe(() => unwanted++);
    stop();
    stop();
    let resolved = 0;
    const close = (): void => {
      subject.device.close().then(
        () => resolved++,
        () => undefined,
      );
    };
    close();
    check(told() === "", "an observer was called inside close()");
    close();
    await subject.until(() => resolved === 2, "close() resolves, however often it is called");
    await subject.close();
    check(told() === "removed", `told was "${told()}", not "removed"`);
    check(
      events.every((event) => event.type !== "removed" || event.reason !== ""),
      "no reason",
    );
    check(unwanted === 0, "an observer was told after it had stopped");
  }),
  blockDeviceCase("tells when it grows and when it shrinks", async (subject, harness) => {
    if (harness.resize === undefined) return;
    const { device } = subject;
    const before = device.blockCount;
    const events: BlockDeviceEvent[] = [];
    device.observe((event) => events.push(event));
    await subject.refused(
      subject.request(BlockOp.Read, before, 1, subject.dirty(1)),
      Status.LbaOutOfRange,
    );
    await harness.resize(device, before + 8);
    await subject.until(() => events.length === 1, "resized is told");
    check(device.blockCount === before + 8, `blockCount is ${device.blockCount}`);
    if (!device.features.readOnly) await subject.write(before + 7, subject.pattern(1, 1));
    await subject.read(before + 7, 1);
    await harness.resize(device, before - 8);
    await subject.until(() => events.length === 2, "resized is told again");
    const request = subject.request(BlockOp.Read, before - 8, 1, subject.dirty(1));
    await subject.refused(request, Status.LbaOutOfRange);
    await subject.read(before - 9, 1);
    const told = events.map((event) => (event.type === "resized" ? event.blockCount : -1));
    check(told[0] === before + 8 && told[1] === before - 8, `told were ${told.join(", ")}`);
  }),
];

export const lifetimeCases: readonly BlockDeviceCase[] = [
  ...settleCases,
  ...channelCases,
  ...deviceCases,
];
