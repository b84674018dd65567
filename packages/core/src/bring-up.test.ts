// The bring-up, step by step: each step may fail, refuse, hang or lose its queue.

import { ConnectCommand, Property, Status, statusOf } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { type ScriptedStep, bringUpSteps } from "./testing/index.ts";
import { expectNothingLeft, failed, setup } from "./testing/hosts.ts";

const optional: readonly ScriptedStep[] = ["set-async-events", "set-host-behavior"];

test("a controller is brought up in the order of the specification", () => {
  const host = setup();
  host.connect();
  expect(host.peer.steps.slice(0, bringUpSteps.length)).toEqual([...bringUpSteps]);
});

describe.each(bringUpSteps)("when %s", (step) => {
  test("F19, F20: is not answered, the attempt fails as a whole, in the time of one step", () => {
    const host = setup();
    host.peer.drop(step);
    const { error, atMs } = failed(host);
    expect(error).toMatchObject({ code: "NVME_ERR_TIMEOUT" });
    expect(atMs).toBe(host.controller.options.fabricsTimeoutMs);
    expectNothingLeft(host);
  });

  test("is refused, the attempt fails with the status, unless we can do without", () => {
    const host = setup();
    host.peer.refuse(step, Status.InternalError | statusOf(0, 0, true));
    if (optional.includes(step)) {
      host.connect();
      return;
    }
    const { error } = failed(host);
    expect(error?.status).toBe(Status.InternalError | statusOf(0, 0, true));
    expectNothingLeft(host);
  });

  test("loses its connection, the attempt fails with that", () => {
    const host = setup();
    host.peer.killOn(step);
    expect(failed(host).error).toMatchObject({ code: "NVME_ERR_CONNECTION_LOST" });
    expectNothingLeft(host);
  });

  test("is slow, the attempt succeeds", () => {
    const host = setup();
    host.peer.delay(step, 4_900);
    const started = host.start();
    host.clock.advance(4_899);
    expect(started.count).toBe(0);
    host.clock.advance(1);
    expect(started).toMatchObject({ count: 1, error: undefined });
    expect(host.controller.state).toBe("live");
  });

  test("F10: is awaited, a close ends it all at once, and whoever connects is told", () => {
    const host = setup();
    host.peer.drop(step);
    const started = host.start();
    host.clock.advance(100);
    const report = host.close();
    expect(report).toMatchObject({ totalMs: 0, reason: undefined, shutdown: "not-told" });
    expect(started).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONTROLLER_CLOSED" } });
    expectNothingLeft(host);
  });

  test("F56: fails once in each of many attempts, nothing is left of any of them", () => {
    const host = setup({ host: { reconnect: { lossMs: -1, jitter: 0 } } });
    host.connect();
    host.peer.refuseConnections();
    host.peer.kill();
    host.clock.settle();
    host.peer.acceptConnections();
    host.peer.killOn(step);
    host.clock.advance(120_000);
    expect(host.peer.connectionCount).toBeGreaterThan(10);
    host.peer.freeze();
    host.close();
    expectNothingLeft(host);
  });
});

describe("before anything can be sent", () => {
  test("F46: a refused connection is said to be one", () => {
    const host = setup();
    host.peer.refuseConnections();
    const { error, atMs } = failed(host);
    expect(error).toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
    expect(atMs).toBe(0);
    expectNothingLeft(host);
  });

  test("F42: one that accepts and says nothing fails in the time to connect", () => {
    const host = setup();
    host.peer.freeze();
    const { error, atMs } = failed(host);
    expect(error).toMatchObject({ code: "NVME_ERR_INITIALIZE_TIMEOUT", phase: "initialize" });
    expect(atMs).toBe(3_000);
    expectNothingLeft(host);
  });

  test("F10: a close in this state ends it all at once", () => {
    const host = setup();
    host.peer.freeze();
    const started = host.start();
    host.clock.advance(1_000);
    expect(host.close().totalMs).toBe(0);
    expect(started).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONTROLLER_CLOSED" } });
    expectNothingLeft(host);
  });
});

describe("a queue that was ready is lost while another one is being connected", () => {
  test.each([
    ["the admin queue", 0],
    ["the first I/O queue", 1],
  ])("%s: the attempt fails at once", (_name, qid) => {
    const host = setup({ host: { ioQueues: 2 } });
    const connected: number[] = [];
    host.peer.on("connect-io", ({ sqe }, usual) => {
      connected.push(ConnectCommand.qid.get(sqe));
      return connected.length === 2 ? undefined : usual();
    });
    const started = host.start();
    host.clock.settle();
    expect(connected).toEqual([1, 2]);
    host.peer.kill(qid);
    host.clock.settle();
    expect(started).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONNECTION_LOST" } });
    expectNothingLeft(host);
  });
});

test("properties are read by their own commands", () => {
  const host = setup();
  host.connect();
  const offsets = host.peer.seen
    .filter(({ step }) => step.startsWith("get-c") || step === "get-vs")
    .map(({ sqe }) => sqe.getUint32(44, true));
  expect(offsets).toEqual([Property.Cap, Property.Vs, Property.Cc, Property.Csts]);
});
