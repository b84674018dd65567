// The promise edge: what resolves, what rejects and with what, and that nothing is left behind.

import {
  Cns,
  GetLogPageCommand,
  IDENTIFY_BYTES,
  IdentifyCommand,
  IdentifyNamespace,
  LbaFormat,
  Lid,
  Property,
  Sqe,
  Status,
  encode,
  encodeNamespaceDescriptors,
  encodeNsidList,
  lbaFormatOffset,
  statusOf,
  viewOf,
} from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { Controller } from "./controller.ts";
import { type ControllerHandle, openController } from "./open-controller.ts";
import { ScriptedController, type ScriptedOptions } from "./testing/index.ts";

/** Lets promises and virtual time go on together, until `promise` is settled. */
async function outcome<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let pending = true;
  const over = (): void => {
    pending = false;
  };
  promise.then(over, over);
  for (let turn = 0; pending && turn < 10_000; turn++) {
    clock.settle();
    await Promise.resolve();
    if (turn % 50 === 49) clock.advance(10);
  }
  return promise;
}

function setup(options: Omit<ScriptedOptions, "clock"> = {}) {
  const clock = new VirtualClock();
  return { clock, peer: new ScriptedController({ clock, ...options }) };
}

async function opened(options?: Omit<ScriptedOptions, "clock">) {
  const { clock, peer } = setup(options);
  const handle = await outcome(clock, openController(peer.hostOptions()));
  return { clock, peer, handle };
}

describe("opening", () => {
  test("resolves with a live controller", async () => {
    const { handle } = await opened();
    expect(handle.controller.state).toBe("live");
    expect(handle.facts.cntlid).toBe(1);
  });

  test("rejects with what ended the first attempt, and leaves nothing", async () => {
    const { clock, peer } = setup();
    peer.refuse("connect", Status.ConnectInvalidHost | statusOf(0, 0, true));
    const opening = openController(peer.hostOptions());
    await expect(outcome(clock, opening)).rejects.toMatchObject({
      code: "NVME_ERR_HOST_NOT_ALLOWED",
    });
    expect([peer.queueCount, clock.armed]).toEqual([0, 0]);
  });

  test("rejects for options that cannot be right", async () => {
    const { peer } = setup();
    const opening = openController({ ...peer.hostOptions(), ioQueues: -1 });
    await expect(opening).rejects.toThrow(RangeError);
  });

  test("with a signal that has aborted sends nothing", async () => {
    const { peer } = setup();
    const signal = AbortSignal.abort(new Error("changed my mind"));
    const opening = openController({ ...peer.hostOptions(), signal });
    await expect(opening).rejects.toThrow("changed my mind");
    expect(peer.connectionCount).toBe(0);
  });

  test.each(["connect", "identify-controller", "connect-io"] as const)(
    "rejects with the signal's reason when that aborts during %s, and leaves nothing",
    async (step) => {
      const { clock, peer } = setup();
      peer.drop(step);
      const abort = new AbortController();
      const opening = openController({ ...peer.hostOptions(), signal: abort.signal });
      clock.settle();
      expect(peer.seenOf(step)).toHaveLength(1);
      abort.abort(new Error("changed my mind"));
      await expect(outcome(clock, opening)).rejects.toThrow("changed my mind");
      expect([peer.queueCount, clock.armed]).toEqual([0, 0]);
    },
  );

  test("rejects when the signal aborts after all is done, but before anybody could know", async () => {
    const { clock, peer } = setup();
    const abort = new AbortController();
    const opening = openController({ ...peer.hostOptions(), signal: abort.signal });
    clock.settle();
    expect(peer.seenOf("async-event")).toHaveLength(1);
    abort.abort(new Error("changed my mind"));
    await expect(outcome(clock, opening)).rejects.toThrow("changed my mind");
    expect([peer.queueCount, clock.armed]).toEqual([0, 0]);
  });

  test("a signal that aborts later changes nothing", async () => {
    const { clock, peer } = setup();
    const abort = new AbortController();
    const opening = openController({ ...peer.hostOptions(), signal: abort.signal });
    const handle = await outcome(clock, opening);
    abort.abort();
    clock.advance(1_000);
    expect(handle.controller.state).toBe("live");
  });
});

describe("an open controller", () => {
  test("answers admin commands, or rejects with what ended them", async () => {
    const { clock, peer, handle } = await opened();
    peer.on("get-features", () => ({ dw0: 7, dw1: 8 }));
    const command = { opcode: 0x0a };
    expect(await outcome(clock, handle.admin(command))).toEqual({ dw0: 7, dw1: 8 });
    peer.refuse("get-features", Status.InvalidField);
    await expect(outcome(clock, handle.admin(command))).rejects.toMatchObject({
      code: "NVME_ERR_STATUS",
    });
  });

  test("reads properties", async () => {
    const { clock, handle } = await opened({ version: 0x2_0000 });
    expect(await outcome(clock, handle.property(Property.Vs))).toMatchObject({ dw0: 0x2_0000 });
  });

  test("resets, and rejects when that fails", async () => {
    const { clock, peer, handle } = await opened();
    await outcome(clock, handle.reset());
    expect(peer.seenOf("connect")).toHaveLength(2);
    peer.refuse("connect", Status.ConnectInvalidHost);
    await expect(outcome(clock, handle.reset())).rejects.toMatchObject({
      code: "NVME_ERR_HOST_NOT_ALLOWED",
    });
  });

  test("tells observers, until they have enough", async () => {
    const { clock, handle } = await opened();
    const told: string[] = [];
    const leave = handle.observe(({ type }) => told.push(type));
    await outcome(clock, handle.reset());
    leave();
    await outcome(clock, handle.close());
    expect(told).toEqual(["state", "state"]);
  });

  test("closes with a report, the same however often; disposing of it closes it", async () => {
    const { clock, peer, handle } = await opened();
    const reports = await outcome(clock, Promise.all([handle.close(), handle.close()]));
    expect(reports[0]).toMatchObject({ shutdown: "complete" });
    expect(reports[1]).toBe(reports[0]);
    const other = await outcome(clock, openController(peer.hostOptions()));
    await outcome(clock, other[Symbol.asyncDispose]());
    expect(other.controller.state).toBe("closed");
    expect([peer.queueCount, clock.armed]).toEqual([0, 0]);
  });
});

/** Answers Identify of a namespace with one of 1,024 blocks, of descriptors with a UUID. */
function withNamespaces(peer: ScriptedController, nsids: readonly number[]): void {
  peer.on("identify", ({ sqe }) => {
    const cns = IdentifyCommand.cns.get(sqe);
    const nsid = Sqe.nsid.get(sqe);
    if (cns === Cns.ActiveNamespaces) return { data: encodeNsidList(nsids, nsid) };
    if (cns === Cns.NamespaceDescriptors) {
      return { data: encodeNamespaceDescriptors({ uuid: new Uint8Array(16).fill(nsid) }) };
    }
    const data = new Uint8Array(IDENTIFY_BYTES);
    if (!nsids.includes(nsid)) return { data };
    encode(IdentifyNamespace, viewOf(data), 0, { nsze: 1024n, ncap: 1024n });
    LbaFormat.lbads.set(viewOf(data), lbaFormatOffset(0), 12);
    return { data };
  });
}

describe("namespaces", () => {
  test("are listed to the end, page by page, and no further than asked for", async () => {
    const { clock, peer, handle } = await opened();
    const nsids = Array.from({ length: 2_500 }, (_, at) => at * 2 + 1);
    withNamespaces(peer, nsids);
    expect(await outcome(clock, handle.namespaceIds())).toEqual(nsids);
    expect(peer.seenOf("identify")).toHaveLength(3);
    expect(await outcome(clock, handle.namespaceIds(3))).toEqual([1, 3, 5]);
  });

  test("H49: a list that repeats itself for ever is an error", async () => {
    const { clock, peer, handle } = await opened();
    const page = encodeNsidList(Array.from({ length: 1_024 }, (_, at) => at + 1));
    peer.on("identify", () => ({ data: page }));
    await expect(outcome(clock, handle.namespaceIds())).rejects.toMatchObject({
      code: "NVME_ERR_PARSE",
    });
  });

  test("have a size, a format and identifiers", async () => {
    const { clock, peer, handle } = await opened();
    withNamespaces(peer, [7]);
    const facts = await outcome(clock, handle.namespace(7));
    expect(facts).toMatchObject({ nsid: 7, blockCount: 1024 });
    expect(facts.format.blockBytes).toBe(4096);
    expect(facts.identifiers.uuid).toEqual(new Uint8Array(16).fill(7));
  });

  test("of a controller before version 1.3 have no descriptors to be asked for", async () => {
    const { clock, peer, handle } = await opened({ version: 0x1_0201 });
    withNamespaces(peer, [7]);
    const facts = await outcome(clock, handle.namespace(7));
    expect(facts.identifiers).toEqual({});
    expect(peer.seenOf("identify")).toHaveLength(1);
  });

  test.each([
    ["all zeroes", undefined],
    ["Invalid Namespace", Status.InvalidNamespace],
    ["Invalid Field", Status.InvalidField],
  ])("that are not there are one error, whether the answer is %s", async (_name, status) => {
    const { clock, peer, handle } = await opened();
    withNamespaces(peer, []);
    if (status !== undefined) peer.refuse("identify", status);
    await expect(outcome(clock, handle.namespace(9))).rejects.toMatchObject({
      code: "NVME_ERR_NO_NAMESPACE",
    });
  });

  test("that cannot be read for another reason are not said to be absent", async () => {
    const { clock, peer, handle } = await opened();
    peer.refuse("identify", Status.InternalError);
    await expect(outcome(clock, handle.namespace(9))).rejects.toMatchObject({
      code: "NVME_ERR_STATUS",
    });
  });
});

describe("log pages", () => {
  const pieces = (peer: ScriptedController) =>
    peer.seenOf("log").map(({ sqe }) => ({
      offset: GetLogPageCommand.lpo.get(sqe),
      bytes: GetLogPageCommand.numd.get(sqe) * 4,
      rae: GetLogPageCommand.rae.get(sqe),
    }));

  async function read(handle: ControllerHandle, clock: VirtualClock, bytes: number, rae?: boolean) {
    const request = { lid: Lid.Ana, offset: 1024, ...(rae === undefined ? {} : { rae }) };
    return outcome(clock, handle.logPage(request, bytes));
  }

  test("are read in pieces, of which only the last counts as having seen it", async () => {
    const { clock, peer, handle } = await opened();
    peer.on("log", ({ sqe, transferBytes }) => ({
      data: new Uint8Array(transferBytes).fill(GetLogPageCommand.lpo.get(sqe) / 1024),
    }));
    const log = await read(handle, clock, 10_000);
    expect(pieces(peer)).toEqual([
      { offset: 1024, bytes: 4096, rae: 1 },
      { offset: 5120, bytes: 4096, rae: 1 },
      { offset: 9216, bytes: 1808, rae: 0 },
    ]);
    expect([log.length, log[0], log[4096], log[9999]]).toEqual([10_000, 1, 5, 9]);
  });

  test("may be read without counting as seen", async () => {
    const { clock, peer, handle } = await opened();
    await read(handle, clock, 512, true);
    expect(pieces(peer)).toEqual([{ offset: 1024, bytes: 512, rae: 1 }]);
  });

  test.each([3, -4, Number.NaN])("have no length of %d", async (bytes) => {
    const { clock, handle } = await opened();
    await expect(read(handle, clock, bytes)).rejects.toThrow(RangeError);
  });
});

test("a controller that is not connected yet can be closed by its handle", async () => {
  const { clock, peer } = setup();
  const controller = new Controller(peer.hostOptions());
  const closing = new Promise((resolve) => controller.close({}, resolve));
  expect(await outcome(clock, closing)).toMatchObject({ totalMs: 0 });
});
