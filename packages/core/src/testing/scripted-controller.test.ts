// The scripted controller is honest where it is not told otherwise, and does what it is told.

import {
  AsyncEventType,
  ConnectData,
  DataDirection,
  NvmOpcode,
  Status,
  viewOf,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { abortCommand, setFeatureCommand } from "../admin.ts";
import { bringUpSteps } from "./index.ts";
import { TestHost } from "./test-host.ts";

function live(): TestHost {
  const host = new TestHost({ clock: new VirtualClock() });
  host.connect();
  return host;
}

const feature = () => setFeatureCommand(0x10, 1);

describe("by itself", () => {
  test("it lets a host in, and sees every step", () => {
    const host = live();
    expect(host.peer.steps).toEqual([...bringUpSteps, "async-event"]);
    expect([host.peer.queueCount, host.peer.connectionCount]).toEqual([2, 2]);
  });

  test("a read gives the number of its first block in every byte", () => {
    const host = live();
    const [queue] = host.controller.ioQueues;
    const data = new Uint8Array(32_768);
    queue!.begin(NvmOpcode.Read, 1).setUint32(40, 0x1234, true);
    queue!.submit(DataDirection.ToHost, data, () => {}, Infinity);
    host.clock.settle();
    expect(data.every((byte) => byte === 0x34)).toBe(true);
  });

  test.each([512, 100_000])("a write of %i bytes arrives whole", (bytes) => {
    const host = live();
    const [queue] = host.controller.ioQueues;
    const data = Uint8Array.from({ length: bytes }, (_, at) => at & 0xff);
    queue!.begin(NvmOpcode.Write, 1);
    queue!.submit(DataDirection.ToController, data, () => {}, Infinity);
    host.clock.settle();
    expect(host.peer.seenOf("write").at(0)!.data).toEqual(data);
  });

  test("each association is a controller of its own", () => {
    const host = live();
    host.reset();
    host.clock.settle();
    expect(
      host.peer.seenOf("connect-io").map(({ data }) => ConnectData.cntlid.get(viewOf(data))),
    ).toEqual([1, 2]);
  });

  test("it takes one event request more than it has room for by refusing it", () => {
    const host = live();
    const more = host.admin({ opcode: 0x0c });
    host.clock.settle();
    expect(more.error).toMatchObject({ status: expect.any(Number) as unknown, sct: 1, sc: 5 });
    expect(host.peer.event({ aet: AsyncEventType.Notice })).toBe(true);
    expect(host.peer.event({ aet: AsyncEventType.Notice })).toBe(false);
  });
});

describe("when it is told to", () => {
  test("it refuses, as often as it is told, and then does not", () => {
    const host = live();
    host.peer.refuse("set-features", Status.InvalidField, 0, 1);
    const [first, second] = [host.admin(feature()), host.admin(feature())];
    host.clock.settle();
    expect(first.error).toMatchObject({ sc: Status.InvalidField });
    expect(second.error).toBeUndefined();
  });

  test("it leaves unanswered, and answers later", () => {
    const host = live();
    host.peer.drop("set-features");
    const ended = host.admin(feature());
    host.clock.settle();
    expect(ended.count).toBe(0);
    const [command] = host.peer.seenOf("set-features");
    host.peer.answer(command!, { dw0: 7 });
    host.peer.answer(command!, { dw0: 8 });
    host.clock.settle();
    expect(ended).toMatchObject({ count: 1, dw0: 7 });
    host.peer.usual("set-features");
    expect(host.admin(feature()).count).toBe(0);
  });

  test("it is late", () => {
    const host = live();
    host.peer.delay("set-features", 250);
    const ended = host.admin(feature());
    host.clock.advance(300);
    expect(ended.atMs).toBe(250);
  });

  test("it drops one connection, all, or that on which a command comes", () => {
    const one = live();
    one.peer.refuseConnections();
    one.peer.kill(1);
    expect(one.peer.queueCount).toBe(1);
    const all = live();
    all.peer.refuseConnections();
    all.peer.kill();
    expect(all.peer.queueCount).toBe(0);
    const on = live();
    on.peer.killOn("set-features", 1);
    const ended = on.admin(feature());
    on.clock.settle();
    expect(ended.error).toMatchObject({ code: "NVME_ERR_CONTROLLER_RESET" });
  });

  test("it freezes: nothing is answered, no data is fetched, until it thaws", () => {
    const host = live();
    host.peer.freeze();
    const [queue] = host.controller.ioQueues;
    const [read, admin] = [host.read(), host.admin(feature())];
    queue!.begin(NvmOpcode.Write, 1);
    queue!.submit(DataDirection.ToController, new Uint8Array(100_000), () => {}, Infinity);
    host.clock.advance(1_000);
    expect([read.count, admin.count, host.peer.seenOf("write").length]).toEqual([0, 0, 0]);
    host.peer.thaw();
    host.clock.settle();
    expect([read.count, admin.count, host.peer.seenOf("write").length]).toEqual([1, 1, 1]);
  });

  test("it aborts what it left unanswered, and says when there is nothing such", () => {
    const host = new TestHost({
      clock: new VirtualClock(),
      host: { onTimeout: "abort", ioTimeoutMs: 100 },
    });
    host.connect();
    host.peer.drop("read");
    host.read();
    host.clock.advance(200);
    expect(host.controller.ioQueues.at(0)!.abandoned).toBe(0);
    const nothing = host.admin(abortCommand(1, 99));
    host.clock.settle();
    expect(nothing).toMatchObject({ error: undefined, dw0: 1 });
  });
});
