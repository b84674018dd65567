// A queue pair over memory: room, deadlines, gate, loss and close, with a controller that answers by hand.

import { DataDirection, NvmOpcode, type NvmeofError, Sqe, Status, statusOf } from "@nvmeof/codec";
import { type ControllerLink, MemoryPort, acceptQueue, hostTransport } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { NO_CID } from "./command-table.ts";
import { AbortedError, NvmeStatusError } from "./errors.ts";
import { FOREVER, QueuePair } from "./queue-pair.ts";

interface Settled {
  readonly name: string;
  readonly error: NvmeofError | undefined;
  readonly dw0: number;
  readonly atMs: number;
}

interface Setup {
  readonly qid?: number;
  readonly depth?: number;
}

/** An open queue of `depth` commands, and the controller's end of it. */
function setup({ qid = 1, depth = 4 }: Setup = {}) {
  const clock = new VirtualClock();
  const port = new MemoryPort("peer", { clock });
  let link!: ControllerLink;
  /** Slots at the controller, in the order in which their commands came. */
  const tags: number[] = [];
  port.listen((stream) =>
    acceptQueue({ clock }, stream, (accepted) => {
      link = accepted;
      return {
        opened: () => link.configure(depth + 1, false, 8192),
        command: (tag) => tags.push(tag),
        fetched: () => {},
        lost: () => {},
      };
    }),
  );
  const transport = hostTransport({
    address: { trtype: "loop", traddr: "peer", trsvcid: "" },
    connector: port,
    clock,
  });
  const told: string[] = [];
  const queue = new QueuePair(
    { transport, clock, qid, entries: depth + 1, inCapsuleBytes: 8192, connectTimeoutMs: 1_000 },
    {
      opened: () => told.push("opened"),
      expired: (ofQid, cid) => told.push(`expired ${ofQid}/${cid} at ${clock.nowMs()}`),
      lost: (error) => told.push(`lost: ${error.code}`),
    },
  );
  const settled: Settled[] = [];
  const send = (name: string, timeoutMs = FOREVER, then?: () => void): number => {
    queue.begin(NvmOpcode.Flush, 1);
    return queue.submit(
      DataDirection.None,
      undefined,
      (error, dw0) => {
        settled.push({ name, error, dw0, atMs: clock.nowMs() });
        then?.();
      },
      timeoutMs,
    );
  };
  const names = (): string[] => settled.map(({ name }) => name);
  const answer = (status = 0, dw0 = 0): void => {
    link.respond(tags.shift()!, status, dw0, 0);
    clock.settle();
  };
  return { clock, port, queue, told, settled, names, send, answer, tags, link: () => link };
}

function opened(options?: Setup) {
  const all = setup(options);
  all.clock.settle();
  return all;
}

const ended = (): NvmeofError => new AbortedError("controller-closed", "unknown", true);

test("a queue takes nothing before it is open", () => {
  const { clock, queue, send, told } = setup();
  expect(queue.hasRoom).toBe(false);
  expect(send("early")).toBe(NO_CID);
  clock.settle();
  expect(told).toEqual(["opened"]);
  expect(queue.hasRoom).toBe(true);
});

test("a command begins as zeroes but for its opcode and namespace", () => {
  const { queue } = opened();
  queue.sqe.setUint32(40, 0xdead_beef);
  const sqe = queue.begin(NvmOpcode.Read, 7);
  expect(Sqe.opc.get(sqe)).toBe(NvmOpcode.Read);
  expect(Sqe.nsid.get(sqe)).toBe(7);
  expect(sqe.getUint32(40)).toBe(0);
});

test("an answer settles its command with the values of the completion", () => {
  const { clock, send, answer, settled } = opened();
  send("a");
  clock.settle();
  answer(0, 0x1234);
  expect(settled).toMatchObject([{ name: "a", error: undefined, dw0: 0x1234 }]);
});

test("an error status settles its command with the status and the command's name", () => {
  const { clock, send, answer, settled } = opened();
  send("a");
  clock.settle();
  answer(Status.LbaOutOfRange | statusOf(0, 0, true));
  const { error } = settled.at(0)!;
  expect(error).toBeInstanceOf(NvmeStatusError);
  expect(error).toMatchObject({ sct: 0, sc: 0x80, dnr: true, outcome: "failed" });
  expect(error!.message).toContain("Flush");
});

test("a queue of n entries takes n - 1 commands", () => {
  const { queue, send } = opened({ depth: 2 });
  expect([send("a"), send("b"), send("c")]).toEqual([0, 1, NO_CID]);
  expect(queue.hasRoom).toBe(false);
  expect(queue.inflight).toBe(2);
});

test("who waits for room is called when there is some", () => {
  const { clock, queue, send, answer, names } = opened({ depth: 1 });
  send("a");
  queue.whenRoom(() => send("b"));
  clock.settle();
  expect(names()).toEqual([]);
  answer();
  answer();
  expect(names()).toEqual(["a", "b"]);
});

test("who asks for room that is there already is called all the same", () => {
  const { clock, queue } = opened();
  const told: string[] = [];
  queue.whenRoom(() => told.push("room"));
  expect(told).toEqual([]);
  clock.settle();
  expect(told).toEqual(["room"]);
});

test("who asks for room before the queue is open is called when it is", () => {
  const { clock, queue, send, names, answer } = setup();
  queue.whenRoom(() => send("a"));
  clock.settle();
  answer();
  expect(names()).toEqual(["a"]);
});

test("one who has lost interest in room does not keep it from the next", () => {
  const { clock, queue, send, answer, names } = opened({ depth: 1 });
  send("a");
  queue.whenRoom(() => {});
  queue.whenRoom(() => send("b"));
  clock.settle();
  answer();
  answer();
  expect(names()).toEqual(["a", "b"]);
});

test("one who submits from every completion does not keep others waiting for ever", () => {
  const { clock, queue, send, answer, names } = opened({ depth: 1 });
  let greedy = 0;
  const again = (): void => {
    if (greedy++ > 10) return;
    if (queue.hasRoom) send("greedy", FOREVER, again);
    else queue.whenRoom(() => send("greedy", FOREVER, again));
  };
  again();
  queue.whenRoom(() => send("patient"));
  clock.settle();
  answer();
  answer();
  answer();
  expect(names()).toEqual(["greedy", "patient", "greedy"]);
});

test("one who waits for room and throws does not keep it from the next", () => {
  const { clock, queue, send, answer, names } = opened({ depth: 1 });
  send("a");
  queue.whenRoom(() => {
    throw new Error("not ours");
  });
  queue.whenRoom(() => send("b"));
  clock.settle();
  answer();
  answer();
  expect(names()).toEqual(["a", "b"]);
  expect(() => clock.advance(0)).toThrow("not ours");
});

test.each(["closed", "lost", "gated"] as const)(
  "who waits for room is told once when there will be none, since the queue is %s",
  (how) => {
    const { clock, queue, send, link } = opened({ depth: 1 });
    send("a");
    clock.settle();
    let told = 0;
    queue.whenRoom(() => told++);
    if (how === "closed") queue.close("reset", ended);
    else if (how === "gated") queue.gate();
    else link().close("reset");
    clock.settle();
    expect(told).toBe(1);
    queue.whenRoom(() => told++);
    clock.settle();
    expect(told).toBe(2);
  },
);

test("a deadline is reported at its time, and the command goes on", () => {
  const { clock, send, answer, told, settled } = opened();
  const cid = send("a", 30_000);
  clock.advance(29_999);
  expect(told).toEqual(["opened"]);
  clock.advance(1);
  expect(told).toEqual(["opened", `expired 1/${cid} at 30000`]);
  answer();
  expect(settled).toMatchObject([{ name: "a", error: undefined }]);
});

test("deadlines are each reported at their own time, whatever order they came in", () => {
  const { clock, send, told } = opened();
  send("slow", 300);
  send("fast", 100);
  send("middle", 200);
  clock.advance(1_000);
  expect(told.slice(1)).toEqual(["expired 1/1 at 100", "expired 1/2 at 200", "expired 1/0 at 300"]);
});

test("F25: an answer in the moment of the deadline is in time", () => {
  const { clock, send, told, tags, link } = opened();
  send("a", 100);
  clock.settle();
  clock.at(100, () => link().respond(tags.shift()!, 0, 0, 0));
  clock.advance(1_000);
  expect(told).toEqual(["opened"]);
});

test("H14, F24: a command that is given up settles once, and its late answer frees the CID", () => {
  const { clock, queue, send, answer, names } = opened({ depth: 1 });
  const cid = send("a");
  clock.settle();
  queue.abandon(cid, ended());
  expect(names()).toEqual(["a"]);
  expect([queue.inflight, queue.abandoned, queue.hasRoom]).toEqual([0, 1, false]);
  answer();
  expect(names()).toEqual(["a"]);
  expect([queue.abandoned, queue.hasRoom]).toEqual([0, true]);
});

test("a command that is given up and not answered is reported once more, in the time it was given", () => {
  const { clock, queue, send, told } = opened();
  const cid = send("a");
  clock.settle();
  queue.abandon(cid, ended(), 500);
  clock.advance(10_000);
  expect(told.slice(1)).toEqual([`expired 1/${cid} at 500`]);
});

test("a gated queue takes nothing, and what is in flight goes on", () => {
  const { clock, queue, send, answer, names } = opened();
  send("a");
  clock.settle();
  queue.gate();
  expect(queue.hasRoom).toBe(false);
  expect(send("b")).toBe(NO_CID);
  answer();
  expect(names()).toEqual(["a"]);
});

test("a queue that is gated before it is open stays so", () => {
  const { clock, queue, send } = setup();
  queue.gate();
  clock.settle();
  expect(queue.hasRoom).toBe(false);
  expect(send("a")).toBe(NO_CID);
});

test.each(["answered", "given up", "lost", "closed"] as const)(
  "who waits for the last command of a gated queue is told, once, when it is %s",
  (how) => {
    const { clock, queue, send, answer, link } = opened();
    const cid = send("a");
    clock.settle();
    let told = 0;
    queue.gate(() => told++);
    clock.settle();
    expect(told).toBe(0);
    if (how === "answered") answer();
    else if (how === "given up") queue.abandon(cid, ended());
    else if (how === "lost") link().close("reset");
    else queue.close("reset", ended);
    clock.settle();
    expect(told).toBe(1);
    if (how === "given up") answer();
    expect(told).toBe(1);
  },
);

test.each(["idle", "closed"] as const)("a gate on a queue that is %s tells so, later", (how) => {
  const { clock, queue } = opened();
  if (how === "closed") queue.close("reset", ended);
  let told = 0;
  queue.gate(() => told++);
  expect(told).toBe(0);
  clock.settle();
  expect(told).toBe(1);
});

test("the loss of the link settles everything, once, and is told last", () => {
  const { clock, queue, send, told, link, settled } = opened();
  send("a", 30_000, () => told.push("a settled"));
  send("b", 30_000, () => told.push("b settled"));
  clock.settle();
  link().close("reset");
  clock.settle();
  expect(told).toEqual(["opened", "a settled", "b settled", "lost: NVME_ERR_CONNECTION_LOST"]);
  expect(settled.at(0)!.error).toMatchObject({
    code: "NVME_ERR_CONTROLLER_RESET",
    outcome: "unknown",
    cause: { code: "NVME_ERR_CONNECTION_LOST" },
  });
  queue.close("reset", ended);
  clock.settle();
  expect(settled).toHaveLength(2);
  expect(clock.armed).toBe(0);
});

test("the owner may say what the loss of the link means for a command", () => {
  const { clock, queue, send, link, settled } = opened();
  send("a");
  clock.settle();
  queue.lossError = (cause) => new AbortedError("controller-closed", "unknown", true, { cause });
  link().close("reset");
  clock.settle();
  expect(settled.at(0)!.error).toMatchObject({ code: "NVME_ERR_CONTROLLER_CLOSED" });
});

test("a connection that cannot be made is a loss, too", () => {
  const { clock, port, told } = setup();
  port.close();
  clock.settle();
  expect(told).toEqual(["lost: NVME_ERR_UNREACHABLE"]);
  expect(clock.armed).toBe(0);
});

test.each(["orderly", "reset"] as const)(
  "a close (%s) settles everything with what it says, and no event follows",
  (how) => {
    const { clock, queue, send, told, settled, link, tags } = opened();
    send("a", 30_000);
    clock.settle();
    link().respond(tags.shift()!, 0, 0, 0);
    queue.close(how, ended);
    queue.close(how, ended);
    clock.advance(60_000);
    expect(settled).toMatchObject([{ name: "a", error: { code: "NVME_ERR_CONTROLLER_CLOSED" } }]);
    expect(told).toEqual(["opened"]);
    expect(send("b")).toBe(NO_CID);
    expect(clock.armed).toBe(0);
  },
);

test("F12: a queue may be closed from inside a completion", () => {
  const { clock, queue, send, link, tags, names, told } = opened();
  send("a", FOREVER, () => queue.close("reset", ended));
  send("b");
  clock.settle();
  for (const tag of tags) link().respond(tag, 0, 0, 0);
  clock.settle();
  expect(names()).toEqual(["a", "b"]);
  expect(told).toEqual(["opened"]);
});

test("a caller that throws when it is settled harms neither the queue nor other commands", () => {
  const { clock, queue, send, link, tags, names } = opened();
  send("a", FOREVER, () => {
    throw new Error("not ours");
  });
  send("b");
  clock.settle();
  for (const tag of tags) link().respond(tag, 0, 0, 0);
  clock.settle();
  expect(names()).toEqual(["a", "b"]);
  expect(queue.hasRoom).toBe(true);
  expect(() => clock.advance(0)).toThrow("not ours");
});

test("an idle queue arms no timer, and a busy one arms a single one", () => {
  const { clock, send } = opened({ depth: 100 });
  clock.advance(30_000); // the controller's own, for the initialisation and its answer, have passed
  expect(clock.armed).toBe(0);
  for (let i = 0; i < 100; i++) send(`${i}`, 30_000);
  expect(clock.armed).toBe(1);
});
