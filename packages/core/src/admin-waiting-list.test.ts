// Admin commands of users: bounded in flight, bounded waiting, and room kept for the controller's own.

import { Cns, type NvmeofError, Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { identifyBuffer, identifyCommand } from "./admin.ts";
import { hostPathError } from "./errors.ts";
import { type Ended, TestHost } from "./testing/test-host.ts";

/** 32 entries are 31 commands, of which 6 are kept back. */
const INFLIGHT_MAX = 25;
const WAITING_MAX = 10;

const identify = () => identifyCommand(Cns.ActiveNamespaces, identifyBuffer());

function setup() {
  const host = new TestHost({ clock: new VirtualClock(), host: { adminWaitingMax: WAITING_MAX } });
  host.connect();
  host.peer.drop("identify");
  const send = (count: number): Ended[] =>
    Array.from({ length: count }, () => host.admin(identify()));
  const seen = () => host.peer.seenOf("identify");
  /** The controller answers the oldest command that it has not. */
  let answered = 0;
  const answer = (): void => {
    host.peer.answer(seen().at(answered++)!, { data: identifyBuffer() });
    host.clock.settle();
  };
  return { host, clock: host.clock, send, seen, answer };
}

test("commands beyond what the queue may hold wait, and are sent as others end", () => {
  const { clock, send, seen, answer } = setup();
  const ended = send(INFLIGHT_MAX + 3);
  clock.settle();
  expect(seen()).toHaveLength(INFLIGHT_MAX);
  answer();
  answer();
  expect(seen()).toHaveLength(INFLIGHT_MAX + 2);
  expect(ended.filter(({ count }) => count === 1)).toHaveLength(2);
});

test("commands that find no place to wait are refused, and not inside the call", () => {
  const { clock, send } = setup();
  send(INFLIGHT_MAX + WAITING_MAX);
  const [refused] = send(1);
  expect(refused?.count).toBe(0);
  clock.settle();
  expect(refused).toMatchObject({ count: 1, error: { code: "NVME_ERR_QUEUE_FULL" } });
  const { outcome, status } = refused!.error!;
  expect([outcome, status]).toEqual(["not-sent", Status.CommandInterrupted]);
});

test("a command that comes between a loss and what follows from it was not sent, and has a status", () => {
  const { host, clock } = setup();
  const late: Ended[] = [];
  host.controller.admin(identify(), () => void late.push(host.admin(identify())));
  clock.settle();
  host.peer.kill();
  clock.settle();
  expect(late).toMatchObject([{ count: 1, error: { code: "NVME_ERR_NOT_CONNECTED" } }]);
  const { outcome, status } = late[0]!.error!;
  expect([outcome, status]).toEqual(["not-sent", hostPathError(false)]);
});

test("F113: room is kept for keep-alive, however busily users send from their completions", () => {
  const { host, clock, send, answer } = setup();
  send(INFLIGHT_MAX + WAITING_MAX);
  const greedy = (error: NvmeofError | undefined): void => {
    if (error === undefined) host.controller.admin(identify(), greedy);
  };
  for (let i = 0; i < WAITING_MAX; i++) host.controller.admin(identify(), greedy);
  clock.settle();
  for (let i = 0; i < 3 * INFLIGHT_MAX; i++) {
    host.controller.admin(identify(), greedy);
    clock.settle();
    answer();
    const unanswered = host.peer.seenOf("identify").length - (i + 1);
    expect(unanswered).toBeLessThanOrEqual(INFLIGHT_MAX);
  }
  clock.advance(20_000);
  expect(host.peer.seenOf("keep-alive").length).toBeGreaterThan(2);
  expect(host.controller.state).toBe("live");
});

test("who waits goes before what a completion sends", () => {
  const { host, clock, send, seen, answer } = setup();
  send(INFLIGHT_MAX - 1);
  host.controller.admin(identifyCommand(Cns.ActiveNamespaces, identifyBuffer()), () => {});
  const order: string[] = [];
  host.controller.admin(identifyCommand(Cns.Controllers, identifyBuffer()), () =>
    order.push("waited"),
  );
  clock.settle();
  expect(seen()).toHaveLength(INFLIGHT_MAX);
  host.peer.on("identify", () => ({ data: identifyBuffer() }));
  answer();
  expect(order).toEqual(["waited"]);
});

test("what waits is settled, not sent, when the controller is reset", () => {
  const { host, clock, send } = setup();
  const ended = send(INFLIGHT_MAX + 2);
  clock.settle();
  host.reset();
  clock.settle();
  expect(ended.map(({ count }) => count)).toEqual(ended.map(() => 1));
  expect(ended.slice(0, INFLIGHT_MAX).map(({ error }) => error?.outcome)).toContain("unknown");
  expect(ended.slice(INFLIGHT_MAX).map(({ error }) => error)).toMatchObject([
    { code: "NVME_ERR_CONTROLLER_RESET", outcome: "not-sent" },
    { code: "NVME_ERR_CONTROLLER_RESET", outcome: "not-sent" },
  ]);
});

test("after a reset there is as much room as before", () => {
  const { host, clock, send, seen } = setup();
  send(INFLIGHT_MAX + 2);
  clock.settle();
  host.reset();
  clock.settle();
  const before = seen().length;
  send(INFLIGHT_MAX + 2);
  clock.settle();
  expect(seen().length - before).toBe(INFLIGHT_MAX);
});

test("what waits is not sent any more once a close was asked for", () => {
  const { host, clock, send, seen, answer } = setup();
  const ended = send(INFLIGHT_MAX + 1);
  clock.settle();
  host.controller.close({}, () => {});
  answer();
  expect(seen()).toHaveLength(INFLIGHT_MAX);
  expect(ended.at(-1)).toMatchObject({
    count: 1,
    error: { code: "NVME_ERR_CONTROLLER_CLOSED", outcome: "not-sent" },
  });
});

test("what waits is not sent by a completion of the turn in which a close is asked for", () => {
  const { host, clock, send, seen } = setup();
  host.controller.admin(identify(), () => host.controller.close({}, () => {}));
  send(INFLIGHT_MAX - 1);
  send(2);
  clock.settle();
  expect(seen()).toHaveLength(INFLIGHT_MAX);
  // Both answers arrive in one piece: nothing else has its turn in between.
  for (const command of seen().slice(0, 2)) host.peer.answer(command, { data: identifyBuffer() });
  clock.settle();
  expect(seen()).toHaveLength(INFLIGHT_MAX + 1);
});

test("a command that cannot be built is an error of that command, waiting or not", () => {
  const { host, clock, send, answer } = setup();
  const bad = {
    opcode: 6,
    fill: () => {
      throw new TypeError("no such field");
    },
  };
  const now = host.admin(bad);
  clock.settle();
  expect(now).toMatchObject({ count: 1, error: new TypeError("no such field") });
  send(INFLIGHT_MAX);
  const later = host.admin(bad);
  const next = host.admin(identify());
  clock.settle();
  answer();
  expect(later).toMatchObject({ count: 1, error: new TypeError("no such field") });
  answer();
  expect(next.count).toBe(0);
  expect(host.peer.seenOf("identify")).toHaveLength(INFLIGHT_MAX + 1);
});

test("a caller that throws when it is settled keeps nobody waiting", () => {
  const { host, clock, send, answer, seen } = setup();
  host.controller.admin(identify(), () => {
    throw new Error("not ours");
  });
  send(INFLIGHT_MAX - 1);
  send(1);
  clock.settle();
  answer();
  expect(seen()).toHaveLength(INFLIGHT_MAX + 1);
  expect(() => clock.advance(0)).toThrow("not ours");
});
