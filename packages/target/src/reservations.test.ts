// Reservations as a table: every type, what holders, registrants and others may do; keys and preemption.

import { Status, codeOf } from "@nvmeof/codec";
import { ReservationEvent, ReservationType } from "@nvmeof/codec/management";
import { describe, expect, test } from "vitest";
import { Reservations } from "./reservations.ts";

const host = (name: number): Uint8Array => new Uint8Array(16).fill(name);
const [A, B, C] = [host(1), host(2), host(3)];
const keyOf = (id: Uint8Array): bigint => BigInt(id[0]!) * 16n;

const register = (state: Reservations, id: Uint8Array, key = keyOf(id)) =>
  state.register(id, { action: 0, iekey: false, cptpl: 0, crkey: 0n, nrkey: key });
const unregister = (state: Reservations, id: Uint8Array, key = keyOf(id), iekey = false) =>
  state.register(id, { action: 1, iekey, cptpl: 0, crkey: key, nrkey: 0n });
const acquire = (state: Reservations, id: Uint8Array, type: number, more = {}) =>
  state.acquire(id, { action: 0, iekey: false, type, crkey: keyOf(id), prkey: 0n, ...more });
const preempt = (state: Reservations, id: Uint8Array, type: number, prkey: bigint) =>
  acquire(state, id, type, { action: 1, prkey });
const release = (state: Reservations, id: Uint8Array, type: number, action = 0) =>
  state.release(id, { action, iekey: false, type, crkey: keyOf(id) });

/** A and B are registered, C is not; A holds a reservation of this type. */
function held(type: number): Reservations {
  const state = new Reservations(8);
  register(state, A);
  register(state, B);
  expect(acquire(state, A, type).status).toBe(0);
  return state;
}

const { WriteExclusive, ExclusiveAccess } = ReservationType;
const { WriteExclusiveRegistrantsOnly, WriteExclusiveAllRegistrants } = ReservationType;
const { ExclusiveAccessRegistrantsOnly, ExclusiveAccessAllRegistrants } = ReservationType;

/** Who may read and write: the holder, another registrant, and who is no registrant. */
test.each([
  ["Write Exclusive", WriteExclusive, ["rw", "r-", "r-"]],
  ["Exclusive Access", ExclusiveAccess, ["rw", "--", "--"]],
  ["Write Exclusive, Registrants Only", WriteExclusiveRegistrantsOnly, ["rw", "rw", "r-"]],
  ["Exclusive Access, Registrants Only", ExclusiveAccessRegistrantsOnly, ["rw", "rw", "--"]],
  ["Write Exclusive, All Registrants", WriteExclusiveAllRegistrants, ["rw", "rw", "r-"]],
  ["Exclusive Access, All Registrants", ExclusiveAccessAllRegistrants, ["rw", "rw", "--"]],
])("T87: %s", (_name, type, rights) => {
  const state = held(type);
  const may = (id: Uint8Array): string =>
    (state.mayRead(id) ? "r" : "-") + (state.mayWrite(id) ? "w" : "-");
  expect([A, B, C].map(may)).toEqual(rights);
  expect(new Reservations(1).mayWrite(C)).toBe(true);
});

describe("keys", () => {
  test("a registrant may register its key again, but no other one", () => {
    const state = new Reservations(8);
    expect(register(state, A).status).toBe(0);
    expect(register(state, A).status).toBe(0);
    expect(register(state, A, 99n).status).toBe(Status.ReservationConflict);
    expect(codeOf(register(state, B, 0n).status)).toBe(Status.InvalidField);
    expect(state.generation).toBe(1);
  });

  test("a key is replaced by who knows it, or ignores it", () => {
    const state = new Reservations(8);
    register(state, A);
    const replace = (id: Uint8Array, crkey: bigint, nrkey: bigint, iekey = false) =>
      state.register(id, { action: 2, iekey, cptpl: 0, crkey, nrkey }).status;
    expect(replace(A, 5n, 7n)).toBe(Status.ReservationConflict);
    expect(replace(A, keyOf(A), 7n)).toBe(0);
    expect(replace(A, 0n, 8n, true)).toBe(0);
    expect(replace(B, 0n, 9n)).toBe(Status.ReservationConflict);
    // Without regard to whether it is registered.
    expect(replace(B, 0n, 9n, true)).toBe(0);
    expect(codeOf(replace(B, 9n, 0n))).toBe(Status.InvalidField);
    expect(state.registrants(() => 1).map(({ rkey }) => rkey)).toEqual([8n, 9n]);
  });

  test("a holder that unregisters releases; others hear of it where they had access by him", () => {
    const only = held(WriteExclusiveRegistrantsOnly);
    const { notices } = unregister(only, A);
    expect(notices).toEqual([{ hostIds: [B], event: ReservationEvent.ReservationReleased }]);
    expect([only.type, only.mayWrite(C)]).toEqual([0, true]);
    expect(unregister(held(WriteExclusive), A).notices).toEqual([]);
    const all = held(WriteExclusiveAllRegistrants);
    unregister(all, A);
    expect(all.type).toBe(WriteExclusiveAllRegistrants);
    unregister(all, B);
    expect(all.type).toBe(0);
  });

  test("who does not know the key, or was never registered, unregisters nothing", () => {
    const state = held(WriteExclusive);
    expect(unregister(state, B, 1n).status).toBe(Status.ReservationConflict);
    expect(unregister(state, B, 1n, true).status).toBe(0);
    expect(unregister(state, C).status).toBe(Status.ReservationConflict);
  });

  test("persistence through power loss is not there, and registrants are bounded", () => {
    const state = new Reservations(1);
    const persist = { action: 0, iekey: false, cptpl: 3, crkey: 0n, nrkey: 5n };
    expect(codeOf(state.register(A, persist).status)).toBe(Status.InvalidField);
    expect(register(state, A).status).toBe(0);
    expect(codeOf(register(state, B).status)).toBe(Status.InternalError);
  });
});

describe("acquiring", () => {
  test("the holder may say it again; with another type, or by another host, it is in conflict", () => {
    const state = held(WriteExclusive);
    expect(acquire(state, A, WriteExclusive).status).toBe(0);
    expect(acquire(state, A, ExclusiveAccess).status).toBe(Status.ReservationConflict);
    expect(acquire(state, B, WriteExclusive).status).toBe(Status.ReservationConflict);
    expect(
      acquire(held(WriteExclusiveAllRegistrants), B, WriteExclusiveAllRegistrants).status,
    ).toBe(0);
  });

  test("a host that is not registered, a wrong key, a type that is none, and IEKEY are refused", () => {
    const state = new Reservations(8);
    register(state, A);
    expect(acquire(state, C, WriteExclusive).status).toBe(Status.ReservationConflict);
    expect(acquire(state, A, WriteExclusive, { crkey: 1n }).status).toBe(
      Status.ReservationConflict,
    );
    for (const type of [0, 7]) {
      expect(codeOf(acquire(state, A, type).status)).toBe(Status.InvalidField);
    }
    expect(codeOf(acquire(state, A, 1, { iekey: true }).status)).toBe(Status.InvalidField);
    expect(codeOf(acquire(state, A, 1, { action: 3 }).status)).toBe(Status.InvalidField);
  });
});

describe("preempting", () => {
  test("takes the reservation from its holder, who is registered no more", () => {
    const state = held(WriteExclusive);
    const { status, preempted, notices } = preempt(state, B, ExclusiveAccess, keyOf(A));
    expect([status, preempted]).toEqual([0, [A]]);
    expect(notices[0]).toEqual({ hostIds: [A], event: ReservationEvent.RegistrationPreempted });
    expect([state.type, state.mayRead(A), state.mayWrite(B)]).toEqual([
      ExclusiveAccess,
      false,
      true,
    ]);
    expect(state.registrants(() => 7)).toEqual([
      { cntlid: 7, holds: true, hostid: B, rkey: keyOf(B) },
    ]);
  });

  test("others that stay registered hear that the type has changed", () => {
    const state = held(WriteExclusive);
    register(state, C);
    const { notices } = preempt(state, B, ExclusiveAccess, keyOf(A));
    expect(notices[1]).toEqual({ hostIds: [C], event: ReservationEvent.ReservationReleased });
  });

  test("takes a registration that does not hold, and leaves the reservation", () => {
    const state = held(WriteExclusive);
    register(state, C);
    expect(preempt(state, B, ExclusiveAccess, keyOf(C)).preempted).toEqual([C]);
    expect([state.type, state.mayWrite(A)]).toEqual([WriteExclusive, true]);
  });

  test("the holder changes the type of its own reservation", () => {
    const state = held(WriteExclusive);
    expect(preempt(state, A, ExclusiveAccess, keyOf(A)).status).toBe(0);
    expect([state.type, state.mayWrite(A), state.mayRead(B)]).toEqual([
      ExclusiveAccess,
      true,
      false,
    ]);
  });

  test("where all registrants hold, key 0 means all others", () => {
    const state = held(WriteExclusiveAllRegistrants);
    expect(preempt(state, B, WriteExclusive, 0n).preempted).toEqual([A]);
    expect([state.type, state.mayWrite(B), state.mayWrite(A)]).toEqual([
      WriteExclusive,
      true,
      false,
    ]);
    expect(codeOf(preempt(held(WriteExclusive), B, 1, 0n).status)).toBe(Status.InvalidField);
  });

  test("a key that nobody has is in conflict", () => {
    expect(preempt(held(WriteExclusive), B, 1, 0x77n).status).toBe(Status.ReservationConflict);
    const free = new Reservations(8);
    register(free, A);
    expect(preempt(free, A, 1, 0x77n).status).toBe(Status.ReservationConflict);
  });
});

describe("releasing", () => {
  test("is for the holder; for others it does nothing, and the type must be right", () => {
    const state = held(WriteExclusive);
    expect(codeOf(release(state, A, ExclusiveAccess).status)).toBe(Status.InvalidField);
    expect(release(state, B, WriteExclusive).status).toBe(0);
    expect(state.type).toBe(WriteExclusive);
    expect(release(state, A, WriteExclusive)).toEqual({ status: 0, notices: [], preempted: [] });
    expect(state.type).toBe(0);
    expect(release(state, A, WriteExclusive).status).toBe(0);
    expect(release(state, C, WriteExclusive).status).toBe(Status.ReservationConflict);
  });

  test("tells the other registrants where they shared it", () => {
    const { notices } = release(held(ExclusiveAccessRegistrantsOnly), A, 4);
    expect(notices).toEqual([{ hostIds: [B], event: ReservationEvent.ReservationReleased }]);
  });

  test("clear takes the reservation and all registrations", () => {
    const state = held(WriteExclusive);
    const { notices } = release(state, B, 0, 1);
    expect(notices).toEqual([{ hostIds: [A], event: ReservationEvent.ReservationPreempted }]);
    expect([state.type, state.registrants(() => 0)]).toEqual([0, []]);
    expect(codeOf(release(held(WriteExclusive), A, 1, 5).status)).toBe(Status.InvalidField);
  });
});
