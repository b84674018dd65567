// connect --hold: what it prints while paths come and go, and how it ends.

import { afterEach, beforeEach, expect, test } from "vitest";
import type { EventEnvelope } from "./envelope.ts";
import { failure, start } from "./testing/run.ts";
import { type TestTarget, testPort, testTarget } from "./testing/target.ts";

let target: TestTarget;
beforeEach(async () => (target = await testTarget([{}, {}])));
afterEach(() => target.served.close());

const events = (text: string): EventEnvelope[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as EventEnvelope);

test("it stays until Ctrl-C, which ends it in order and with 0", async () => {
  const left = new Promise<void>((resolve) =>
    target.served.target.observe(({ type }) => type === "controller-removed" && resolve()),
  );
  const run = start(["connect", "--hold", target.uri]);
  await run.stdout.contains("live, controller 1, namespaces 1, 2\n");
  run.signal("SIGINT");
  expect(await run.ended).toBe(0);
  expect(run.stdout.text).toMatch(/Z {2}closed in .*, shutdown complete\n$/);
  // The target learns of it when the last bytes have reached it.
  await left;
  expect(target.served.target.status.controllers).toBe(0);
});

test("as JSON every event is an envelope on a line of its own", async () => {
  const port = await testPort(target);
  const run = start(["connect", "--hold", target.uri, port.uri, "--json"]);
  await run.stdout.contains(`"path":"path 2"`);
  port.drop();
  await run.stdout.contains(`"to":"waiting"`);
  await port.restore();
  await run.stdout.contains(`"from":"recovering","to":"live"`);
  run.signal("SIGTERM");
  expect(await run.ended).toBe(0);
  const told = events(run.stdout.text);
  expect(told[0]).toMatchObject({
    schema: "nvmeof/connect",
    event: "connected",
    data: { path: "path 1", trsvcid: String(target.port), state: "live", namespaces: [1, 2] },
    error: null,
  });
  const states = told
    .filter(({ event }) => event === "state")
    .map(({ data }) => data as { path: string; from: string; to: string });
  expect(states[0]).toMatchObject({ path: "path 2", from: "live", to: "recovering" });
  expect(told.map(({ event }) => event)).toContain("retry");
  expect(told.at(-1)).toMatchObject({
    event: "closed",
    data: { shutdowns: ["complete", "complete"] },
  });
});

test("a namespace that the target takes away is told", async () => {
  const run = start(["connect", "--hold", target.uri]);
  await run.stdout.contains("live, controller");
  target.served.subsystem.removeNamespace(2);
  await run.stdout.contains("namespace 2 is gone: namespace 2 was removed\n");
  run.signal("SIGINT");
  expect(await run.ended).toBe(0);
});

test("when the last path is gone for good it ends, and says that it was lost", async () => {
  const run = start(["connect", "--hold", target.uri, "--no-retries"]);
  await run.stdout.contains("live, controller");
  await target.served.close();
  expect(await run.ended).toBe(14);
  expect(run.stdout.text).toContain("path 1 is given up");
  expect(run.stderr.text).toMatch(/^nvmeof: /);
});

test("a target that is silent does not keep it for longer than the bound", async () => {
  const run = start(["connect", "--hold", target.uri]);
  await run.stdout.contains("live, controller");
  target.served.target.freeze();
  const startMs = performance.now();
  run.signal("SIGINT");
  expect(await run.ended).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(2_500);
  expect(run.stdout.text).toContain("shutdown unanswered");
  target.served.target.thaw();
});

test("several addresses are for --hold, and are of one subsystem", async () => {
  const both = [target.uri, "nvme+tcp://127.0.0.1:1"];
  expect(await failure(["connect", ...both])).toMatchObject({ code: "NVME_ERR_USAGE" });
  // The second takes the NQN of the first.
  expect(await failure(["connect", "--hold", ...both])).toMatchObject({
    code: "NVME_ERR_UNREACHABLE",
    peer: { port: 1 },
    exitCode: 4,
  });
  const other = "nvme+tcp://127.0.0.1:1/nqn.2024-01.org.example:other";
  expect(await failure(["connect", "--hold", target.uri, other])).toMatchObject({
    message: "the addresses are of several subsystems",
    exitCode: 2,
  });
  expect(await failure(["connect", "--hold", ...both, "-a", "127.0.0.1"])).toMatchObject({
    exitCode: 2,
  });
});

test("-a once more is one more path", async () => {
  const again = ["-s", String(target.port), "-a", "127.0.0.1", "-a", "127.0.0.1"];
  const error = await failure(["connect", "--hold", target.uri, ...again]);
  expect(error).toMatchObject({ code: "NVME_ERR_DUPLICATE", exitCode: 2 });
});
