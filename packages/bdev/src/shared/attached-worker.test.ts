// One worker on the main side: what it is asked, what it answers or does not, and how it ends in time.

import { VirtualClock } from "@nvmeof/transport/testing";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type AttachedOptions, AttachedWorker, type WorkerCloseReport } from "./attached-worker.ts";
import { errorData } from "./error-data.ts";
import type { CloseData, ToMain, ToWorker, WorkerStatus } from "./messages.ts";
import { MemoryLink } from "./memory-link.ts";

const status: WorkerStatus = {
  blockCount: 8,
  removed: null,
  controllers: [],
  missing: [],
  paths: [],
};
const close: CloseData = {
  reason: undefined,
  phasesMs: { drain: 1 },
  totalMs: 1,
  abortedCommands: 3,
  shutdown: "complete",
  openHandles: [],
};

/** A worker, and the other end of its link. */
function attached(options: Partial<AttachedOptions> = {}) {
  const clock = new VirtualClock();
  const [link, far] = MemoryLink.pair(clock);
  const heard: ToWorker[] = [];
  far.receive({ received: (message) => heard.push(message as ToWorker), ended: () => {} });
  const changes: string[] = [];
  const worker = new AttachedWorker({
    id: 1,
    name: "w",
    link,
    clock,
    policy: { mode: "active-passive" },
    asksMax: 2,
    terminate: undefined,
    opened: () => changes.push("opened"),
    changed: ({ state }) => changes.push(state),
    ...options,
  });
  const says = (...messages: ToMain[]): void => {
    for (const message of messages) far.post(message);
    clock.settle();
  };
  const opened = (): void => says({ type: "hello" }, { type: "opened", status });
  const closes = (boundMs = 1_000) => {
    const reports: (WorkerCloseReport & { readonly atMs: number })[] = [];
    worker.close(boundMs, (report) => reports.push({ ...report, atMs: clock.nowMs() }));
    return reports;
  };
  return { clock, link, far, heard, changes, worker, says, opened, closes };
}

/** A request, and what came of it. */
function asked({ worker }: ReturnType<typeof attached>, boundMs = 100) {
  const codes: (string | undefined)[] = [];
  worker.ask({ what: "reset" }, boundMs, (error) => codes.push(error?.code));
  return codes;
}

test("a worker that opens, does what it is asked, and closes", () => {
  const scene = attached();
  scene.opened();
  expect(scene.worker).toMatchObject({ state: "open", status, end: undefined });
  const codes = asked(scene);
  expect(codes).toEqual([]);
  scene.clock.settle();
  expect(scene.heard).toEqual([{ type: "ask", id: 1, wish: { what: "reset" } }]);
  scene.says({ type: "answer", id: 1, error: undefined, status: { ...status, blockCount: 9 } });
  expect(codes).toEqual([undefined]);
  expect(scene.worker.status?.blockCount).toBe(9);
  const reports = scene.closes(1_000);
  scene.clock.advance(5);
  expect(scene.heard.at(-1)).toEqual({ type: "close", boundMs: 700 });
  scene.says({ type: "closed", close });
  expect(reports).toEqual([{ id: 1, name: "w", end: "closed", totalMs: 5, close, atMs: 5 }]);
  expect(scene.changes).toEqual(["opening", "open", "opened", "open", "closing", "ended"]);
  expect({ armed: scene.clock.armed, closed: scene.link.isClosed }).toEqual({
    armed: 0,
    closed: true,
  });
});

test("an error of a worker is one here, with all that it says", () => {
  const scene = attached();
  scene.opened();
  const errors: unknown[] = [];
  scene.worker.ask({ what: "enable" }, 100, (error) => errors.push(error));
  const cause = Object.assign(new Error("refused"), { code: "NVME_ERR_UNREACHABLE" });
  const error = {
    ...errorData(cause),
    hint: "Start it.",
    phase: "tcp",
    outcome: "not-sent" as const,
  };
  scene.says({ type: "answer", id: 1, error, status });
  expect(errors).toEqual([
    expect.objectContaining({ code: "NVME_ERR_UNREACHABLE", hint: "Start it.", phase: "tcp" }),
  ]);
});

test("a request that is not answered fails in its time, and keeps its place until it is", () => {
  const scene = attached();
  scene.opened();
  const [first, second] = [asked(scene, 100), asked(scene, 200)];
  scene.clock.advance(100);
  expect([first, second]).toEqual([["NVME_ERR_WORKER_STUCK"], []]);
  scene.clock.advance(100);
  expect(second).toEqual(["NVME_ERR_WORKER_STUCK"]);
  const third = asked(scene);
  scene.clock.settle();
  expect(third).toEqual(["NVME_ERR_LIMIT_REACHED"]);
  expect(scene.worker.asked).toBe(2);
  scene.says({ type: "answer", id: 1, error: undefined, status });
  expect(first).toHaveLength(1);
  const fourth = asked(scene);
  scene.says({ type: "answer", id: 3, error: undefined, status });
  expect(fourth).toEqual([undefined]);
});

test("a worker that has not opened is not asked", () => {
  const scene = attached();
  const codes = asked(scene);
  expect(codes).toEqual([]);
  scene.clock.settle();
  expect(codes).toEqual(["NVME_ERR_WORKER_GONE"]);
  expect(scene.heard).toEqual([]);
});

test("each status is seen, and says so to the worker", () => {
  const scene = attached();
  scene.opened();
  scene.says({ type: "status", status: { ...status, removed: "gone" } });
  expect(scene.heard).toEqual([{ type: "seen" }]);
  expect(scene.worker.status?.removed).toBe("gone");
});

test("a stuck worker is reported at the bound, and left alone", () => {
  const scene = attached();
  scene.opened();
  scene.far.stick();
  const codes = asked(scene, 10_000);
  const reports = scene.closes(1_000);
  scene.clock.advance(999);
  expect(reports).toEqual([]);
  scene.clock.advance(1);
  expect(reports).toMatchObject([{ end: "stuck", totalMs: 1_000, close: undefined }]);
  expect(codes).toEqual(["NVME_ERR_WORKER_GONE"]);
  expect(scene.worker.error?.code).toBe("NVME_ERR_WORKER_STUCK");
  expect({ armed: scene.clock.armed, closed: scene.link.isClosed }).toEqual({
    armed: 0,
    closed: true,
  });
});

test("with permission its thread is ended before the bound is reached", () => {
  const terminated: number[] = [];
  const scene = attached({
    terminate: () => {
      terminated.push(scene.clock.nowMs());
      scene.clock.at(scene.clock.nowMs() + 20, () => scene.far.close());
    },
  });
  scene.opened();
  scene.far.stick();
  const reports = scene.closes(1_000);
  scene.clock.drain();
  expect(terminated).toEqual([850]);
  expect(reports).toMatchObject([{ end: "terminated", totalMs: 870 }]);
});

test("a thread that cannot be ended does not keep the close beyond its bound", async () => {
  const scene = attached({ terminate: () => Promise.reject(new Error("no")) });
  scene.opened();
  scene.far.stick();
  const reports = scene.closes(1_000);
  scene.clock.drain();
  expect(reports).toMatchObject([{ end: "stuck", totalMs: 1_000 }]);
  // Its rejection is nobody's uncaught error.
  await Promise.resolve();
});

test.each([
  ["a handle that nobody has opened", [], "unopened", undefined],
  [
    "a worker that connects, and then says that it could not",
    ["hello", "failed"],
    "failed",
    "NVME_ERR_X",
  ],
] as const)("%s ends at once", (_what, said, end, code) => {
  const scene = attached();
  const error = errorData(Object.assign(new Error("x"), { code: "NVME_ERR_X" }));
  for (const type of said) scene.says(type === "failed" ? { type, error } : { type });
  const reports = scene.closes();
  scene.clock.settle();
  expect(reports).toMatchObject([{ end, totalMs: 0 }]);
  expect(scene.worker.error?.code).toBe(code);
});

test("a thread that ends without a word is gone, and its requests fail", () => {
  const scene = attached();
  scene.opened();
  const codes = asked(scene);
  scene.far.close();
  scene.clock.settle();
  expect(codes).toEqual(["NVME_ERR_WORKER_GONE"]);
  expect(scene.worker).toMatchObject({ state: "ended", end: "gone" });
  expect(scene.worker.error?.code).toBe("NVME_ERR_WORKER_GONE");
});

test("two who close wait for one end; who comes later gets the same", () => {
  const scene = attached();
  scene.opened();
  const [one, other] = [scene.closes(1_000), scene.closes(5)];
  scene.clock.advance(100);
  expect([one, other]).toEqual([[], []]);
  scene.says({ type: "closed", close });
  const late = scene.closes();
  scene.clock.settle();
  expect([one, other, late].map((reports) => reports.map(({ end }) => end))).toEqual([
    ["closed"],
    ["closed"],
    ["closed"],
  ]);
});

type Move = ToMain["type"] | "ask" | "close" | "wait" | "leave" | "stick";
const moves: readonly Move[] = [
  ...(["hello", "opened", "failed", "answer", "status", "closed"] as const),
  ...(["ask", "close", "wait", "leave", "stick"] as const),
];

test("whatever happens in whatever order: a close ends once, in its bound, and leaves nothing", () => {
  const anything = fc.array(fc.constantFrom(...moves), { maxLength: 30 });
  fc.assert(
    fc.property(anything, fc.boolean(), (script, mayTerminate) => {
      const scene: ReturnType<typeof attached> = attached(
        mayTerminate ? { terminate: () => scene.far.close() } : {},
      );
      const answers: unknown[][] = [];
      const error = errorData(new Error("x"));
      let asks = 0;
      for (const move of script) {
        if (move === "ask") answers.push(asked(scene));
        else if (move === "close") scene.closes(50);
        else if (move === "wait") scene.clock.advance(30);
        else if (move === "leave") scene.far.close();
        else if (move === "stick") scene.far.stick();
        else if (move === "failed") scene.says({ type: move, error });
        else if (move === "answer")
          scene.says({ type: move, id: ++asks, error: undefined, status });
        else if (move === "closed") scene.says({ type: move, close });
        else if (move === "hello") scene.says({ type: move });
        else scene.says({ type: move, status });
      }
      const fromMs = scene.clock.nowMs();
      const reports = scene.closes(50);
      scene.clock.drain();
      expect(reports).toHaveLength(1);
      expect(reports[0]!.atMs - fromMs).toBeLessThanOrEqual(50);
      expect(answers.map(({ length }) => length)).toEqual(answers.map(() => 1));
      expect({ armed: scene.clock.armed, asked: scene.worker.asked }).toEqual({
        armed: 0,
        asked: 0,
      });
      expect(scene.link.isClosed).toBe(true);
    }),
    { numRuns: 500 },
  );
});
