// The negotiation as clients see it: what each option is answered.

import { memoryDevice } from "@nvmeof/bdev";
import { expect, test } from "vitest";
import { NbdBench, type NbdBenchOptions } from "../testing/nbd-bench.ts";
import {
  type OptionAnswer,
  infoData,
  joined,
  metaData,
  optionOf,
  text32,
} from "../testing/nbd-client.ts";
import { NbdInfo, NbdOption, OptionReply, TransmissionFlag } from "./protocol.ts";
import { integers } from "./replies.ts";

const {
  Ack,
  Info,
  Invalid,
  MetaContext,
  Policy,
  Server,
  TooBig,
  Unknown: UnknownExport,
  Unsupported,
} = OptionReply;

function setup(options: NbdBenchOptions = {}) {
  const bench = new NbdBench(options);
  const client = bench.connect();
  client.hello();
  const ask = (option: number, ...data: readonly Uint8Array[]): OptionAnswer[] => {
    client.send(optionOf(option, ...data));
    bench.settle();
    return client.optionAnswers();
  };
  const types = (option: number, ...data: readonly Uint8Array[]): number[] =>
    ask(option, ...data).map(({ type }) => type);
  return { bench, client, ask, types };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** Information by its kind. */
const infosOf = (answers: readonly OptionAnswer[]): Map<number, Uint8Array> =>
  new Map(
    answers
      .filter(({ type }) => type === Info)
      .map(({ data }) => [viewOf(data).getUint16(0), data.slice(2)]),
  );

test("a server says hello first: fixed newstyle, and no zeroes for those who want none", () => {
  const client = new NbdBench().connect();
  expect(text(client.take(16))).toBe("NBDMAGICIHAVEOPT");
  expect([...client.take(2)]).toEqual([0, 3]);
  expect(client.bytes).toHaveLength(0);
});

test("LIST tells all exports, with what there is to say of them", () => {
  const { bench, ask, types } = setup({ export: { description: "of all things" } });
  const device = memoryDevice({ name: "b", clock: bench.clock, blockBytes: 512, blockCount: 8 });
  bench.server.addExport({ name: "ümlaut", device });
  const answers = ask(NbdOption.List);
  expect(answers.map(({ type }) => type)).toEqual([Server, Server, Ack]);
  expect(answers[0]?.data).toEqual(
    joined(text32("disk"), new TextEncoder().encode("of all things")),
  );
  expect(answers[1]?.data).toEqual(text32("ümlaut"));
  expect(types(NbdOption.List, Uint8Array.of(1))).toEqual([Invalid]);
});

test("INFO tells size and flags, and what else was asked for, in any number", () => {
  const { ask, types } = setup({ export: { description: "of all things" } });
  const asked = [NbdInfo.Name, NbdInfo.Description, NbdInfo.BlockSize, 77];
  const answers = ask(NbdOption.Info, infoData("", ...asked));
  expect(answers.at(-1)).toMatchObject({ option: NbdOption.Info, type: Ack });
  const infos = infosOf(answers);
  expect([...infos.keys()]).toEqual([0, 1, 2, 3]);
  expect(viewOf(infos.get(0)!).getBigUint64(0)).toBe(4096n * 512n);
  expect(text(infos.get(1)!)).toBe("disk");
  expect(text(infos.get(2)!)).toBe("of all things");
  const sizes = viewOf(infos.get(3)!);
  expect([0, 4, 8].map((at) => sizes.getUint32(at))).toEqual([1, 4096, 32 * 2 ** 20]);
  // It goes on: nothing was chosen.
  expect(types(NbdOption.Info, infoData("disk"))).toEqual([Info, Ack]);
});

test("where bytes must be whole blocks, the block size is told to everybody", () => {
  const device = { blockBytes: 8192, blockCount: 16 };
  const { ask } = setup({ device, export: { unaligned: "error" } });
  const infos = infosOf(ask(NbdOption.Info, infoData("disk")));
  const sizes = viewOf(infos.get(3)!);
  expect([0, 4].map((at) => sizes.getUint32(at))).toEqual([8192, 8192]);
});

test("EXPORT_NAME answers with size, flags and zeroes, and none where the client wants none", () => {
  const bench = new NbdBench();
  for (const [flags, bytes] of [
    [1, 8 + 2 + 124],
    [3, 8 + 2],
  ] as const) {
    const client = bench.connect();
    client.hello(flags);
    client.send(optionOf(NbdOption.ExportName, new TextEncoder().encode("disk")));
    bench.settle();
    const answer = client.take(bytes);
    expect(client.bytes).toHaveLength(0);
    expect(viewOf(answer).getBigUint64(0)).toBe(4096n * 512n);
    expect([...answer.subarray(10)].every((byte) => byte === 0)).toBe(true);
  }
});

test("a client of the first days, without fixed newstyle, may choose an export", () => {
  const bench = new NbdBench();
  const client = bench.connect();
  client.hello(0);
  client.send(optionOf(NbdOption.ExportName));
  bench.settle();
  expect(client.bytes).toHaveLength(8 + 2 + 124);
});

test("an export without a name of its own is the one without a name", () => {
  const { bench, ask } = setup();
  const device = memoryDevice({ name: "b", clock: bench.clock, blockBytes: 512, blockCount: 8 });
  bench.server.addExport({ name: "", device });
  const infos = infosOf(ask(NbdOption.Info, infoData("", NbdInfo.Name)));
  expect(text(infos.get(1)!)).toBe("");
});

test("ABORT is acknowledged, and ends it, with whatever data", () => {
  const { bench, client, types } = setup();
  expect(types(NbdOption.Abort, new Uint8Array(100))).toEqual([Ack]);
  expect(client.state).toBe("ended");
  expect(bench.events).toMatchObject([{ type: "disconnected", reason: "client-done" }]);
});

test.each([4, 11, 0, 0xffff_ffff])("option %i is not known, and that is no harm", (option) => {
  const { ask, types } = setup();
  const [answer] = ask(option, new Uint8Array(5));
  expect(answer).toMatchObject({ option, type: Unsupported });
  expect(types(NbdOption.StructuredReply)).toEqual([Ack]);
});

test.each([
  ["STRUCTURED_REPLY with data", NbdOption.StructuredReply, Uint8Array.of(0), Invalid],
  ["INFO without data", NbdOption.Info, new Uint8Array(0), Invalid],
  ["INFO whose name is longer than its data", NbdOption.Info, integers([4, 9], [2, 0]), Invalid],
  [
    "GO with fewer requests than it says",
    NbdOption.Go,
    joined(text32("disk"), integers([2, 1])),
    Invalid,
  ],
  [
    "GO with more bytes than it says",
    NbdOption.Go,
    joined(infoData("disk"), Uint8Array.of(0)),
    Invalid,
  ],
  [
    "GO to a name that is no UTF-8",
    NbdOption.Go,
    joined(integers([4, 1]), Uint8Array.of(0xff), integers([2, 0])),
    Invalid,
  ],
  ["GO to a name with a NUL", NbdOption.Go, infoData("di\0sk"), Invalid],
  ["GO to a name of 4,097 bytes", NbdOption.Go, infoData("x".repeat(4097)), TooBig],
  ["GO to a name of 4,096 bytes", NbdOption.Go, infoData("x".repeat(4096)), UnknownExport],
  ["SET_META_CONTEXT before STRUCTURED_REPLY", NbdOption.SetMetaContext, metaData("disk"), Invalid],
  ["STARTTLS where there is none", NbdOption.StartTls, new Uint8Array(0), Policy],
  ["STARTTLS with data", NbdOption.StartTls, Uint8Array.of(0), Invalid],
])("%s is refused, and the negotiation goes on", (_what, option, data, type) => {
  const { types } = setup();
  expect(types(option, data)).toEqual([type]);
  expect(types(NbdOption.StructuredReply)).toEqual([Ack]);
});

test("metadata contexts: listed with wildcards, set by name, unknown ones left out", () => {
  const { ask, types } = setup();
  expect(types(NbdOption.StructuredReply)).toEqual([Ack]);
  const list = (...queries: string[]) =>
    ask(NbdOption.ListMetaContext, metaData("disk", ...queries));
  const set = (...queries: string[]) => ask(NbdOption.SetMetaContext, metaData("disk", ...queries));
  const found = (answers: OptionAnswer[]): string[] =>
    answers.slice(0, -1).map(({ data }) => `${viewOf(data).getUint32(0)} ${text(data.slice(4))}`);
  expect(found(list())).toEqual(["0 base:allocation"]);
  expect(found(list("base:"))).toEqual(["0 base:allocation"]);
  expect(found(list("base:dirty", "qemu:dirty-bitmap:a"))).toEqual([]);
  expect(found(set("base:allocation", "x-y:z"))).toEqual(["1 base:allocation"]);
  expect(found(set("base:"))).toEqual([]);
  expect(found(set())).toEqual([]);
  expect(types(NbdOption.ListMetaContext, metaData("nobody"))).toEqual([UnknownExport]);
  const many = Array.from({ length: 65 }, () => "base:allocation");
  expect(types(NbdOption.SetMetaContext, metaData("disk", ...many))).toEqual([TooBig]);
  const cut = metaData("disk", "base:allocation").slice(0, -1);
  expect(types(NbdOption.SetMetaContext, cut)).toEqual([Invalid]);
});

test("options that are sent without waiting for answers are answered all the same", () => {
  const { bench, client } = setup({ chunkBytes: () => 3 });
  const { StructuredReply, SetMetaContext, List, Go } = NbdOption;
  client.send(
    optionOf(StructuredReply),
    optionOf(SetMetaContext, metaData("disk", "base:allocation")),
    optionOf(List),
    optionOf(Go, infoData("disk")),
  );
  bench.settle();
  expect(client.optionAnswers().map(({ option, type }) => [option, type])).toEqual([
    [StructuredReply, Ack],
    [SetMetaContext, MetaContext],
    [SetMetaContext, Ack],
    [List, Server],
    [List, Ack],
    [Go, Info],
    [Go, Ack],
  ]);
});

test("a server that closes sends those away who have not chosen", async () => {
  const { bench, client } = setup();
  await bench.server.close();
  bench.settle();
  expect(client.state).toBe("ended");
  expect(bench.events).toMatchObject([{ type: "disconnected", reason: "server-closed" }]);
});

const flag = TransmissionFlag;

/** The flags that a client of such an export is given. */
function flagsOf(options: NbdBenchOptions, structured = false): number {
  return new NbdBench(options).client({ structured }).entered.flags;
}

test("flags say what the device can do, and fragments only where there may be any", () => {
  const usual =
    flag.HasFlags |
    flag.SendFlush |
    flag.SendFua |
    flag.SendTrim |
    flag.SendWriteZeroes |
    flag.SendCache |
    flag.SendFastZero;
  expect(flagsOf({})).toBe(usual | flag.CanMultiConn);
  expect(flagsOf({}, true)).toBe(usual | flag.CanMultiConn | flag.SendDf);
});

test("who may not write is told so, and of no way to write", () => {
  const readOnly =
    flag.HasFlags |
    flag.ReadOnly |
    flag.SendFlush |
    flag.SendFua |
    flag.SendCache |
    flag.CanMultiConn;
  expect(flagsOf({ device: { readOnly: true } })).toBe(readOnly);
  expect(flagsOf({ export: { readOnly: true }, device: { volatileCache: true } })).toBe(readOnly);
});

test("several connections are offered only where a flush covers them all", () => {
  const offered = (options: NbdBenchOptions): boolean =>
    (flagsOf(options) & flag.CanMultiConn) !== 0;
  expect(offered({})).toBe(true);
  expect(offered({ device: { volatileCache: true } })).toBe(false);
  expect(offered({ device: { volatileCache: true }, export: { flushCoversAll: true } })).toBe(true);
  expect(offered({ export: { flushCoversAll: false } })).toBe(false);
});
