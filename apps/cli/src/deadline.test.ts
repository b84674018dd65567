// A command ends: at its deadline, on a signal, and even when its verb does not listen.

import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { Lifetime } from "./deadline.ts";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";
import { onSignals } from "./signals.ts";

const never = (): Promise<never> => new Promise(() => {});

test("work that is done in time gives its result", async () => {
  await expect(new Lifetime(60_000).run(() => Promise.resolve(7))).resolves.toBe(7);
});

test("at the deadline the signal aborts, and the verb's own error gives way to the reason", async () => {
  const life = new Lifetime(1, 60_000);
  const work = (): Promise<never> =>
    new Promise((_resolve, reject) => {
      life.signal.addEventListener("abort", () => reject(new Error("torn down")));
    });
  await expect(life.run(work)).rejects.toMatchObject({ code: "NVME_ERR_DEADLINE" });
});

test("a verb that does not listen is given up after the grace", async () => {
  await expect(new Lifetime(1, 1).run(never)).rejects.toMatchObject({ code: "NVME_ERR_DEADLINE" });
});

test("the first reason counts", async () => {
  const life = new Lifetime(undefined, 1);
  life.end(new CliError("NVME_ERR_INTERRUPTED", "first"));
  life.end(new CliError("NVME_ERR_DEADLINE", "second"));
  await expect(life.run(never)).rejects.toThrow("first");
});

test("the first signal ends in order, the second at once, and then nobody listens", () => {
  const signals = new EventEmitter();
  const quits: number[] = [];
  const io = { signals, quit: (code: number) => void quits.push(code) } as unknown as Io;
  const reasons: string[] = [];
  const stop = onSignals(io, ({ code }) => void reasons.push(code));
  signals.emit("SIGTERM");
  expect([reasons, quits]).toEqual([["NVME_ERR_TERMINATED"], []]);
  signals.emit("SIGINT");
  expect(quits).toEqual([130]);
  stop();
  expect(signals.listenerCount("SIGINT") + signals.listenerCount("SIGTERM")).toBe(0);
});
