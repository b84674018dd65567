// What a controller tells on channels: every beginning has its end, and nobody pays for what nobody hears.
// Read first: channels.ts.

import { NvmOpcode, ProtocolError, Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import {
  type CommandMessage,
  type KeepAliveMessage,
  type ResetMessage,
  hostChannels,
} from "./channels.ts";
import { Listeners } from "./testing/listeners.ts";
import { TestHost, type TestHostOptions } from "./testing/test-host.ts";

const { commandStart, commandComplete, commandError } = hostChannels;
const commands = [commandStart, commandComplete, commandError];
const KATO = 10_000;

interface Bench {
  readonly host: TestHost;
  readonly listeners: Listeners;
}

function live(names: readonly string[], options: Omit<TestHostOptions, "clock"> = {}): Bench {
  const listeners = new Listeners();
  const { diagnostics } = listeners;
  const given = { diagnostics, reconnect: { jitter: 0 }, ...options.host };
  const host = new TestHost({ clock: new VirtualClock(), ...options, host: given });
  host.connect();
  listeners.listen(...names);
  return { host, listeners };
}

const messages = <Message>({ heard }: Listeners): Message[] =>
  heard.map(({ message }) => message as Message);

describe("commands", () => {
  test("a read is told of when it goes and when it ends, by one and the same message", () => {
    const { host, listeners } = live(commands);
    host.peer.delay("read", 3);
    host.read(7);
    expect(listeners.names).toEqual([commandStart]);
    expect(messages(listeners)).toMatchObject([
      {
        address: host.controller.address,
        subsystemNqn: host.controller.options.subsystemNqn,
        cntlid: 1,
        qid: 1,
        opcode: NvmOpcode.Read,
        operation: "Read",
        nsid: 1,
        lba: 7,
        blockCount: 1,
        dataBytes: 512,
        durationMs: undefined,
        error: undefined,
      },
    ]);
    host.clock.advance(3);
    expect(listeners.names).toEqual([commandStart, commandComplete]);
    const [began, ended] = messages<CommandMessage>(listeners);
    expect(ended).toBe(began);
    expect(ended?.durationMs).toBe(3);
  });

  test("one that the controller refuses, and one that its queue takes along, end with their errors", () => {
    const { host, listeners } = live(commands);
    host.peer.refuse("read", Status.LbaOutOfRange, 0, 1);
    host.read();
    host.clock.settle();
    host.peer.drop("read", 1);
    host.read();
    host.clock.settle();
    host.peer.kill(1);
    host.clock.settle();
    const ends = listeners.heard.filter(({ name }) => name === commandError);
    expect(ends.slice(0, 2).map(({ message }) => message)).toMatchObject([
      { qid: 1, error: { code: "NVME_ERR_STATUS", status: Status.LbaOutOfRange } },
      { qid: 1, error: { code: "NVME_ERR_CONTROLLER_RESET", outcome: "unknown" } },
    ]);
  });

  test("each that began ends once, over losses and a close; ends of others are not told", () => {
    const { host, listeners } = live([]);
    host.peer.freeze();
    host.read();
    listeners.listen(...commands);
    for (let lba = 1; lba <= 5; lba++) host.read(lba);
    host.peer.kill();
    host.peer.thaw();
    host.clock.settle();
    for (let lba = 6; lba <= 9; lba++) host.read(lba);
    host.close();
    const began = listeners.heard.filter(({ name }) => name === commandStart);
    const ended = listeners.heard.filter(({ name }) => name !== commandStart);
    expect(new Set(ended.map(({ message }) => message)).size).toBe(ended.length);
    expect(new Set(ended.map(({ message }) => message))).toEqual(
      new Set(began.map(({ message }) => message)),
    );
    const reads = messages<CommandMessage>(listeners).filter(({ qid }) => qid === 1);
    expect(reads.some(({ lba }) => lba === 0)).toBe(false);
  });

  test("nothing is made while nobody listens", () => {
    const { host, listeners } = live([]);
    host.read();
    host.controller.reset(() => {});
    host.clock.advance(KATO);
    host.close();
    expect(listeners.published).toBe(0);
  });
});

describe("a controller", () => {
  test("tells of its states, and of the time that a reset took", () => {
    const { pathConnecting, pathLive, pathLost, pathRemoved, resetStart, resetEnd } = hostChannels;
    const names = [pathConnecting, pathLive, pathLost, pathRemoved, resetStart, resetEnd];
    const { host, listeners } = live(names);
    host.peer.delay("connect", 40, 1);
    host.peer.kill();
    host.clock.advance(100);
    host.close();
    expect(listeners.names).toEqual([
      pathLost,
      resetStart,
      pathConnecting,
      resetEnd,
      pathLive,
      pathRemoved,
    ]);
    expect(messages<ResetMessage>(listeners)[1]).toMatchObject({
      cause: "lost",
      result: undefined,
    });
    expect(messages<ResetMessage>(listeners)[3]).toMatchObject({
      cause: "connected",
      result: { isLive: true, tookMs: 40 },
    });
  });

  test("that is closed on its way back ends its reset as well", () => {
    const { host, listeners } = live([hostChannels.resetStart, hostChannels.resetEnd]);
    host.peer.refuseConnections();
    host.peer.kill();
    host.clock.advance(500);
    host.close();
    expect(listeners.names).toEqual([hostChannels.resetStart, hostChannels.resetEnd]);
    expect(messages<ResetMessage>(listeners)[1]?.result?.isLive).toBe(false);
  });

  test("tells of a peer that breaks the protocol", () => {
    const { host, listeners } = live([hostChannels.protocolViolation]);
    const error = new ProtocolError(1, 0, "completion for idle CID 9");
    host.controller.lost(error);
    host.clock.settle();
    expect(messages(listeners)).toMatchObject([{ error: { code: "NVME_ERR_PROTOCOL" } }]);
  });
});

test("Keep Alive is answered in time, late, or not at all", () => {
  const { keepAliveOk, keepAliveLate, keepAliveExpired } = hostChannels;
  const names = [keepAliveOk, keepAliveLate, keepAliveExpired];
  const { host, listeners } = live(names, { host: { keepAliveTimeoutMs: KATO } });
  host.clock.advance(KATO / 2);
  expect(listeners.names).toEqual([keepAliveOk]);
  host.peer.delay("keep-alive", KATO / 4 + 1, 1);
  host.clock.advance(KATO / 2 + KATO / 4 + 1);
  expect(listeners.names).toEqual([keepAliveOk, keepAliveLate]);
  expect(messages<KeepAliveMessage>(listeners)[1]?.roundTripMs).toBe(KATO / 4 + 1);
  host.peer.freeze();
  host.clock.advance(2 * KATO);
  expect(listeners.names).toEqual([keepAliveOk, keepAliveLate, keepAliveExpired]);
});

describe("those who watch commands", () => {
  const nothing = { started: () => {}, ended: () => {} };

  test("break nothing by what they throw, which is thrown again in a task of its own", () => {
    const { host } = live([]);
    const broken = () => {
      throw new Error("a meter that is broken");
    };
    const stop = host.controller.watchCommands({
      queue: () => ({ started: broken, ended: broken }),
    });
    const read = host.read();
    host.clock.settle();
    expect(read).toMatchObject({ count: 1, error: undefined });
    stop();
    for (const _call of ["started", "ended"]) {
      expect(() => host.clock.advance(1)).toThrow("a meter that is broken");
    }
  });

  test("see all queues, those of later connections included, until they stop", () => {
    const { host } = live([], { host: { ioQueues: 2 } });
    const queues: number[] = [];
    const seen: string[] = [];
    const stop = host.controller.watchCommands({
      queue(qid) {
        queues.push(qid);
        return {
          started: (_cid, _sqe, dataBytes) => seen.push(`${qid} ${dataBytes}`),
          ended: () => seen.push(`${qid} ended`),
        };
      },
    });
    host.controller.watchCommands({ queue: () => nothing });
    expect(queues).toEqual([0, 1, 2]);
    host.read();
    host.clock.settle();
    expect(seen).toEqual(["1 512", "1 ended"]);
    host.peer.kill();
    host.clock.settle();
    expect(queues).toEqual([0, 1, 2, 0, 1, 2]);
    seen.length = 0;
    stop();
    host.read();
    host.clock.settle();
    expect(seen).toEqual([]);
  });
});
