// Tests of SignalListeners.

import { expect, test } from "vitest";
import { SignalListeners } from "./signal-listeners.ts";

/** A signal that counts its listeners. */
function counted() {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (
    listeners--,
    remove(...args)
  );
  return { controller, signal, listeners: () => listeners };
}

test("a signal has one listener while somebody waits for it, and none otherwise", () => {
  const { controller, signal, listeners } = counted();
  const waiting = new SignalListeners();
  const told: string[] = [];
  const stops = ["a", "b", "c"].map((name) => waiting.add(signal, () => told.push(name)));
  expect([listeners(), waiting.count]).toEqual([1, 1]);
  for (const stop of stops) stop();
  expect([listeners(), waiting.count]).toEqual([0, 0]);
  waiting.add(signal, () => told.push("d"));
  expect(listeners()).toBe(1);
  // Those that stopped before do not take it away.
  for (const stop of stops) stop();
  expect([listeners(), waiting.count]).toEqual([1, 1]);
  controller.abort();
  expect(told).toEqual(["d"]);
  expect(waiting.count).toBe(0);
});

test("an abort tells all who still wait, once and in order, and lets go of the signal", () => {
  const { controller, signal } = counted();
  const other = counted();
  const waiting = new SignalListeners();
  const told: string[] = [];
  waiting.add(signal, () => told.push("a"));
  const stop = waiting.add(signal, () => told.push("b"));
  const stopLater: (() => void)[] = [];
  waiting.add(signal, () => {
    told.push("c");
    for (const each of stopLater) each();
  });
  stopLater.push(waiting.add(signal, () => told.push("stopped by c")));
  waiting.add(other.signal, () => told.push("other"));
  stop();
  controller.abort();
  expect(told).toEqual(["a", "c"]);
  expect(waiting.count).toBe(1);
  other.controller.abort();
  expect(told).toEqual(["a", "c", "other"]);
});
