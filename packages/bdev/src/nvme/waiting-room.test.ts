// Who waits, in which order they go, and that none is forgotten: step by step, in virtual time.
// Read first: waiting-room.ts.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Slot, SlotPhase } from "./slot.ts";
import { type Room, WaitingRoom } from "./waiting-room.ts";

const PATIENCE_MS = 60_000;

/** A queue whose room is given out by hand. */
class HandRoom implements Room {
  free = 0;
  readonly #tasks: (() => void)[] = [];
  get asked(): number {
    return this.#tasks.length;
  }
  whenRoom(task: () => void): void {
    this.#tasks.push(task);
  }
  /** Room for one command, offered to who asked first. */
  give(): void {
    this.free++;
    this.#tasks.shift()?.();
  }
}

/** A waiting room, and what becomes of those who leave it. */
function bench() {
  const clock = new VirtualClock();
  const world = {
    clock,
    sent: [] as string[],
    away: [] as string[],
    unfenced: [] as string[],
    /** Where slots go that are tried: by room, or nowhere. */
    room: undefined as HandRoom | undefined,
    isHopeless: false,
  };
  const names = new Map<Slot, string>();
  const slot = (name: string): Slot => {
    const made = new Slot(() => {});
    names.set(made, name);
    return made;
  };
  const send = (each: Slot): void => {
    if (world.room === undefined) {
      waiting.forPath(each);
    } else if (world.room.free === 0) {
      waiting.forRoom(each, [world.room]);
    } else {
      world.room.free--;
      each.phase = SlotPhase.Sent;
      world.sent.push(names.get(each)!);
    }
  };
  const owner = {
    send,
    turnAway: (each: Slot) => void world.away.push(names.get(each)!),
    unfenced: (each: Slot) => void world.unfenced.push(names.get(each)!),
    get isHopeless() {
      return world.isHopeless;
    },
  };
  const waiting: WaitingRoom = new WaitingRoom(clock, owner, PATIENCE_MS);
  const rooms = (free: number): HandRoom => {
    const room = new HandRoom();
    room.free = free;
    return room;
  };
  return { world, clock, waiting, slot, send, rooms };
}

test("those who wait for room go one by one, in their order, each asking for the next", () => {
  const { world, waiting, slot, send, rooms } = bench();
  const room = rooms(0);
  world.room = room;
  send(slot("a"));
  for (const name of ["b", "c"]) waiting.add(slot(name));
  expect([waiting.size, waiting.blocks, room.asked]).toEqual([3, true, 1]);
  room.give();
  expect(world.sent).toEqual(["a"]);
  // Asked again for the next in line, behind whoever asked meanwhile.
  expect(room.asked).toBe(1);
  room.give();
  room.give();
  expect(world.sent).toEqual(["a", "b", "c"]);
  expect([waiting.size, room.asked]).toEqual([0, 0]);
  room.give();
  expect(world.sent).toHaveLength(3);
});

test("one that finds the room taken keeps its place, the first", () => {
  const { world, waiting, slot, send, rooms } = bench();
  const room = rooms(0);
  world.room = room;
  send(slot("a"));
  waiting.add(slot("b"));
  // Told of room that somebody else has taken.
  room.free = -1;
  room.give();
  expect(world.sent).toEqual([]);
  expect(room.asked).toBe(1);
  room.free = 0;
  room.give();
  room.give();
  expect(world.sent).toEqual(["a", "b"]);
});

test("room in any of several queues will do, and late news of the others is harmless", () => {
  const { world, clock, waiting, slot, rooms } = bench();
  const [one, other] = [rooms(0), rooms(0)];
  world.room = other;
  waiting.forRoom(slot("a"), [one, other]);
  waiting.forRoom(slot("b"), [one, other]);
  expect([one.asked, other.asked]).toEqual([1, 1]);
  other.give();
  expect(world.sent).toEqual(["a"]);
  world.room = one;
  one.give();
  expect(world.sent).toEqual(["a", "b"]);
  other.give();
  clock.settle();
  expect([waiting.size, clock.armed]).toEqual([0, 0]);
});

test("a kick tries all, after the current callback, until one is blocked again", () => {
  const { world, clock, waiting, slot, send, rooms } = bench();
  send(slot("a"));
  send(slot("b"));
  send(slot("c"));
  expect(waiting.size).toBe(3);
  world.room = rooms(2);
  waiting.kick();
  waiting.kick();
  expect(world.sent).toEqual([]);
  clock.settle();
  expect(world.sent).toEqual(["a", "b"]);
  expect(waiting.size).toBe(1);
  world.room.give();
  expect(world.sent).toEqual(["a", "b", "c"]);
  expect(clock.armed).toBe(0);
});

test("those with a moment go at that moment, the earliest first, before those who wait for room", () => {
  const { world, clock, waiting, slot, rooms } = bench();
  world.room = rooms(0);
  waiting.forRoom(slot("blocked"), [world.room]);
  waiting.until(slot("late"), 200);
  waiting.until(slot("early"), 100);
  waiting.until(slot("early too"), 100);
  expect(clock.armed).toBe(1);
  clock.advance(99);
  world.room.free = 9;
  expect(world.sent).toEqual([]);
  clock.advance(1);
  expect(world.sent).toEqual(["early", "early too", "blocked"]);
  clock.advance(100);
  expect(world.sent).toEqual(["early", "early too", "blocked", "late"]);
  expect(clock.armed).toBe(0);
});

test("a moment that has passed is after the current callback, never inside it", () => {
  const { world, clock, waiting, slot, rooms } = bench();
  world.room = rooms(9);
  clock.advance(500);
  waiting.until(slot("a"), 100);
  waiting.until(slot("b"), -Infinity);
  expect(world.sent).toEqual([]);
  clock.settle();
  expect(world.sent).toEqual(["b", "a"]);
});

test("where nothing can be hoped for all are turned away, those with a moment too", () => {
  const { world, clock, waiting, slot, send } = bench();
  send(slot("a"));
  waiting.until(slot("held"), 30_000);
  world.isHopeless = true;
  waiting.kick();
  clock.settle();
  expect(world.away).toEqual(["held", "a"]);
  expect([waiting.size, clock.armed]).toEqual([0, 0]);
});

test("nobody waits for a path for longer than patience lasts, whatever is tried meanwhile", () => {
  const { world, clock, waiting, slot, send } = bench();
  send(slot("a"));
  for (let kick = 0; kick < 59; kick++) {
    clock.advance(1_000);
    waiting.kick();
    waiting.add(slot(`later ${kick}`));
  }
  expect(world.away).toEqual([]);
  clock.advance(1_000);
  // They have found the same for as long as they were there.
  expect(world.away).toHaveLength(60);
  expect([waiting.size, clock.armed]).toEqual([0, 0]);
});

test("a path that was there meanwhile makes patience begin anew", () => {
  const { world, clock, waiting, slot, send, rooms } = bench();
  send(slot("a"));
  clock.advance(PATIENCE_MS - 1);
  world.room = rooms(1);
  waiting.kick();
  clock.settle();
  expect(world.sent).toEqual(["a"]);
  world.room = undefined;
  send(slot("b"));
  clock.advance(PATIENCE_MS - 1);
  expect(world.away).toEqual([]);
  clock.advance(1);
  expect(world.away).toEqual(["b"]);
});

test("one that is taken out lets the next one go, and is not sent", () => {
  const { world, clock, waiting, slot, send, rooms } = bench();
  const room = rooms(0);
  world.room = room;
  const first = slot("a");
  send(first);
  waiting.add(slot("b"));
  const held = slot("held");
  waiting.until(held, 100);
  waiting.remove(first);
  waiting.remove(held);
  expect(waiting.size).toBe(1);
  room.free = 1;
  clock.settle();
  expect(world.sent).toEqual(["b"]);
  expect(clock.armed).toBe(0);
});

test("a flush leaves nobody, and no timer", () => {
  const { clock, waiting, slot, send } = bench();
  send(slot("a"));
  waiting.until(slot("b"), 100);
  const ended: Slot[] = [];
  waiting.flush((each) => ended.push(each));
  expect(ended).toHaveLength(2);
  expect([waiting.size, waiting.blocks, clock.armed]).toEqual([0, false, 0]);
  waiting.kick();
  clock.settle();
});
