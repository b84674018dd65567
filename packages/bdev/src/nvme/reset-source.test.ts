// A controller that is asked to reset another one: every answer that it may give, step by step.
// Read first: reset-source.ts; linux-nvme-recovery.md §2.8.

import {
  AdminOpcode,
  AsyncEventType,
  AsyncNoticeInfo,
  CcrStatus,
  CrossControllerResetCommand,
  CrossControllerResetEntry,
  GetLogPageCommand,
  LSP_CCR_REMOVE_COMPLETED,
  Lid,
  Sqe,
  Status,
  encodeEntryLog,
} from "@nvmeof/codec";
import { Controller, runSequence } from "@nvmeof/core";
import { ScriptedController, type SeenCommand } from "@nvmeof/core/testing";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import type { Incarnation } from "./fence.ts";
import { type ResetAnswer, ResetSource } from "./reset-source.ts";

const lost: Incarnation = { cntlid: 7, ciu: 3, cirn: 0x1122_3344_5566_7788n };
const WAIT_MS = 2_000;
const DNR = 0x4000;

/** A live controller as a source, and what it has been asked. */
function bench(ccrl = 2) {
  const clock = new VirtualClock();
  const peer = new ScriptedController({ clock, identify: { ccrl } });
  const controller = new Controller({ ...peer.hostOptions(), keepAliveTimeoutMs: 0 });
  let freed = 0;
  const source = new ResetSource(controller, () => freed++);
  controller.observe((event) => {
    if (event.type === "async-event" && event.event.aei === AsyncNoticeInfo.CcrCompleted) {
      source.completed();
    } else if (event.type === "state" && event.from === "live") source.stop();
  });
  controller.start(() => {});
  clock.settle();
  /** The log holds these entries from now on. */
  const logHolds = (...entries: { icid: number; ciu: number; ccrs: CcrStatus }[]): void =>
    peer.on("log", (command) => ({ data: logOf(command, entries) }));
  const tell = (): boolean =>
    peer.event({
      aet: AsyncEventType.Notice,
      aei: AsyncNoticeInfo.CcrCompleted,
      lid: Lid.CrossControllerReset,
    });
  const ask = (incarnation = lost): { answers: (ResetAnswer | undefined)[] } => {
    const asked: { answers: (ResetAnswer | undefined)[] } = { answers: [] };
    runSequence(clock, source.reset(incarnation, WAIT_MS), (_error, answer) =>
      asked.answers.push(answer),
    );
    return asked;
  };
  return { clock, peer, controller, source, logHolds, tell, ask, freed: () => freed };
}

function logOf({ transferBytes }: SeenCommand, entries: Parameters<typeof encodeEntryLog>[1]) {
  const log = new Uint8Array(transferBytes);
  log.set(encodeEntryLog(CrossControllerResetEntry, entries));
  return log;
}

const successful = { icid: lost.cntlid, ciu: lost.ciu, ccrs: CcrStatus.Successful };

test("the command names the incarnation", () => {
  const { clock, peer, ask } = bench();
  ask();
  clock.settle();
  const [command] = peer.seenOf("other");
  expect(Sqe.opc.get(command!.sqe)).toBe(AdminOpcode.CrossControllerReset);
  expect(CrossControllerResetCommand.icid.get(command!.sqe)).toBe(lost.cntlid);
  expect(CrossControllerResetCommand.ciu.get(command!.sqe)).toBe(lost.ciu);
  expect(CrossControllerResetCommand.cirn.get(command!.sqe)).toBe(lost.cirn);
});

test("IRS: it is done, and neither log nor event are waited for", () => {
  const { clock, peer, ask } = bench();
  peer.on("other", () => ({ dw0: 1 }));
  const asked = ask();
  clock.settle();
  expect(asked.answers).toEqual(["immediate"]);
  expect(peer.seenOf("log")).toEqual([]);
});

test("the event sends us to the log, which is asked to drop what is completed", () => {
  const { clock, peer, logHolds, tell, ask } = bench();
  const asked = ask();
  clock.advance(500);
  logHolds(successful);
  expect(tell()).toBe(true);
  clock.settle();
  expect(asked.answers).toEqual(["ccr"]);
  const [log] = peer.seenOf("log");
  expect(GetLogPageCommand.lsp.get(log!.sqe)).toBe(LSP_CCR_REMOVE_COMPLETED);
  expect(GetLogPageCommand.rae.get(log!.sqe)).toBe(0);
});

test("R18: the event comes before the answer to the command", () => {
  const { clock, peer, logHolds, tell, ask } = bench();
  peer.drop("other");
  logHolds(successful);
  const asked = ask();
  clock.settle();
  tell();
  clock.settle();
  expect(asked.answers).toEqual([]);
  peer.answer(peer.seenOf("other")[0]!, {});
  clock.settle();
  expect(asked.answers).toEqual(["ccr"]);
});

test("R18: the event is lost: the log is read once when the wait is over", () => {
  const { clock, peer, logHolds, ask } = bench();
  const asked = ask();
  clock.settle();
  logHolds(successful);
  clock.advance(WAIT_MS - 1);
  expect(asked.answers).toEqual([]);
  clock.advance(1);
  expect(asked.answers).toEqual(["ccr"]);
  expect(peer.seenOf("log").length).toBe(1);
});

test.each([
  ["in progress still", [{ ...successful, ccrs: CcrStatus.InProgress }]],
  ["of another controller", [{ ...successful, icid: 8 }]],
  ["of another incarnation", [{ ...successful, ciu: 4 }]],
  ["not there", []],
])("what the log says is %s: no answer from this source", (_what, entries) => {
  const { clock, logHolds, ask } = bench();
  const asked = ask();
  logHolds(...entries);
  clock.advance(WAIT_MS);
  expect(asked.answers).toEqual(["no"]);
});

test("a reset that failed is no reset", () => {
  const { clock, logHolds, tell, ask } = bench();
  const asked = ask();
  clock.settle();
  logHolds({ ...successful, ccrs: CcrStatus.Failed });
  tell();
  clock.settle();
  expect(asked.answers).toEqual(["no"]);
});

test("CCR In Progress: its end is waited for, and the command is not sent again", () => {
  const { clock, peer, logHolds, tell, ask } = bench();
  peer.refuse("other", Status.CcrInProgress);
  const asked = ask();
  clock.advance(100);
  logHolds(successful);
  tell();
  clock.settle();
  expect(asked.answers).toEqual(["ccr"]);
  expect(peer.seenOf("other").length).toBe(1);
});

test("CCR Log Page Full: the log is read, which makes room, and the command is sent once more", () => {
  const { clock, peer, ask } = bench();
  peer.refuse("other", Status.CcrLogPageFull, 0, 1);
  const asked = ask();
  clock.settle();
  expect(peer.steps.slice(-3)).toEqual(["other", "log", "other"]);
  expect(asked.answers).toEqual([]);
});

test("CCR Log Page Full twice: another source may have room", () => {
  const { clock, peer, ask } = bench();
  peer.refuse("other", Status.CcrLogPageFull);
  const asked = ask();
  clock.settle();
  expect(asked.answers).toEqual(["no"]);
  expect(peer.seenOf("other").length).toBe(2);
});

test.each([
  ["CCR Limit Exceeded", Status.CcrLimitExceeded],
  ["Invalid Field", Status.InvalidField | DNR],
])("%s: another source is to be asked, and this one may be asked again", (_name, status) => {
  const { clock, peer, source, ask, freed } = bench();
  peer.refuse("other", status);
  const asked = ask();
  clock.settle();
  expect(asked.answers).toEqual(["no"]);
  expect(source.room).toBe(2);
  expect(freed()).toBe(1);
});

test("Invalid Opcode: this source is never asked again, until it has connected anew", () => {
  const { clock, peer, controller, source, ask } = bench();
  peer.refuse("other", Status.InvalidOpcode | DNR);
  const asked = ask();
  clock.settle();
  expect(asked.answers).toEqual(["no"]);
  expect(source.room).toBe(0);
  controller.reset(() => {});
  clock.settle();
  expect(controller.state).toBe("live");
  expect(source.room).toBe(2);
});

test("room is what CCRL leaves: it is taken before the command goes out", () => {
  const { clock, source, ask } = bench(2);
  expect(source.room).toBe(2);
  ask();
  expect(source.room).toBe(1);
  ask({ ...lost, cntlid: 9 });
  expect(source.room).toBe(0);
  clock.advance(WAIT_MS);
  expect(source.room).toBe(2);
});

test("R19: the source is lost while it is waited for: it has no answer", () => {
  const { clock, peer, source, ask } = bench();
  const asked = ask();
  clock.settle();
  peer.kill();
  clock.settle();
  expect(asked.answers).toEqual(["no"]);
  expect(source.room).toBe(2);
});

test("two resets at once: each gets its own answer from one log", () => {
  const { clock, logHolds, tell, ask } = bench();
  const [one, two] = [ask(), ask({ ...lost, cntlid: 9, ciu: 255 })];
  clock.settle();
  logHolds(successful, { icid: 9, ciu: 255, ccrs: CcrStatus.Failed });
  tell();
  clock.settle();
  expect([one.answers, two.answers]).toEqual([["ccr"], ["no"]]);
});

test("a log that says that it is in progress is no answer, however often it is read", () => {
  const { clock, logHolds, tell, ask } = bench();
  const asked = ask();
  clock.settle();
  logHolds({ ...successful, ccrs: CcrStatus.InProgress });
  tell();
  clock.settle();
  expect(asked.answers).toEqual([]);
  clock.advance(WAIT_MS);
  expect(asked.answers).toEqual(["no"]);
});
