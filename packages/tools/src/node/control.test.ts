// The control socket, over a real Unix socket: who is told what, who is cut off, and what is left behind.

import { once } from "node:events";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { type Socket, connect as connectTo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measuring, memoryDevice, openDisk } from "@nvmeof/bdev";
import { connect } from "@nvmeof/bdev/nvme";
import { serve } from "@nvmeof/target/node";
import { systemClock, tcp } from "@nvmeof/transport/node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { requestLine } from "../control/protocol.ts";
import { ratesBetween } from "../control/rates.ts";
import { ControlClient, controlProcesses } from "./control-client.ts";
import { controlFolder } from "./control-folder.ts";
import { type ExposedControl, exposeControl } from "./expose-control.ts";

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "nvmeof-control-"));
  folder = join(root, "nvmeof");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const device = () =>
  memoryDevice({ name: "ram0", clock: systemClock, blockBytes: 512, blockCount: 2048 });

async function pair() {
  const served = await serve({ namespaces: [device()], port: 0 });
  const host = await connect({
    transport: tcp(served.address),
    subsystemNqn: served.subsystem.nqn,
    hostNqn: "nqn.2014-08.org.nvmexpress:uuid:5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11",
    hostId: "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11",
  });
  const close = async (): Promise<void> => {
    await host.close();
    await served.close();
  };
  return { host, served, close, [Symbol.asyncDispose]: close };
}

/** A client that does what no client of ours does. */
async function raw({ path }: ExposedControl): Promise<Socket> {
  const socket = connectTo({ path });
  socket.on("error", () => {}); // it is cut off
  await once(socket, "connect");
  return socket;
}

async function allOf(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}

test("host and target are told of, with what was done between two looks", async () => {
  await using both = await pair();
  const { host, served } = both;
  await using exposed = await exposeControl([host, served.target], {
    name: "a test",
    folder,
    limits: { snapshotIntervalMs: 1 },
  });
  await using client = await ControlClient.connect(exposed.path);
  const before = await client.snapshot();
  const disk = openDisk(await host.openNamespace(1));
  await disk.write(7, new Uint8Array(1024).fill(1));
  await disk.read(7, 1);
  const after = await client.snapshot();
  const rates = ratesBetween(before, after)!;
  const [ours, theirs] = rates.subsystems;
  const perSecond = 1_000 / rates.elapsedMs;
  for (const each of [ours!, theirs!]) {
    expect(each.rates.writesPerSecond).toBeCloseTo(perSecond);
    expect(each.rates.readBytesPerSecond).toBeCloseTo(512 * perSecond);
  }
  expect(ours).toMatchObject({ role: "host", nqn: served.subsystem.nqn, totals: { errors: 0 } });
  expect(ours!.rates.writeLatencyMs).toBeGreaterThan(0);
  expect(ours!.rates.utilizationPercent).toBeGreaterThan(0);
  expect(after.subsystems[0]).toMatchObject({
    controllers: [{ state: "live", reason: null, queues: [{ qid: 1, inflight: 0 }], resets: 0 }],
    namespaces: [{ nsid: 1, blockCount: 2048, paths: [{ anaState: "optimized", isUsable: true }] }],
  });
  expect(after.subsystems[1]).toMatchObject({
    role: "target",
    controllers: [{ host: host.controller.controller.options.hostNqn, state: "ready" }],
    namespaces: [{ nsid: 1, anaState: "optimized", io: { writes: 1, writtenBytes: 1024 } }],
  });
  expect(after.process).toMatchObject({ pid: process.pid, name: "a test" });
});

test("a controller that was reset is the same one, and says how often", async () => {
  await using both = await pair();
  await using exposed = await exposeControl(both.host, {
    folder,
    limits: { snapshotIntervalMs: 1 },
  });
  await using client = await ControlClient.connect(exposed.path);
  const before = await client.snapshot();
  await both.host.group.reset();
  const after = await client.snapshot();
  const [one, two] = [before, after].map(({ subsystems }) => subsystems[0]!.controllers[0]!);
  expect(two).toMatchObject({ id: one!.id, state: "live", resets: 1, losses: 0, reconnects: 0 });
});

test("a device that counts is a source as well", async () => {
  const measured = measuring(device(), systemClock);
  await using exposed = await exposeControl([], { folder });
  const remove = exposed.add(measured);
  await openDisk(measured).write(0, new Uint8Array(512));
  await using client = await ControlClient.connect(exposed.path);
  const { subsystems } = await client.snapshot();
  expect(subsystems).toMatchObject([
    { role: "device", name: "ram0", namespaces: [{ io: { writes: 1, writtenBytes: 512 } }] },
  ]);
  remove();
  expect((await client.hello()).subsystems).toEqual([]);
});

test("nobody but the owner can get at the socket, and it goes when it is closed", async () => {
  const exposed = await exposeControl([], { folder });
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(exposed.path).mode & 0o777).toBe(0o600);
  const client = await ControlClient.connect(exposed.path);
  const asked = client.snapshot();
  await asked;
  await exposed.close();
  await exposed.close();
  expect(readdirSync(folder)).toEqual([]);
  await expect(client.snapshot()).rejects.toMatchObject({ code: "NVME_ERR_CONNECTION_LOST" });
});

test("where others may write there is no socket", async () => {
  chmodSync(root, 0o777);
  await expect(exposeControl([], { folder: root })).rejects.toMatchObject({
    code: "NVME_ERR_CONTROL",
    message: expect.stringContaining("others may write there") as string,
  });
  symlinkSync(tmpdir(), folder);
  await expect(exposeControl([], { folder })).rejects.toMatchObject({ code: "NVME_ERR_CONTROL" });
  expect(await controlProcesses(folder)).toEqual([]);
  const nowhere = join(root, "no", "such", "folder");
  await expect(exposeControl([], { folder: nowhere })).rejects.toMatchObject({
    code: "NVME_ERR_CONTROL",
  });
});

test("a process may have several, and sockets that were left behind are taken away", async () => {
  await using first = await exposeControl([], { name: "first", folder });
  await using second = await exposeControl([], { name: "second", folder });
  expect(second.path).toBe(first.path.replace(".sock", "-2.sock"));
  // Node removes the name that it was bound to, and this one has another by then.
  const dead = createServer().listen({ path: join(folder, "dead") });
  await once(dead, "listening");
  renameSync(join(folder, "dead"), join(folder, "1.sock"));
  dead.close();
  await once(dead, "close");
  expect(readdirSync(folder)).toContain("1.sock");
  const found = await controlProcesses(folder);
  expect(found.map(({ hello }) => hello?.process.name).sort()).toEqual(["first", "second"]);
  expect(readdirSync(folder)).toHaveLength(2);
});

test("a socket of a process that was killed is taken over by one with the same number", async () => {
  await using exposed = await exposeControl([], { folder });
  const name = join(folder, `${process.pid}.sock`);
  await exposed.close();
  const dead = createServer().listen({ path: join(folder, "dead") });
  await once(dead, "listening");
  renameSync(join(folder, "dead"), name);
  dead.close();
  await once(dead, "close");
  await using again = await exposeControl([], { folder });
  expect(again.path).toBe(name);
});

test("a process that does not say who it is is listed without", async () => {
  await using exposed = await exposeControl([], { folder });
  const silent = createServer((socket) => {
    socket.on("error", () => {}); // who asked goes at once
    socket.end("hello\n");
  }).listen(join(folder, "7.sock"));
  await once(silent, "listening");
  const found = await controlProcesses(folder);
  expect(found.map(({ pid, hello }) => [pid, hello?.process.pid])).toEqual([
    [7, undefined],
    [process.pid, process.pid],
  ]);
  expect(exposed.path).toContain(String(process.pid));
  silent.close();
});

test("who asks too much at once is told so, and cut off", async () => {
  await using exposed = await exposeControl([], { folder });
  const long = await raw(exposed);
  long.write(`${requestLine("hello", 1)}${" ".repeat(5_000)}\n`);
  const [first, second] = (await allOf(long)).split("\n");
  expect(first).toContain(`"get":"hello"`);
  expect(second).toContain("too long");
  const strange = await raw(exposed);
  strange.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect((await allOf(strange)).split("\n")).toHaveLength(2);
});

test("who does not read is cut off, and others are not kept waiting", async () => {
  await using both = await pair();
  await using exposed = await exposeControl(both.host, { folder, limits: { stallTimeoutMs: 50 } });
  const rude = await raw(exposed);
  rude.pause();
  rude.write(requestLine("snapshot", 1).repeat(20_000));
  await using client = await ControlClient.connect(exposed.path);
  expect((await client.snapshot()).subsystems).toHaveLength(1);
  // What it has written and nobody reads any more is how it learns of its end.
  await new Promise((resolve) => rude.once("close", resolve));
  expect((await client.hello()).subsystems).toHaveLength(1);
  expect(exposed.clients).toBe(1);
});

test("one client too many takes the place of the one that was silent longest", async () => {
  await using exposed = await exposeControl([], { folder, limits: { clientsMax: 2 } });
  await using first = await ControlClient.connect(exposed.path);
  await first.hello();
  await using second = await ControlClient.connect(exposed.path);
  await second.hello();
  await first.hello();
  await using third = await ControlClient.connect(exposed.path);
  await third.hello();
  await first.hello();
  await expect(second.hello()).rejects.toMatchObject({ code: "NVME_ERR_CONNECTION_LOST" });
});

test("who asks again at once gets the snapshot that there is", async () => {
  await using exposed = await exposeControl([], {
    folder,
    limits: { snapshotIntervalMs: 60_000 },
  });
  await using client = await ControlClient.connect(exposed.path);
  const { nowMs } = await client.snapshot();
  expect((await client.snapshot()).nowMs).toBe(nowMs);
});

test("a snapshot has as many rows as it may, and says how many there is no room for", async () => {
  await using both = await pair();
  await using exposed = await exposeControl(both.host, { folder, limits: { rowsMax: 2 } });
  await using client = await ControlClient.connect(exposed.path);
  // A controller and a namespace; the path, the queue and the subsystem are too many.
  expect((await client.snapshot()).leftOut).toBeGreaterThan(0);
});

test("where nobody listens there is no process, and bounds are numbers", async () => {
  await expect(ControlClient.connect(join(root, "none"))).rejects.toMatchObject({
    code: "NVME_ERR_NOT_FOUND",
  });
  expect(await controlProcesses(folder)).toEqual([]);
  const limits = { clientsMax: 0 };
  await expect(exposeControl([], { folder, limits })).rejects.toBeInstanceOf(RangeError);
});

test("the folder is that of the session, or one of the user among those that are temporary", () => {
  expect(controlFolder({ XDG_RUNTIME_DIR: "/run/user/7" })).toBe("/run/user/7/nvmeof");
  expect(controlFolder({})).toMatch(/nvmeof-\d+$/);
});
