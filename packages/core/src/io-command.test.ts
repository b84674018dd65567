// Single commands on an I/O queue: each is sent once, waits for room, and settles once.

import { NvmOpcode, type NvmeofError, RwCommand, Status } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { type IoCommand, sendIo } from "./io-command.ts";
import { live, setup } from "./testing/hosts.ts";
import type { TestHost } from "./testing/test-host.ts";

const read = (lba: number, more: Partial<IoCommand> = {}): IoCommand => ({
  opcode: NvmOpcode.Read,
  nsid: 1,
  fill: (sqe) => {
    RwCommand.slba.set(sqe, 0, lba);
    RwCommand.nlb.set(sqe, 0, 1);
  },
  ...more,
});

interface Settled {
  count: number;
  error: NvmeofError | undefined;
}

function send(host: TestHost, command: IoCommand, then?: () => void): Settled {
  const settled: Settled = { count: 0, error: undefined };
  sendIo(host.controller, command, (error) => {
    settled.count++;
    settled.error = error;
    then?.();
  });
  return settled;
}

test("a command goes out as it was filled, and its answer settles it once", () => {
  const host = live();
  const settled = send(host, read(7));
  expect(settled.count).toBe(0);
  host.clock.settle();
  expect(settled).toEqual({ count: 1, error: undefined });
  const [seen] = host.peer.seenOf("read");
  expect(RwCommand.slba.get(seen!.sqe)).toBe(7);
});

test("a status of the controller is the error, and nothing is sent again", () => {
  const host = live();
  host.peer.on("read", () => ({ status: Status.InvalidField }));
  const settled = send(host, read(0));
  host.clock.settle();
  expect(settled).toMatchObject({ count: 1, error: { status: Status.InvalidField } });
  expect(host.peer.seenOf("read")).toHaveLength(1);
});

test("where the queue is full a command waits for room, in its turn", () => {
  const host = live({ host: { queueEntries: 4 } });
  const order: number[] = [];
  const all = Array.from({ length: 8 }, (_, lba) =>
    send(host, read(lba), () => void order.push(lba)),
  );
  host.clock.settle();
  expect(all.map(({ count, error }) => [count, error])).toEqual(all.map(() => [1, undefined]));
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

describe("nothing is sent", () => {
  test("where there is no I/O queue", () => {
    const host = live({ host: { ioQueues: 0 } });
    const settled = send(host, read(0));
    // Never before the call returns.
    expect(settled.count).toBe(0);
    host.clock.settle();
    expect(settled).toMatchObject({
      count: 1,
      error: { code: "NVME_ERR_NOT_CONNECTED", outcome: "not-sent" },
    });
  });

  test("before the controller is live, and after its end", () => {
    const early = setup();
    const before = send(early, read(0));
    early.clock.settle();
    expect(before).toMatchObject({ count: 1, error: { outcome: "not-sent" } });
    const late = live();
    late.close();
    const after = send(late, read(0));
    late.clock.settle();
    expect(after).toMatchObject({ count: 1, error: { outcome: "not-sent" } });
  });

  test("where the caller's own function throws: that is the error, and the queue goes on", () => {
    const host = live();
    const boom = new RangeError("not like this");
    const fill = (): never => {
      throw boom;
    };
    const settled = send(host, read(0, { fill }));
    const next = send(host, read(1));
    host.clock.settle();
    expect(settled).toMatchObject({ count: 1, error: boom });
    expect(next).toEqual({ count: 1, error: undefined });
    expect(host.peer.seenOf("read")).toHaveLength(1);
  });
});

test("with the connection what was sent has an unknown outcome, and what waited was not sent", () => {
  const host = live({ host: { queueEntries: 2 } });
  host.peer.drop("read");
  const [sent, waiting] = [send(host, read(0)), send(host, read(1))];
  host.clock.settle();
  host.peer.refuseConnections();
  host.peer.kill();
  host.clock.settle();
  expect(sent).toMatchObject({ count: 1, error: { outcome: "unknown" } });
  expect(waiting).toMatchObject({ count: 1, error: { outcome: "not-sent" } });
});
