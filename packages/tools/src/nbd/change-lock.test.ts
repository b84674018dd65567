// The lock of changes: who may work side by side, who waits, and for whom.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Change, ChangeLock } from "./change-lock.ts";

class TestChange implements Change {
  readonly firstLba: number;
  readonly endLba: number;
  readonly isAlone: boolean;
  heldAt = -1;
  state: "new" | "waiting" | "held" | "done" = "new";

  constructor(firstLba: number, endLba: number, isAlone: boolean) {
    this.firstLba = firstLba;
    this.endLba = endLba;
    this.isAlone = isAlone;
  }

  granted(): void {
    expect(this.state).toBe("waiting");
    this.state = "held";
  }

  take(lock: ChangeLock): this {
    this.state = lock.acquire(this) ? "held" : "waiting";
    return this;
  }

  give(lock: ChangeLock): void {
    this.state = "done";
    lock.release(this);
  }
}

const whole = (first: number, end: number) => new TestChange(first, end, false);
const alone = (first: number, end: number) => new TestChange(first, end, true);

test("changes of whole blocks never wait for each other", () => {
  const lock = new ChangeLock();
  const all = [whole(0, 8), whole(4, 12), whole(0, 8)].map((each) => each.take(lock));
  expect(all.map(({ state }) => state)).toEqual(["held", "held", "held"]);
  for (const each of all) each.give(lock);
  expect(lock.count).toBe(0);
});

test("who changes a block in part waits for all who change that block, and they for him", () => {
  const lock = new ChangeLock();
  const first = whole(0, 8).take(lock);
  const part = alone(7, 9).take(lock);
  const behind = whole(8, 16).take(lock);
  const elsewhere = whole(9, 16).take(lock);
  expect([part, behind, elsewhere].map(({ state }) => state)).toEqual([
    "waiting",
    "waiting",
    "held",
  ]);
  first.give(lock);
  expect([part.state, behind.state]).toEqual(["held", "waiting"]);
  part.give(lock);
  expect(behind.state).toBe("held");
  behind.give(lock);
  elsewhere.give(lock);
  expect(lock.count).toBe(0);
});

test("one that waits holds up only those who conflict with it", () => {
  const lock = new ChangeLock();
  const first = alone(0, 2).take(lock);
  const second = alone(1, 3).take(lock);
  const third = alone(2, 4).take(lock);
  const fourth = alone(4, 5).take(lock);
  expect([second, third, fourth].map(({ state }) => state)).toEqual(["waiting", "waiting", "held"]);
  first.give(lock);
  expect([second.state, third.state]).toEqual(["held", "waiting"]);
});

const change = fc.record({
  first: fc.nat(15),
  blocks: fc.integer({ min: 1, max: 4 }),
  isAlone: fc.boolean(),
  /** Which of those that hold it gives it back before this one comes. */
  gives: fc.option(fc.nat()),
});

const conflict = (a: TestChange, b: TestChange): boolean =>
  (a.isAlone || b.isAlone) && a.firstLba < b.endLba && b.firstLba < a.endLba;

test("whatever comes and goes: no conflict is held, nobody waits without a reason, all get through", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (script) => {
      const lock = new ChangeLock();
      const all: TestChange[] = [];
      const held = (): TestChange[] => all.filter(({ state }) => state === "held");
      const check = (): void => {
        const now = held();
        expect(now.some((a, i) => now.slice(i + 1).some((b) => conflict(a, b)))).toBe(false);
        for (const [i, each] of all.entries()) {
          if (each.state !== "waiting") continue;
          const before = all.slice(0, i).filter(({ state }) => state !== "done");
          expect([...now, ...before].some((other) => conflict(other, each))).toBe(true);
        }
      };
      for (const { first, blocks, isAlone, gives } of script) {
        const now = held();
        if (gives !== null && now.length > 0) now[gives % now.length]!.give(lock);
        check();
        all.push(new TestChange(first, first + blocks, isAlone).take(lock));
        check();
      }
      for (let now = held(); now.length > 0; now = held()) now[0]!.give(lock);
      expect(all.every(({ state }) => state === "done")).toBe(true);
      expect(lock.count).toBe(0);
    }),
    { numRuns: 300 },
  );
});
