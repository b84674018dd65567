// What a bring-up makes of what the controller says of itself: CAP, CC, CSTS, Identify, features.

import {
  AsyncEventBit,
  Cc,
  Csts,
  Fid,
  PropertySetCommand,
  SetFeaturesCommand,
  decodeDwords,
  encodeDword,
} from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { expectNothingLeft, failed, setup } from "./testing/hosts.ts";
import type { TestHost } from "./testing/test-host.ts";

describe("enabling", () => {
  const ccWrites = (host: TestHost) =>
    host.peer
      .seenOf("set-cc")
      .map(({ sqe }) => decodeDwords(Cc, PropertySetCommand.value.get(sqe)));

  test("sets CC for the NVM command set", () => {
    const host = setup();
    host.connect();
    expect(ccWrites(host)).toMatchObject([{ en: 1, css: 0, mps: 0, iosqes: 6, iocqes: 4 }]);
  });

  test("takes all command sets where there are several", () => {
    const host = setup({ peer: { cap: { iocss: 1 } } });
    host.connect();
    expect(ccWrites(host)).toMatchObject([{ css: 6 }]);
  });

  test("H45: uses the controller's smallest page, which is the unit of MDTS as well", () => {
    const host = setup({ peer: { cap: { mpsmin: 2, mpsmax: 4 }, identify: { mdts: 1 } } });
    host.connect();
    expect(ccWrites(host)).toMatchObject([{ mps: 2 }]);
    expect(host.controller.facts?.transferBytesMax).toBe(2 * 16_384);
  });

  test("H45: fails where there is no I/O command set, unless none is wanted", () => {
    const peer = { cap: { ncss: 0 } };
    const { error } = failed(setup({ peer }));
    expect(error).toMatchObject({ code: "NVME_ERR_UNSUPPORTED", phase: "enable" });
    expect(error?.message).toContain("CAP.CSS");
    setup({ peer, host: { ioQueues: 0 } }).connect();
  });

  test("waits for CSTS.RDY", () => {
    const host = setup();
    let looks = 0;
    host.peer.on("get-csts", () => ({ dw0: encodeDword(Csts, { rdy: looks++ < 3 ? 0 : 1 }) }));
    const started = host.start();
    host.clock.advance(1_000);
    expect(started).toMatchObject({ count: 1, error: undefined, atMs: 60 });
  });

  test.each([
    ["0, which means half a second", 0, 500],
    ["2 s", 4, 2_000],
    ["127 s, which is more than we wait", 255, 5_000],
  ])("F90, H45: does not wait longer than CAP.TO: %s", (_name, to, limitMs) => {
    const host = setup({ peer: { cap: { to } } });
    host.peer.on("get-csts", () => ({ dw0: 0 }));
    const { error, atMs } = failed(host);
    const isOurs = limitMs === 5_000;
    expect(error).toMatchObject({
      code: "NVME_ERR_TIMEOUT",
      phase: "enable",
      afterMs: limitMs,
      limit: isOurs ? "fabricsTimeoutMs" : undefined,
      hint: expect.stringContaining(isOurs ? "--connect-timeout" : "log of the target") as string,
    });
    const whose = isOurs ? "it may take 127500 ms by CAP.TO" : "which is its own limit, CAP.TO";
    const message = `the controller is not ready after ${limitMs} ms (CSTS.RDY), ${whose}`;
    expect(error?.message).toBe(message);
    expect(atMs).toBeGreaterThanOrEqual(limitMs);
    expect(atMs).toBeLessThan(limitMs + 50);
    expectNothingLeft(host);
  });

  test("F90: fails at once when CSTS.CFS says that the controller is beyond help", () => {
    const host = setup();
    host.peer.on("get-csts", () => ({ dw0: encodeDword(Csts, { cfs: 1 }) }));
    const { error, atMs } = failed(host);
    expect(error?.message).toContain("CSTS.CFS");
    expect(error?.hint).toBeDefined();
    expect(atMs).toBe(0);
  });

  test("a controller that is enabled already is disabled first", () => {
    const host = setup();
    host.peer.on("get-cc", () => ({ dw0: encodeDword(Cc, { en: 1, iosqes: 6 }) }));
    let looks = 0;
    host.peer.on("get-csts", (_command, usual) =>
      looks++ === 0 ? { dw0: encodeDword(Csts, { rdy: 1 }) } : usual(),
    );
    const started = host.start();
    host.clock.advance(1_000);
    expect(started).toMatchObject({ count: 1, error: undefined });
    expect(ccWrites(host).map(({ en, iosqes }) => [en, iosqes])).toEqual([
      [0, 6],
      [1, 6],
    ]);
  });

  test("a controller that cannot be disabled fails the attempt", () => {
    const host = setup();
    host.peer.on("get-cc", () => ({ dw0: encodeDword(Cc, { en: 1 }) }));
    host.peer.on("get-csts", () => ({ dw0: encodeDword(Csts, { rdy: 1 }) }));
    const { error } = failed(host);
    expect(error).toMatchObject({ code: "NVME_ERR_TIMEOUT", phase: "enable" });
    expect(error?.message).toContain("still ready");
  });
});

describe("identifying", () => {
  test("H46: a controller of another subsystem is refused, with a hint", () => {
    const host = setup({ peer: { identify: { subnqn: "nqn.2024-01.org.example:other" } } });
    const { error } = failed(host);
    expect(error).toMatchObject({ code: "NVME_ERR_UNSUPPORTED", phase: "identify" });
    expect(error?.message).toContain("nqn.2024-01.org.example:other");
    expect(error?.hint).toContain("another subsystem");
  });

  test("F88: a controller ID other than the one that Connect gave is refused", () => {
    const { error } = failed(setup({ peer: { identify: { cntlid: 77 } } }));
    expect(error?.message).toBe("Connect gave controller 1, Identify speaks of 77");
  });

  test("H46: strings that do not end or print are shown, not believed", () => {
    const host = setup();
    host.peer.on("identify-controller", (_command, usual) => {
      const { data } = usual()!;
      data!.fill(0xff, 4, 72);
      return { data: data! };
    });
    host.connect();
    expect(host.controller.facts?.identify.mn).toBe("\ufffd".repeat(40));
  });

  test.each([
    ["no limit is our own limit", 0, 1024 * 1024],
    ["8 KiB", 1, 8192],
    ["more than we want is our own limit", 20, 1024 * 1024],
    ["nonsense is our own limit", 255, 1024 * 1024],
  ])("F52: MDTS: %s", (_name, mdts, bytes) => {
    const host = setup({ peer: { identify: { mdts } } });
    host.connect();
    expect(host.controller.facts?.transferBytesMax).toBe(bytes);
  });

  test("facts are those that the controller gave", () => {
    const host = setup({ peer: { version: 0x1_0400, identify: { sn: "S1", mn: "Scripted" } } });
    host.connect();
    expect(host.controller.facts).toMatchObject({
      cntlid: 1,
      version: 0x1_0400,
      keepAliveTimeoutMs: 10_000,
      identify: { sn: "S1", mn: "Scripted" },
    });
  });
});

describe("features", () => {
  test("events are asked for as far as the controller has them", () => {
    const host = setup({ peer: { identify: { oaes: AsyncEventBit.AnaChange | 0x200 } } });
    host.connect();
    const [command] = host.peer.seenOf("set-async-events");
    expect(SetFeaturesCommand.fid.get(command!.sqe)).toBe(Fid.AsyncEventConfiguration);
    expect(SetFeaturesCommand.cdw11.get(command!.sqe)).toBe(AsyncEventBit.AnaChange);
  });

  test("what the controller does not have is not asked for", () => {
    const host = setup({ peer: { identify: { oaes: 0, crdt1: 0 } } });
    host.connect();
    expect(host.peer.seenOf("set-async-events")).toEqual([]);
    expect(host.peer.seenOf("set-host-behavior")).toEqual([]);
  });

  test("retry delays are agreed to where the controller has them", () => {
    const host = setup();
    host.connect();
    const [command] = host.peer.seenOf("set-host-behavior");
    expect(command!.data).toHaveLength(512);
    expect(command!.data[0]).toBe(1);
  });
});

describe("I/O queues", () => {
  const depths = (host: TestHost) => host.controller.ioQueues.map(({ depth }) => depth);

  test("none are wanted for discovery", () => {
    const host = setup({ host: { ioQueues: 0 } });
    host.connect();
    expect(host.peer.seenOf("set-number-of-queues")).toEqual([]);
    expect(host.controller.ioQueues).toEqual([]);
  });

  test.each([
    ["fewer than wanted", 2, 2],
    ["F89: more than wanted", 100, 3],
  ])("%s are granted", (_name, granted, expected) => {
    const host = setup({ host: { ioQueues: 3 }, peer: { ioQueues: granted } });
    host.connect();
    expect(host.controller.ioQueues.map(({ qid }) => qid)).toEqual([1, 2, 3].slice(0, expected));
  });

  test("one whose connection is not taken is named, with what to do", () => {
    const host = setup({ host: { ioQueues: 3 }, peer: { ioQueues: 3 } });
    host.peer.on("connect-io", (_command, usual) => {
      host.peer.refuseConnections(); // those that come after it
      return usual();
    });
    const { error } = failed(host);
    const code = "NVME_ERR_UNREACHABLE";
    expect(error).toMatchObject({ code, name: "IoQueueError", qid: 2, queueCount: 3 });
    expect(error?.message).toMatch(/^I\/O queue 2 of 3: \w/);
    expect(error?.hint).toContain("--nr-io-queues");
    expectNothingLeft(host);
  });

  test("one that is lost later is lost like any other", () => {
    const host = setup({ host: { ioQueues: 3 }, peer: { ioQueues: 3 } });
    host.connect();
    host.peer.kill(2);
    host.clock.settle();
    const reasons = host.events.map((event) => (event.type === "state" ? event.reason?.name : ""));
    expect(reasons).toContain("TransportError");
    expect(reasons).not.toContain("IoQueueError");
    host.close();
  });

  test.each([0xffff_ffff, 0xffff_0000, 0x0000_ffff])(
    "F89, H54: a grant of none (%i) fails with a reason",
    (dw0) => {
      const host = setup();
      host.peer.on("set-number-of-queues", () => ({ dw0 }));
      const { error } = failed(host);
      expect(error).toMatchObject({ code: "NVME_ERR_UNSUPPORTED", phase: "set-features" });
      expect(error?.message).toContain("grants no I/O queue");
    },
  );

  test("are as long as the controller allows", () => {
    const longQueues = { queueEntries: 256 };
    const byMqes = setup({ host: longQueues, peer: { cap: { mqes: 64 } } });
    byMqes.connect();
    expect(depths(byMqes)).toEqual([63]);
    const byMaxcmd = setup({ host: longQueues, peer: { identify: { maxcmd: 16 } } });
    byMaxcmd.connect();
    expect(depths(byMaxcmd)).toEqual([15]);
    const unlimited = setup({
      host: longQueues,
      peer: { cap: { mqes: 1024 }, identify: { maxcmd: 0 } },
    });
    unlimited.connect();
    expect(depths(unlimited)).toEqual([255]);
  });

  test("F88: a controller for one command at a time has queues of two entries", () => {
    const host = setup({ peer: { identify: { maxcmd: 1 } } });
    host.connect();
    expect(depths(host)).toEqual([1]);
  });

  test("H45, F88: queues of a single entry cannot be used", () => {
    const { error } = failed(setup({ peer: { cap: { mqes: 1 } } }));
    expect(error?.message).toContain("CAP.MQES");
  });

  test.each([
    ["8 KiB beside the command", { ioccsz: (64 + 8192) / 16 }, true],
    ["no more than the command itself", { ioccsz: 4 }, false],
    ["F88: less than a command", { ioccsz: 1 }, false],
    ["an offset that we do not know", { icdoff: 1 }, false],
  ])("data goes into the capsule where it has room: %s", (_name, identify, fits) => {
    const host = setup({ peer: { identify } });
    host.connect();
    const [queue] = host.controller.ioQueues;
    queue!.begin(1, 1);
    queue!.submit(1, new Uint8Array(4096), () => {}, Infinity);
    host.clock.settle();
    const [write] = host.peer.seenOf("write");
    expect(write!.data).toHaveLength(4096);
    const inCapsule = 0x01;
    expect(write!.sqe.getUint8(39) === inCapsule).toBe(fits);
  });
});
