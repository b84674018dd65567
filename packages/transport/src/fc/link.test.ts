// What a software link does to a command: frames lost and out of order, logouts, ports that come back.
// Read first: host-port.ts, target-port.ts; linux-nvme-recovery.md §3.4 (host checks), §3.8.

import { FcHeader, FcRctl } from "@nvmeof/codec/fc";
import { expect, test } from "vitest";
import { numbers, pattern } from "../conformance/case.ts";
import { FcBench, hostNames, targetNames } from "../testing/fc-bench.ts";
import { Fabric, type FrameOnTheWay } from "./fabric.ts";
import { abtsFrame, routeTo } from "./frame.ts";
import { SoftHostPort } from "./host-port.ts";
import { FcHost } from "./host-transport.ts";

const WRITE = 1;
const READ = 2;
const rCtlOf = ({ view }: FrameOnTheWay): number => FcHeader.rCtl.get(view);

/** A bench with one I/O queue, and what loses the first frame of a kind. */
function losing(rCtl: number): { bench: FcBench; io: ReturnType<FcBench["open"]> } {
  const bench = new FcBench();
  const [, io] = bench.associate();
  let lost = 0;
  bench.fateOf = (frame) => (rCtlOf(frame) === rCtl && lost++ === 0 ? "kept" : "pass");
  return { bench, io: io! };
}

test("frames of an exchange that come out of order are put in their places, both ways", () => {
  const bench = new FcBench();
  const [, io] = bench.associate();
  const next = numbers(7);
  const late: FrameOnTheWay[] = [];
  // A frame of data stays behind by up to eight others; a response overtakes what it answers.
  bench.fateOf = (frame) => {
    if (rCtlOf(frame) !== FcRctl.Data) return "pass";
    late.push(frame);
    if (late.length > 8) late.splice(next(late.length), 1)[0]!.deliver();
    return "kept";
  };
  const settle = (): void => {
    for (;;) {
      bench.clock.settle();
      if (late.length === 0) return;
      late.splice(next(late.length), 1)[0]!.deliver();
    }
  };
  const data = pattern(100_001);
  io!.submit(0, WRITE, data);
  settle();
  const read = new Uint8Array(data.length);
  io!.submit(1, READ, read);
  settle();
  expect(io!.completions.map(([cid, status]) => [cid, status])).toEqual([
    [0, 0],
    [1, 0],
  ]);
  expect(read).toEqual(data);
});

test("what has gone well leaves no timer armed, which would keep a program from ending", () => {
  const bench = new FcBench();
  const queues = bench.associate();
  const [, io] = queues;
  for (let cid = 0; cid < 4; cid++) io!.submit(cid, cid % 2 === 0 ? WRITE : READ, pattern(9_000));
  bench.clock.settle();
  expect(io!.completions).toHaveLength(4);
  expect(bench.clock.armed).toBe(0);
  for (const queue of queues) queue.link.close("orderly");
  bench.clock.settle();
  expect(bench.clock.armed).toBe(0);
});

test("a lost frame of read data ends the association: success is not believed without its data", () => {
  const { bench, io } = losing(FcRctl.Data);
  io.submit(0, READ, new Uint8Array(10_000));
  bench.clock.runUntil(() => io.error !== undefined);
  // What lags behind its response gets E_D_TOV.
  expect(bench.clock.nowMs()).toBe(2_000);
  expect(io.error).toMatchObject({ code: "NVME_ERR_PROTOCOL" });
  expect(io.completions).toEqual([]);
  bench.clock.settle();
  expect(bench.ends[1]!.events.at(-1)).toBe("lost");
});

test("a lost frame of write data fails the fetch in its time, and the two ends part", () => {
  const { bench, io } = losing(FcRctl.Data);
  io.submit(0, WRITE, new Uint8Array(10_000));
  bench.clock.runUntil(() => bench.ends[1]!.events.includes("not fetched"));
  expect(bench.clock.nowMs()).toBe(30_000);
  bench.clock.drain();
  // The host has sent what the target has not got: they cannot agree on this queue any more.
  expect(io.error).toMatchObject({ code: "NVME_ERR_PROTOCOL" });
});

test("a lost response leaves the command to its owner's deadline; closing ends it at the target", () => {
  const { bench, io } = losing(FcRctl.Response);
  const quiet = 8;
  for (let cid = 0; cid < quiet; cid++) io.submit(cid, READ, new Uint8Array(512));
  bench.clock.advance(60_000);
  expect(io.completions).toHaveLength(quiet - 1);
  io.link.close("reset");
  bench.clock.settle();
  expect(bench.ends[1]!.events.at(-1)).toBe("lost");
});

test("L9: data that comes twice, or beyond the transfer, breaks the exchange", () => {
  for (const twist of [0, 4_096]) {
    const bench = new FcBench();
    const [, io] = bench.associate();
    bench.fateOf = (frame) => {
      if (rCtlOf(frame) !== FcRctl.Data) return "pass";
      // The second frame says that it is the first one, or that it lies behind the last.
      FcHeader.parameter.set(frame.view, 0, twist);
      return "pass";
    };
    io!.submit(0, READ, new Uint8Array(4_096));
    bench.clock.settle();
    expect(io!.error).toMatchObject({ code: "NVME_ERR_PROTOCOL" });
    expect(io!.completions).toEqual([]);
  }
});

test("an abort that overtakes its command keeps the target from executing it", () => {
  const bench = new FcBench();
  const [admin, io] = bench.associate();
  const late: FrameOnTheWay[] = [];
  bench.fateOf = (frame) => {
    if (rCtlOf(frame) !== FcRctl.Command) return "pass";
    late.push(frame);
    return "kept";
  };
  io!.submit(0, WRITE, new Uint8Array(512).fill(9));
  bench.clock.settle();
  const { view } = late[0]!;
  const [sId, dId] = [FcHeader.sId.get(view), FcHeader.dId.get(view)];
  bench.targetPort.received(abtsFrame(routeTo(sId, dId, FcHeader.oxId.get(view))));
  late[0]!.deliver();
  bench.clock.settle();
  expect(bench.ends[1]!.events).toEqual(["opened"]);
  expect(bench.ends[1]!.store[0]).toBe(0);
  // Another command, of another exchange, is executed.
  bench.fateOf = () => "pass";
  admin!.submit(0, 0x18);
  io!.submit(1, WRITE, new Uint8Array(512).fill(5));
  bench.clock.settle();
  expect([admin!.completions.length, io!.completions.length]).toEqual([1, 1]);
  expect(bench.ends[1]!.store[0]).toBe(5);
});

test("a single queue can be closed by either side, and its sisters go on", () => {
  const bench = new FcBench();
  const [admin, first, second] = bench.associate(2);
  first!.link.close("orderly");
  bench.clock.settle();
  expect(bench.ends[1]!.events).toEqual(["opened", "lost"]);
  bench.ends[2]!.link.close("orderly");
  bench.clock.settle();
  expect(second!.events).toEqual(["opened", "lost"]);
  admin!.submit(3, 0x18);
  bench.clock.settle();
  expect(admin!.completions).toHaveLength(1);
  expect(bench.host.associations).toHaveLength(1);
});

test("a host that leaves is noticed by RSCN, and one that says so by its logout", () => {
  for (const leave of ["unplug", "close"] as const) {
    const bench = new FcBench();
    bench.associate();
    if (leave === "unplug") bench.fabric.unplug(hostNames.portName);
    else bench.hostPort.close();
    bench.clock.settle();
    expect(bench.ends.map(({ events }) => events.at(-1))).toEqual(["lost", "lost"]);
    expect(bench.controllers.associations).toBe(0);
    expect(bench.targetPort.hosts).toEqual([]);
  }
});

test("a port that comes back within dev_loss_tmo is connected to at once; after that nobody waits", () => {
  const bench = new FcBench({ devLossMs: 10_000 });
  const [, io] = bench.associate();
  bench.fabric.unplug(targetNames.portName);
  bench.clock.settle();
  expect(io!.error).toMatchObject({ code: "NVME_ERR_CONNECTION_LOST" });
  const waiting = bench.open(0, 5_000);
  bench.clock.advance(1_000);
  expect(waiting.events).toEqual([]);
  bench.targetPort.attach(bench.controllers);
  bench.clock.settle();
  expect(waiting.events).toEqual(["opened"]);

  bench.fabric.unplug(targetNames.portName);
  bench.clock.advance(10_001);
  const late = bench.open(0, 5_000);
  bench.clock.settle();
  expect(late.error).toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
});

test("a queue that waits for its port gives up by its own time", () => {
  const bench = new FcBench();
  bench.associate();
  bench.fabric.unplug(targetNames.portName);
  bench.clock.settle();
  const waiting = bench.open(0, 3_000);
  bench.clock.advance(2_999);
  expect(waiting.events).toEqual([]);
  bench.clock.advance(1);
  expect(waiting.error).toMatchObject({ code: "NVME_ERR_CONNECT_TIMEOUT" });
});

test("an RSCN about somebody else changes nothing", () => {
  const bench = new FcBench();
  const [, io] = bench.associate();
  bench.fabric.announce(0x01_0077);
  io!.submit(0, READ, new Uint8Array(512));
  bench.clock.settle();
  expect(io!.completions).toHaveLength(1);
});

test("who has forgotten the login says so: the host logs in anew", () => {
  const bench = new FcBench();
  const [, io] = bench.associate();
  // The target has lost the host, and the news of it has lost itself.
  bench.fateOf = (frame) => (rCtlOf(frame) === FcRctl.ElsRequest ? "kept" : "pass");
  bench.fabric.unplug(hostNames.portName);
  bench.clock.settle();
  bench.fateOf = () => "pass";
  expect(io!.events).toEqual(["opened", "lost"]);
  const [again] = bench.associate();
  expect(again!.events).toEqual(["opened"]);
});

test("a name that nobody has in the fabric is unreachable at once", () => {
  const bench = new FcBench();
  const other = {
    trtype: "fc",
    traddr: "nn-0x2000000000000009:pn-0x2100000000000009",
    trsvcid: "",
  };
  const queue = bench.open(0);
  queue.link.close("reset");
  const errors: string[] = [];
  bench.host
    .transport(other)
    .openQueue(
      { qid: 0, slots: 32, inCapsuleBytes: 0, timeoutMs: 5_000 },
      { opened: () => {}, completed: () => {}, lost: (error) => errors.push(error.code) },
    );
  bench.clock.settle();
  expect(errors).toEqual(["NVME_ERR_UNREACHABLE"]);
});

test("two hosts of one fabric have associations of their own", () => {
  const bench = new FcBench();
  const [, io] = bench.associate();
  const names = { nodeName: 0x2000_0000_0000_0003n, portName: 0x2100_0000_0000_0003n };
  const { clock, fabric } = bench;
  const port = new SoftHostPort({ link: fabric.link(names), clock, names });
  const other = new FcHost({ port, clock }).transport(bench.transport.address);
  const events: string[] = [];
  const queue = other.openQueue(
    { qid: 0, slots: 32, inCapsuleBytes: 0, timeoutMs: 5_000 },
    { opened: () => events.push("opened"), completed: () => {}, lost: () => events.push("lost") },
  );
  clock.settle();
  expect(bench.controllers.associations).toBe(2);
  queue.close("orderly");
  clock.settle();
  expect(bench.controllers.associations).toBe(1);
  io!.submit(0, READ, new Uint8Array(512));
  clock.settle();
  expect(io!.completions).toHaveLength(1);
  expect(events).toEqual(["opened"]);
});

test("a frame that no port could have sent is dropped and counted", () => {
  const bench = new FcBench();
  const before = bench.targetPort.strayFrames;
  bench.targetPort.received(new Uint8Array(10));
  bench.targetPort.received(new Uint8Array(24).fill(0xff));
  expect(bench.targetPort.strayFrames).toBe(before + 2);
  expect(new Fabric("empty", { clock: bench.clock }).name).toBe("empty");
});
