// The channels of the process, heard by name: what comes of a host's life, and listeners that throw.
// Read first: channels.ts.

import { BlockOp } from "@nvmeof/bdev";
import { AnaState } from "@nvmeof/codec";
import { hostChannels } from "@nvmeof/core";
import { tcp } from "@nvmeof/transport/node";
import { expect, test } from "vitest";
import { type ChannelName, channelFacts, listen } from "./channels.ts";
import { Lab } from "./testing/lab.ts";

/** Listens to `names`; the returned function ends that, and gives what was heard. */
function hearing(...names: readonly ChannelName[]): () => string[] {
  const heard: string[] = [];
  const stops = names.map((name) => listen(name, () => heard.push(name)));
  return () => {
    for (const stop of stops) stop();
    return heard;
  };
}

test("every channel that hosts publish on is described, once", () => {
  expect(channelFacts.map(({ name }) => name)).toEqual(Object.values(hostChannels));
});

test("a host over sockets publishes by itself; one over memory where it is told to", () => {
  expect(tcp({ host: "192.0.2.1", port: 4420 }).diagnostics).toBeTypeOf("function");
  expect(new Lab().transport(0).diagnostics).toBeUndefined();
});

test("who listens hears of a connection, of a request, and of the end", async () => {
  const lab = new Lab();
  const stop = hearing("nvmeof:path:connecting", "nvmeof:path:live", "nvmeof:path:removed");
  const operations: string[] = [];
  const stopCommands = listen("nvmeof:command:complete", ({ qid, operation, durationMs }) => {
    if (qid > 0 && operation !== "Connect") operations.push(`${operation} ${durationMs} ms`);
  });
  const host = await lab.connect();
  const disk = await host.openNamespace(1);
  await lab.request(disk.openChannel(), BlockOp.Read);
  await lab.close(host);
  stopCommands();
  expect(operations).toEqual(["Read 2 ms"]);
  expect(stop()).toEqual(["nvmeof:path:connecting", "nvmeof:path:live", "nvmeof:path:removed"]);
});

test("a change of the ANA state is told, with what was and what is", async () => {
  const lab = new Lab();
  const host = await lab.connect();
  const changes: unknown[] = [];
  const stop = listen("nvmeof:ana:change", ({ nsid, from, to }) => changes.push([nsid, from, to]));
  lab.target.subsystems[0]!.setAnaState({ group: 1, state: AnaState.NonOptimized });
  await lab.during(
    new Promise((resolve) => lab.clock.at(lab.clock.nowMs() + 50, () => resolve(0))),
  );
  stop();
  expect(changes).toEqual([[1, AnaState.Optimized, AnaState.NonOptimized]]);
  await lab.close(host);
});

test("a listener that throws is an uncaught exception, and the command ends as it would", async () => {
  const lab = new Lab();
  const host = await lab.connect();
  const disk = await host.openNamespace(1);
  const channel = disk.openChannel();
  // The test runner takes uncaught exceptions for failures: it does not hear of these two.
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const thrown: string[] = [];
  process.on("uncaughtException", (error) => thrown.push(error.message));
  const broken = (): never => {
    throw new Error("a listener that is broken");
  };
  const stops = [listen("nvmeof:command:start", broken), listen("nvmeof:command:complete", broken)];
  try {
    expect(await lab.request(channel, BlockOp.Read)).toBeUndefined();
  } finally {
    for (const stop of stops) stop();
    process.removeAllListeners("uncaughtException");
    for (const other of others) process.on("uncaughtException", other);
  }
  expect(thrown).toEqual(["a listener that is broken", "a listener that is broken"]);
  await lab.close(host);
});
