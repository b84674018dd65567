// Destruct over real sockets: a target in another process is stopped, killed, or left.
// Read first: ../destruct.test.ts for the same rows in virtual time; reliability-anchors.md §3.1.

import { connect } from "@nvmeof/bdev/nvme";
import { expect, test } from "vitest";
import { type Program, start, startTarget } from "./processes.ts";
import { Requests, connectOptions, nothingIsLeft, resourcesBeyond } from "./requests.ts";

/** The bound of a close, and a tenth for the machine. */
const CLOSE_BOUND_MS = 2_200;

test("F1, F2 (sockets): 128 reads to a target that is stopped settle once, within the bound; nothing is left", async () => {
  await using target = await stoppable();
  const base = process.getActiveResourcesInfo();
  const host = await connect(connectOptions(target, { ioQueues: 2 }));
  const namespace = await host.openNamespace(1);
  // Their consumers never close them.
  const channels = [namespace.openChannel(), namespace.openChannel()];
  const before = new Requests();
  for (const channel of channels) before.read(channel, 8);
  await before.all;
  target.stop();
  const requests = new Requests();
  for (const channel of channels) requests.read(channel, 64);
  const startedMs = performance.now();
  const report = await host.close();
  expect(performance.now() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(report.totalMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  expect(report.abortedCommands).toBe(128);
  await requests.all;
  expect(requests.settled.map(({ length }) => length)).toEqual(requests.settled.map(() => 1));
  expect(requests.codes).toEqual(["NVME_ERR_CONTROLLER_CLOSED"]);
  expect(await resourcesBeyond(base)).toEqual([]);
  // The name is free, and the target does not mind what it was spared.
  target.goOn();
  const again = await connect(connectOptions(target));
  const read = new Requests().read((await again.openNamespace(1)).openChannel(), 16);
  await read.all;
  expect(read.codes).toEqual(["none"]);
  await again.close();
  expect(requests.settled.map(({ length }) => length)).toEqual(requests.settled.map(() => 1));
  await nothingIsLeft(base);
});

test("F1 (sockets): the same with a target that is killed: its reset is no way out of the bound", async () => {
  await using target = await stoppable();
  const base = process.getActiveResourcesInfo();
  const host = await connect(connectOptions(target, { ioQueues: 2 }));
  const channel = (await host.openNamespace(1)).openChannel();
  target.stop();
  const requests = new Requests().read(channel, 64);
  const killed = target.kill();
  const startedMs = performance.now();
  await host.close();
  expect(performance.now() - startedMs).toBeLessThanOrEqual(CLOSE_BOUND_MS);
  await Promise.all([requests.all, killed]);
  expect(requests.settled.map(({ length }) => length)).toEqual(requests.settled.map(() => 1));
  expect(await resourcesBeyond(base)).toEqual([]);
});

test("F9, F10 (sockets): a close while connecting to a target that is stopped, and while waiting", async () => {
  await using target = await stoppable();
  const base = process.getActiveResourcesInfo();
  target.stop();
  const abort = new AbortController();
  const connecting = connect(connectOptions(target, { signal: abort.signal }));
  // The kernel accepts for a process that is stopped: it is the ICResp that does not come.
  abort.abort(new Error("enough"));
  await expect(connecting).rejects.toThrow("enough");
  expect(await resourcesBeyond(base)).toEqual([]);
  target.goOn();
  const host = await connect(connectOptions(target));
  const { controller } = host.controller;
  const waiting = new Promise<void>((resolve) =>
    controller.observe((event) => event.type === "retry" && resolve()),
  );
  await target.kill();
  await waiting;
  expect(controller.state).toBe("waiting");
  const startedMs = performance.now();
  await host.close();
  expect(performance.now() - startedMs).toBeLessThanOrEqual(50);
  expect(await resourcesBeyond(base)).toEqual([]);
});

test("F17: a program that closes its host ends by itself, and one that exits leaves the target clean", async () => {
  const { program: target, port } = await startTarget();
  await using _target = target;
  for (const how of ["close", "exit"]) {
    await using program = await start("host-program", [String(port), how]);
    expect(await program.says()).toEqual({ read: "ok" });
    if (how === "close") expect(await program.says()).toEqual({ left: [] });
    expect(await program.exit).toBe(0);
  }
  await expectNobodyThere(target);
});

test("F17: a program that never closes its host is kept by its connections, and a signal ends it", async () => {
  const { program: target, port } = await startTarget();
  await using _target = target;
  await using program = await start("host-program", [String(port), "forget"]);
  expect(await program.says()).toEqual({ read: "ok" });
  // One for each queue: an open controller keeps a program as any open socket does. It says so in
  // the README; who wants to end closes it.
  const { left } = await program.says<{ left: string[] }>();
  expect(left.filter((kind) => kind.startsWith("TCP"))).toHaveLength(2);
  program.child.kill("SIGTERM");
  expect(await program.exit).toBeUndefined();
  await expectNobodyThere(target);
});

test("F17: a target that is closed ends by itself, whatever its hosts do with their ends", async () => {
  const { program: target, port } = await startTarget();
  await using _target = target;
  await using host = await start("host-program", [String(port), "forget"]);
  expect(await host.says()).toEqual({ read: "ok" });
  // It does not even read that the target has gone.
  host.child.kill("SIGSTOP");
  target.child.stdin!.write("close\n");
  expect(await target.says()).toEqual({ left: [] });
  expect(await target.exit).toBe(0);
});

/** The sockets of a program that has ended are gone with it, and the target notices. */
async function expectNobodyThere(target: Program): Promise<void> {
  for (;;) {
    target.child.stdin!.write("?\n");
    const status = await target.says<{ connections: number; controllers: number }>();
    if (status.connections === 0) {
      expect(status.controllers).toBe(0);
      return;
    }
  }
}

/** A target that can be stopped, and is let go and ended with the test. */
async function stoppable() {
  const { program, host, port } = await startTarget();
  return {
    host,
    port,
    stop: () => void program.child.kill("SIGSTOP"),
    goOn: () => void program.child.kill("SIGCONT"),
    kill: () => program[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
