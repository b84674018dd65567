// What the production host and target say to each other is right by the decoder, and all of it is seen.

import { describe, expect, test } from "vitest";
import { told } from "./testing/recording.ts";
import { World, type Shape, worldCapture, worldShapes } from "./testing/world.ts";

const count = (all: readonly { readonly type: string }[], type: string): number =>
  all.filter((event) => event.type === type).length;

describe.each(worldShapes)("$name", (shape: Shape) => {
  test("no rule is broken, nothing is open, everything is linked", async () => {
    const { events, pdus, verdicts, decoder } = told(await worldCapture(shape));
    expect(verdicts).toEqual([]);
    expect(count(events, "open")).toBe(0);
    expect(count(events, "gap")).toBe(0);
    expect(decoder.error).toBeUndefined();
    expect(pdus.length).toBeGreaterThan(60);
    // Connection set-up has no command, and all else has one.
    const alone = pdus.filter(({ command, pdu }) => command === undefined && pdu.type > 1);
    expect(alone).toEqual([]);
    const capsules = pdus.filter(({ pdu }) => pdu.type === 4);
    const answers = pdus.filter(({ answers }) => answers);
    // Asynchronous Event Requests wait for ever.
    const patient = capsules.filter(({ command }) => command!.name === "Async Event Request");
    expect(answers).toHaveLength(capsules.length - patient.length);
    for (const { command } of answers) {
      expect(command!.answer!.latencyMs).toBeGreaterThan(0);
      expect(command!.answer!.status).toBe(0);
    }
  });

  test("every digest that was agreed on is there, and right", async () => {
    const { pdus } = told(await worldCapture(shape));
    const digested = pdus.filter(({ pdu }) => pdu.type > 3);
    const wanted = (isOn: boolean | undefined): string => (isOn === true ? "good" : "absent");
    for (const { pdu } of digested) {
      expect(pdu.headerDigest.state).toBe(wanted(shape.headerDigest));
      if (pdu.dataBytes > 0) expect(pdu.dataDigest.state).toBe(wanted(shape.dataDigest));
    }
  });
});

test("a connection knows who its ends are, and what they agreed on", async () => {
  const { events } = told(await worldCapture(worldShapes[0]!));
  const ends = events.filter((event) => event.type === "end");
  expect(ends.map(({ connection }) => connection.queueText)).toEqual(["admin", "admin", "q1"]);
  const [discovery, admin, io] = ends.map(({ connection }) => connection);
  expect(discovery!.connect?.subsystemNqn).toBe("nqn.2014-08.org.nvmexpress.discovery");
  expect(admin).toMatchObject({
    icReq: { maxR2t: 1, headerDigest: false },
    icResp: { maxH2cDataBytes: 131_072 },
    connect: { qid: 0, subsystemNqn: "nqn.2026-01.dev.nvmeof:world", cntlid: expect.any(Number) },
    controller: { address: "192.0.2.2", port: 4420 },
    endedBy: "fin",
  });
  expect(io!.connect!.cntlid).toBe(admin!.connect!.cntlid);
  expect(io!.counts).toMatchObject({ errors: 0, open: 0, dataToController: 1217 * 512 + 1024 });
});

test("the same file in pieces of any length tells the same", async () => {
  const file = await worldCapture(worldShapes[3]!);
  const whole = told(file).events.map((event) => `${event.type} ${event.frame}`);
  for (const chunkBytes of [1, 7, 1000]) {
    const cut = told(file, {}, chunkBytes).events.map((event) => `${event.type} ${event.frame}`);
    expect(cut).toEqual(whole);
  }
});

test("commands that fail are counted as errors, and are no verdict", async () => {
  const world = new World({ name: "errors" });
  const handle = await world.controller();
  const refused = await world.result(
    handle.logPage({ lid: 0xbf }, 512).then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
  expect(refused).toMatchObject({ code: "NVME_ERR_STATUS" });
  await world.result(handle.close());
  await world.close();
  const { pdus, verdicts } = told(world.recording.bytes);
  expect(verdicts).toEqual([]);
  const failed = pdus.filter(({ answers, command }) => answers && command!.answer!.status !== 0);
  expect(failed).toHaveLength(1);
  expect(failed[0]!.connection.counts.errors).toBe(1);
});
