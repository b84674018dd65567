// A command is taken once, settled once, and only then is its CID used again.

import { NvmeofError } from "@nvmeof/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CommandTable, NO_CID } from "./command-table.ts";

const FOREVER = Infinity;
const lost = new NvmeofError("NVME_ERR_TEST", "the queue is gone");
const late = new NvmeofError("NVME_ERR_TEST", "it took too long");

function setup(slots = 4) {
  const thrown: unknown[] = [];
  const table = new CommandTable(slots, (error) => thrown.push(error));
  const settled: [name: string, error: NvmeofError | undefined, dw0: number, dw1: number][] = [];
  const take = (name: string, deadlineMs = FOREVER): number =>
    table.take(
      (error, dw0, dw1) => settled.push([name, error, dw0, dw1]),
      deadlineMs,
      deadlineMs,
      0x42,
    );
  return { table, thrown, settled, take };
}

test("an empty table gives the lowest CID, and an answered one is given again", () => {
  const { table, take } = setup();
  expect([take("a"), take("b")]).toEqual([0, 1]);
  table.complete(0, undefined, 0, 0);
  expect(take("c")).toBe(0);
});

test("a full table gives no CID, and never calls that caller", () => {
  const { table, take, settled } = setup(2);
  take("a");
  take("b");
  expect(table.hasRoom).toBe(false);
  expect(take("c")).toBe(NO_CID);
  table.settleAll(() => lost);
  expect(settled.map(([name]) => name)).toEqual(["a", "b"]);
});

test("an answer settles the caller with its values, once", () => {
  const { table, take, settled } = setup();
  const cid = take("a");
  expect(table.inflight).toBe(1);
  table.complete(cid, undefined, 7, 8);
  expect(settled).toEqual([["a", undefined, 7, 8]]);
  expect(table.inflight).toBe(0);
});

test.each([0, 3, 4, 65_535])(
  "an answer to CID %i, which has no command, is the peer's error",
  (cid) => {
    const { table } = setup();
    expect(() => table.complete(cid, undefined, 0, 0)).toThrow(`completion for idle CID ${cid}`);
  },
);

test("H13: a second answer to the same command is an error, and the first outcome stands", () => {
  const { table, take, settled } = setup();
  const cid = take("a");
  table.complete(cid, undefined, 1, 0);
  expect(() => table.complete(cid, lost, 2, 0)).toThrow("idle CID");
  expect(settled).toEqual([["a", undefined, 1, 0]]);
});

test("the slot is free before the caller is settled, who may submit again", () => {
  const { table } = setup(1);
  const cids: number[] = [];
  const again = (): void => {
    if (cids.length < 3) cids.push(table.take(again, FOREVER, FOREVER, 0));
  };
  again();
  table.complete(0, undefined, 0, 0);
  table.complete(0, undefined, 0, 0);
  expect(cids).toEqual([0, 0, 0]);
});

test("H14: a command that is given up settles now, and holds its CID until it is answered", () => {
  const { table, take, settled } = setup(1);
  const cid = take("a");
  table.abandon(cid, late);
  expect(settled).toEqual([["a", late, 0, 0]]);
  expect([table.inflight, table.abandoned, table.hasRoom]).toEqual([0, 1, false]);
  expect(table.isAbandoned(cid)).toBe(true);
  table.complete(cid, undefined, 9, 9);
  expect(settled).toHaveLength(1);
  expect([table.abandoned, table.hasRoom, table.isAbandoned(cid)]).toEqual([0, true, false]);
});

test("giving up twice, or what is not in flight, changes nothing", () => {
  const { table, take, settled } = setup();
  const cid = take("a");
  table.abandon(cid, late);
  table.abandon(cid, late);
  table.abandon(3, late);
  expect(settled).toHaveLength(1);
  expect(table.abandoned).toBe(1);
});

test("the loss of the queue settles all in flight, and frees what was given up without a word", () => {
  const { table, take, settled } = setup();
  take("a");
  table.abandon(take("b"), late);
  take("c");
  table.settleAll((cid) => new NvmeofError("NVME_ERR_TEST", `CID ${cid}`));
  expect(settled.map(([name, error]) => [name, error!.message])).toEqual([
    ["b", late.message],
    ["a", "CID 0"],
    ["c", "CID 2"],
  ]);
  expect([table.inflight, table.abandoned]).toEqual([0, 0]);
});

test("a table that has lost its queue takes nothing more, not even from a callback", () => {
  const { table } = setup();
  const cids: number[] = [];
  const again = (): void => void cids.push(table.take(again, FOREVER, FOREVER, 0));
  table.take(again, FOREVER, FOREVER, 0);
  table.take(again, FOREVER, FOREVER, 0);
  table.settleAll(() => lost);
  expect(cids).toEqual([NO_CID, NO_CID]);
  expect(table.hasRoom).toBe(false);
});

test.each(["complete", "abandon", "settleAll"] as const)(
  "a caller that throws when it is settled by %s harms no other command",
  (how) => {
    const { table, thrown, settled, take } = setup();
    const bad = (): void => {
      throw new Error("not ours");
    };
    table.take(bad, FOREVER, FOREVER, 0);
    take("b");
    if (how === "complete") table.complete(0, undefined, 0, 0);
    else if (how === "abandon") table.abandon(0, late);
    table.settleAll(() => lost);
    expect(thrown).toEqual([new Error("not ours")]);
    expect(settled).toEqual([["b", lost, 0, 0]]);
    expect(table.inflight).toBe(0);
  },
);

test("a deadline is told of once, when it has passed, and the command stays in flight", () => {
  const { table, take } = setup();
  take("a", 100);
  take("b", 200);
  const expired: number[] = [];
  const note = (cid: number): void => void expired.push(cid);
  expect(table.earliestDeadlineMs()).toBe(100);
  table.expire(99, note);
  expect(expired).toEqual([]);
  table.expire(100, note);
  table.expire(150, note);
  expect(expired).toEqual([0]);
  expect(table.inflight).toBe(2);
  expect(table.earliestDeadlineMs()).toBe(200);
  table.complete(1, undefined, 0, 0);
  expect(table.earliestDeadlineMs()).toBe(Infinity);
});

test("a command that is given up may have a second deadline", () => {
  const { table, take } = setup();
  const cid = take("a", 100);
  const expired: number[] = [];
  table.expire(100, (due) => {
    expired.push(due);
    table.abandon(due, late, 250);
  });
  table.expire(249, (due) => expired.push(due));
  expect(expired).toEqual([cid]);
  table.expire(250, (due) => expired.push(due));
  expect(expired).toEqual([cid, cid]);
});

test("a command's label and time are known for as long as its CID is taken", () => {
  const { table } = setup();
  const cid = table.take(() => {}, 30_000, 31_000, 0x02);
  table.abandon(cid, late);
  expect([table.labelOf(cid), table.timeoutOf(cid)]).toEqual([0x02, 30_000]);
});

/** Any sequence of what a queue may do to a table. */
const moves = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("take" as const), deadline: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ do: fc.constant("complete" as const), cid: fc.nat(7) }),
    fc.record({ do: fc.constant("abandon" as const), cid: fc.nat(7) }),
    fc.record({ do: fc.constant("expire" as const), nowMs: fc.integer({ min: 0, max: 50 }) }),
  ),
  { maxLength: 60 },
);

test("whatever happens, every command that was taken settles exactly once", () => {
  fc.assert(
    fc.property(moves, (script) => {
      const table = new CommandTable(8, () => {});
      const commands: { settled: number }[] = [];
      for (const move of script) {
        if (move.do === "take") {
          const command = { settled: 0 };
          const settle = (): void => void command.settled++;
          if (table.take(settle, 1, move.deadline, 0) !== NO_CID) commands.push(command);
        } else if (move.do === "abandon") {
          table.abandon(move.cid, late);
        } else if (move.do === "expire") {
          table.expire(move.nowMs, (cid) => table.abandon(cid, late));
        } else if (table.isInflight(move.cid) || table.isAbandoned(move.cid)) {
          table.complete(move.cid, undefined, 0, 0);
        }
        expect(commands.filter(({ settled }) => settled === 0)).toHaveLength(table.inflight);
      }
      table.settleAll(() => lost);
      expect(commands.every(({ settled }) => settled === 1)).toBe(true);
    }),
    { seed: 1 },
  );
});
