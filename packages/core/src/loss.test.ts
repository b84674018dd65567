// One controller and its losses: noticed, told, settled, and followed by a recovery. Fault matrix §3.2, §3.3.

import { Cns } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { identifyBuffer, identifyCommand } from "./admin.ts";
import { KeepAliveError, NvmeStatusError, UnsupportedError } from "./errors.ts";
import { live, lose } from "./testing/hosts.ts";
import { TestHost } from "./testing/test-host.ts";

const KATO = 10_000;
const identify = () => identifyCommand(Cns.ActiveNamespaces, identifyBuffer());

describe("a loss", () => {
  test("F30: a reset connection settles what was in flight, and we connect again at once", () => {
    const host = live();
    const read = host.read();
    host.peer.kill();
    host.clock.settle();
    expect(read).toMatchObject({
      count: 1,
      error: {
        code: "NVME_ERR_CONTROLLER_RESET",
        outcome: "unknown",
        cause: { code: "NVME_ERR_CONNECTION_LOST" },
      },
    });
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
    expect(host.controller.reason).toBeUndefined();
    expect(host.controller.facts?.cntlid).toBe(2);
  });

  test("F31: an orderly end of the connection by the peer is a loss like any other", () => {
    const host = live();
    const read = host.read();
    host.peer.drop("read");
    host.peer.kill(undefined, "orderly");
    host.clock.settle();
    expect(read).toMatchObject({ count: 1, error: { outcome: "unknown" } });
    expect(host.controller.state).toBe("live");
    expect(host.peer.seenOf("connect")).toHaveLength(2);
  });

  test.each([
    ["the admin queue", 0],
    ["one I/O queue of several", 2],
  ])("of %s takes down all queues, and every command on them", (_name, qid) => {
    const host = live({ host: { ioQueues: 3 } });
    host.peer.drop("read");
    host.peer.drop("identify");
    const ended = [host.read(), host.admin(identify())];
    host.clock.settle();
    host.peer.kill(qid);
    host.clock.settle();
    expect(ended).toMatchObject([
      { count: 1, error: { code: "NVME_ERR_CONTROLLER_RESET" } },
      { count: 1, error: { code: "NVME_ERR_CONTROLLER_RESET" } },
    ]);
    expect(host.peer.queueCount).toBe(4);
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
  });

  test("is told before the commands that it ends, so that work can move to other paths", () => {
    const host = live();
    const order: string[] = [];
    host.controller.observe((event) => {
      if (event.type === "state") order.push(event.to);
    });
    host.peer.drop("identify");
    host.controller.admin(identify(), () => order.push("identify ended"));
    host.clock.settle();
    host.controller.lost(new UnsupportedError("seen from outside"));
    host.clock.settle();
    expect(order).toEqual(["recovering", "identify ended", "live"]);
  });

  test("an event request that the loss takes along is no event", () => {
    const host = live();
    host.peer.kill();
    host.clock.settle();
    expect(host.events.filter(({ type }) => type === "async-event")).toEqual([]);
  });

  test("seen from outside is a loss, too, and its reason is kept until live again", () => {
    const host = live();
    host.peer.drop("connect");
    const reason = new UnsupportedError("the path monitor says so");
    host.controller.lost(reason);
    host.clock.settle();
    expect(host.controller.reason).toBe(reason);
    expect(host.events.at(-1)).toMatchObject({ from: "live", to: "recovering", reason });
  });

  test("noticed many times at once is one", () => {
    const host = live();
    for (let i = 0; i < 5; i++) host.controller.lost(new UnsupportedError(`loss ${i}`));
    host.peer.kill();
    host.clock.settle();
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
    expect(host.peer.seenOf("connect")).toHaveLength(2);
  });

  test("while it lasts commands are refused, not sent, and may wait for the controller", () => {
    const host = live();
    lose(host);
    expect(host.controller.ioQueues).toEqual([]);
    expect(host.controller.mayComeBack).toBe(true);
    const refused = host.admin(identify());
    expect(refused.count).toBe(0);
    host.clock.settle();
    expect(refused).toMatchObject({
      count: 1,
      error: { code: "NVME_ERR_NOT_CONNECTED", outcome: "not-sent" },
    });
    expect(refused.error?.cause).toBe(host.controller.reason);
  });
});

describe("a silent peer", () => {
  test("F32, F36: is found out by keep-alive when it is idle, within its time", () => {
    const host = live();
    host.clock.advance(3_000);
    host.peer.freeze();
    host.clock.advance(KATO);
    const recovering = host.events.find((event) => event.type === "state" && event.from === "live");
    expect(recovering).toMatchObject({
      to: "recovering",
      reason: expect.any(KeepAliveError) as unknown,
    });
    expect(host.peer.seenOf("keep-alive")).toHaveLength(1);
  });

  test("F33: is found out by keep-alive when it is busy, if that comes first", () => {
    const host = live();
    host.peer.freeze();
    const read = host.read();
    host.clock.advance(KATO);
    expect(read).toMatchObject({
      count: 1,
      atMs: KATO,
      error: { code: "NVME_ERR_CONTROLLER_RESET", cause: { code: "NVME_ERR_KEEP_ALIVE" } },
    });
  });

  test("F33: is found out by a command's deadline, if that comes first", () => {
    const host = live({ host: { ioTimeoutMs: 4_000 } });
    host.peer.freeze();
    const read = host.read();
    host.clock.advance(4_000);
    expect(read).toMatchObject({ count: 1, atMs: 4_000, error: { code: "NVME_ERR_TIMEOUT" } });
    expect(host.controller.state).toBe("recovering");
  });

  test("F38: that comes back within its time has done no harm", () => {
    const host = live();
    host.clock.advance(4_000);
    host.peer.freeze();
    const read = host.read();
    host.clock.advance(5_000);
    host.peer.thaw();
    host.clock.advance(60_000);
    expect(read).toMatchObject({ count: 1, error: undefined });
    expect(host.states).toEqual(["connecting", "live"]);
  });

  test("H53: one that refuses keep-alive is lost, with the status", () => {
    const host = live();
    host.peer.refuse("keep-alive", 0x06);
    host.clock.advance(KATO / 2);
    const [event] = host.events.filter((event) => event.type === "state" && event.from === "live");
    expect(event).toMatchObject({ reason: expect.any(NvmeStatusError) as unknown });
  });

  test("without keep-alive nobody is found out, and none is sent", () => {
    const host = live({ host: { keepAliveTimeoutMs: 0 } });
    host.peer.freeze();
    host.clock.advance(3_600_000);
    expect(host.controller.state).toBe("live");
    expect(host.peer.seenOf("keep-alive")).toEqual([]);
    host.peer.thaw();
    expect(host.close().shutdown).toBe("complete");
    expect(host.clock.armed).toBe(0);
  });

  test("F39: our own event loop standing still is not the peer's silence", () => {
    const virtual = new VirtualClock();
    let stalledUntilMs = 0;
    const clock: Clock = {
      nowMs: () => virtual.nowMs(),
      // A stall: no timer of ours comes before its end, and then they all do.
      at: (atMs, task) => virtual.at(Math.max(atMs, stalledUntilMs), task),
      defer: (task) => virtual.defer(task),
    };
    const host = new TestHost({ clock: virtual, host: { clock } });
    host.connect();
    virtual.advance(4_000);
    stalledUntilMs = 40_000;
    virtual.advance(1_000); // the probe is sent, and its answer lies unread
    host.peer.freeze();
    virtual.at(40_000, () => host.peer.thaw());
    virtual.advance(60_000);
    expect(host.states).toEqual(["connecting", "live"]);
  });
});

describe("a command that passes its deadline", () => {
  test("F21, F37: by `reset` its caller is settled, and the controller is torn down", () => {
    const host = live();
    host.peer.drop("read");
    const [stuck, other] = [host.read(), host.admin(identify())];
    host.clock.advance(30_000);
    expect(stuck).toMatchObject({
      count: 1,
      atMs: 30_000,
      error: { code: "NVME_ERR_TIMEOUT", outcome: "unknown", afterMs: 30_000 },
    });
    expect(other).toMatchObject({ count: 1, error: undefined });
    expect(host.events).toContainEqual({ type: "timeout", qid: 1, cid: 0, command: "Read" });
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
  });

  test("F22: many at once are one recovery, and each is settled once", () => {
    const host = live();
    host.peer.drop("read");
    const stuck = Array.from({ length: 10 }, () => host.read());
    host.clock.advance(30_000);
    expect(stuck.every(({ count }) => count === 1)).toBe(true);
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
  });

  test("F22: deadlines of commands that a recovery has ended say nothing", () => {
    const host = live();
    host.peer.drop("read");
    host.read();
    host.clock.advance(20_000);
    host.peer.kill();
    host.clock.advance(200_000);
    expect(host.events.filter(({ type }) => type === "timeout")).toEqual([]);
  });

  test("an admin command leads to a reset, whatever the action on I/O", () => {
    for (const onTimeout of ["reset", "abort"] as const) {
      const host = live({ host: { onTimeout } });
      host.peer.drop("identify", 1);
      const stuck = host.admin(identify());
      host.clock.advance(60_000);
      expect(stuck).toMatchObject({ count: 1, atMs: 60_000, error: { code: "NVME_ERR_TIMEOUT" } });
      expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
    }
  });

  test("its error says the time that it was given, not the usual one", () => {
    const host = live();
    host.peer.drop("identify", 1);
    const stuck = host.admin({ ...identify(), timeoutMs: 1_500 });
    host.clock.advance(1_500);
    expect(stuck.error).toMatchObject({ afterMs: 1_500 });
  });
});
