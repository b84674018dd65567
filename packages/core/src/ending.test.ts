// What a controller knows of its own end: one request, one report, and what ended commands are told.

import { Status, statusOf } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { AdminWaitingList } from "./admin-waiting-list.ts";
import type { CloseReport } from "./close.ts";
import { Ending } from "./ending.ts";
import { TimeoutError } from "./errors.ts";
import { resolveOptions } from "./options.ts";
import { ScriptedController } from "./testing/index.ts";

function setup() {
  const clock = new VirtualClock();
  const options = resolveOptions(new ScriptedController({ clock }).hostOptions());
  return { clock, ending: new Ending(clock), admin: new AdminWaitingList(options) };
}

test("the first request counts", () => {
  const { ending } = setup();
  expect(ending.requested).toBe(false);
  expect(ending.request({ pathsRemain: true })).toBe(true);
  expect(ending.request({ pathsRemain: false })).toBe(false);
  expect(ending.requested).toBe(true);
  expect(ending.errorOf("unknown").status).toBe(Status.HostAborted);
});

test("what is ended must not be retried, unless a path remains; the cause is kept", () => {
  const { ending } = setup();
  ending.request({});
  const cause = new TimeoutError("Read", 1);
  expect(ending.errorOf("not-sent", cause)).toMatchObject({
    code: "NVME_ERR_CONTROLLER_CLOSED",
    status: Status.HostPathError | statusOf(0, 0, true),
    outcome: "not-sent",
    cause,
  });
});

test("the report gives the time from the request, the reason, and who still holds a handle", () => {
  const { clock, ending, admin } = setup();
  const reports: CloseReport[] = [];
  ending.hold("a");
  ending.hold("b")();
  ending.join({}, (report) => reports.push(report));
  ending.request({});
  clock.advance(30);
  const reason = new TimeoutError("reconnecting", 60_000);
  ending.run({ association: undefined, admin, reason }, () => ending.tell());
  expect(reports).toEqual([
    {
      reason,
      phasesMs: { cancel: 30 },
      totalMs: 30,
      abortedCommands: 0,
      shutdown: "not-told",
      openHandles: ["a"],
    },
  ]);
});

test("who asks when all is over is told later, the same", () => {
  const { clock, ending, admin } = setup();
  ending.request({});
  ending.run({ association: undefined, admin, reason: undefined }, () => ending.tell());
  const reports: CloseReport[] = [];
  ending.join({}, (report) => reports.push(report));
  expect(reports).toEqual([]);
  clock.settle();
  expect(reports).toHaveLength(1);
});
