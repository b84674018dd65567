// Connect: who asks for what, what a refusal says, and queues that are tried again.

import {
  ConnectCommand,
  ConnectData,
  ConnectResult,
  Status,
  encodeDword,
  readNqn,
  statusOf,
  viewOf,
} from "@nvmeof/codec";
import { expect, test } from "vitest";
import { failed, setup } from "./testing/hosts.ts";

test("Connect says who asks for what: names, ID, queue sizes and keep-alive", () => {
  const host = setup({ host: { ioQueues: 2, queueEntries: 64, keepAliveTimeoutMs: 7_000 } });
  host.connect();
  const connects = [...host.peer.seenOf("connect"), ...host.peer.seenOf("connect-io")];
  const { subsystemNqn, hostNqn } = host.controller.options;
  for (const { data } of connects) {
    expect(data).toHaveLength(ConnectData.size);
    expect(readNqn(viewOf(data), ConnectData.subnqn.offset)).toBe(subsystemNqn);
    expect(readNqn(viewOf(data), ConnectData.hostnqn.offset)).toBe(hostNqn);
  }
  const shown = connects.map(({ sqe, data }) => [
    ConnectCommand.qid.get(sqe),
    ConnectCommand.sqsize.get(sqe),
    ConnectCommand.kato.get(sqe),
    ConnectCommand.dsqfc.get(sqe),
    ConnectData.cntlid.get(viewOf(data)),
  ]);
  expect(shown).toEqual([
    [0, 32, 7_000, 0, 0xffff],
    [1, 64, 0, 1, 1],
    [2, 64, 0, 1, 1],
  ]);
});

test("K5: an unknown subsystem is a final refusal, with a hint", () => {
  const host = setup({ host: { subsystemNqn: "nqn.2024-01.org.example:other" } });
  const { error } = failed(host);
  expect(error).toMatchObject({ code: "NVME_ERR_CONNECT_REJECTED", field: "SUBNQN" });
  expect(error?.hint).toContain("discover");
  expect(host.states).toEqual(["connecting", "closing", "closed"]);
});

test.each([
  ["K7: a host that is not allowed", Status.ConnectInvalidHost, "NVME_ERR_HOST_NOT_ALLOWED"],
  ["H43: a host that must authenticate", Status.AuthRequired, "NVME_ERR_AUTH_REQUIRED"],
  ["K13: a busy controller", Status.ConnectControllerBusy, "NVME_ERR_CONNECT_REJECTED"],
])("%s is told so", (_name, status, code) => {
  const host = setup();
  host.peer.refuse("connect", status);
  expect(failed(host).error).toMatchObject({ code, status });
});

test.each(["atr", "ascr"] as const)("H43: authentication asked for by %s is refused", (bit) => {
  const host = setup();
  host.peer.on("connect", () => ({ dw0: encodeDword(ConnectResult, { cntlid: 1, [bit]: 1 }) }));
  const { error } = failed(host);
  expect(error).toMatchObject({ code: "NVME_ERR_AUTH_REQUIRED", phase: "authenticate" });
  expect(error?.hint).toContain("DH-HMAC-CHAP");
});

test.each([0xfff0, 0xffff])("H43: the reserved controller ID %i is the peer's error", (cntlid) => {
  const host = setup();
  host.peer.on("connect", () => ({ dw0: cntlid }));
  expect(failed(host).error).toMatchObject({ code: "NVME_ERR_PROTOCOL" });
});

test("Connect of an I/O queue is tried again while the controller is clearing up", () => {
  const host = setup();
  host.peer.refuse("connect-io", Status.ConnectControllerBusy, 0, 2);
  const started = host.start();
  host.clock.advance(200);
  expect(started).toMatchObject({ count: 1, error: undefined });
  expect(host.peer.seenOf("connect-io")).toHaveLength(3);
  expect(host.peer.queueCount).toBe(2);
  // The queues that were refused are not among those that take commands.
  expect(host.controller.ioQueues.map(({ hasRoom }) => hasRoom)).toEqual([true]);
});

test("Connect of an I/O queue is not tried for ever", () => {
  const host = setup();
  host.peer.refuse("connect-io", Status.ConnectControllerBusy);
  expect(failed(host).atMs).toBe(200);
  expect(host.peer.seenOf("connect-io")).toHaveLength(3);
});

test("Connect of an I/O queue that must not be retried is not", () => {
  const host = setup();
  host.peer.refuse("connect-io", Status.CommandSequenceError | statusOf(0, 0, true));
  expect(failed(host).atMs).toBe(0);
  expect(host.peer.seenOf("connect-io")).toHaveLength(1);
});
