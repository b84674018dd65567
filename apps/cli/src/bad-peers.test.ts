// Peers that are no targets, or bad ones: each has an error of its own, and the command ends.

import type { Socket } from "node:net";
import { IcResp, PduHeader, PduType, TermReq, encoded, viewOf } from "@nvmeof/codec";
import type { Clock } from "@nvmeof/transport";
import { systemClock } from "@nvmeof/transport/node";
import { expect, test } from "vitest";
import type { ErrorObject } from "./errors.ts";
import { failure, start } from "./testing/run.ts";
import { rawServer, testTarget } from "./testing/target.ts";

function pdu(layout: { readonly size: number }, type: PduType, fields: object): Uint8Array {
  const bytes = encoded(layout, fields);
  const view = viewOf(bytes);
  PduHeader.type.set(view, 0, type);
  PduHeader.hlen.set(view, 0, bytes.length);
  PduHeader.plen.set(view, 0, bytes.length);
  return bytes;
}

const icResp = (fields: object = {}): Uint8Array =>
  pdu(IcResp, PduType.ICResp, { pfv: 0, maxh2cdata: 131_072, ...fields });

/** What `connect` says of a server that does this with each connection. */
async function saidOf(serve: (socket: Socket) => void, ...more: string[]): Promise<ErrorObject> {
  await using server = await rawServer(serve);
  const error = await failure(["connect", server.uri, ...more]);
  // The peer is named, and there is something to try next.
  expect(error.peer).toMatchObject({ address: "127.0.0.1", port: server.port });
  expect(error.hint).toMatch(/\w/);
  return error;
}

test("a refused connection", async () => {
  const server = await rawServer(() => {});
  await server[Symbol.asyncDispose]();
  const error = await failure(["connect", server.uri]);
  expect(error).toMatchObject({ code: "NVME_ERR_UNREACHABLE", exitCode: 4, phase: "tcp" });
  expect(error.message).toBe(`cannot reach 127.0.0.1:${server.port}: connection refused`);
  expect(error.hint).toContain("Is the target running");
});

test("a host name that does not exist", async () => {
  const error = await failure(["connect", "nvme+tcp://nowhere.invalid/nqn.2024-01.x:y"]);
  expect(error).toMatchObject({ code: "NVME_ERR_UNREACHABLE", exitCode: 4 });
  expect(error.message).toContain("nowhere.invalid");
});

test("a stream of something else", async () => {
  const error = await saidOf((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
  expect(error).toMatchObject({ code: "NVME_ERR_PROTOCOL", exitCode: 9, retryable: false });
});

test("a PDU that has no place there", async () => {
  const error = await saidOf((socket) => socket.write(pdu({ size: 24 }, PduType.CapsuleResp, {})));
  expect(error).toMatchObject({ code: "NVME_ERR_PROTOCOL", exitCode: 9 });
  expect(error.message).toContain("CapsuleResp before initialisation");
});

test("an ICResp with a version that nobody knows", async () => {
  const error = await saidOf((socket) => socket.write(icResp({ pfv: 7 })));
  expect(error).toMatchObject({ code: "NVME_ERR_PROTOCOL", exitCode: 9, phase: "initialize" });
  expect(error.message).toContain("PDU format version 7");
});

test("a controller without the digests that were asked for", async () => {
  const error = await saidOf((socket) => socket.write(icResp()), "--data-digest");
  expect(error).toMatchObject({ code: "NVME_ERR_PROTOCOL", exitCode: 9 });
  expect(error.hint).toContain("--data-digest");
});

test("a TermReq", async () => {
  const term = pdu(TermReq, PduType.C2HTermReq, { fes: 1, fei: 8 });
  const error = await saidOf((socket) => socket.write(term));
  expect(error).toMatchObject({ code: "NVME_ERR_PEER_TERMINATED", exitCode: 9 });
  expect(error.message).toContain("Invalid PDU Header Field");
});

test("a peer that hangs up at once", async () => {
  const error = await saidOf((socket) => socket.end());
  expect(error).toMatchObject({ code: "NVME_ERR_CONNECTION_LOST", exitCode: 4 });
  expect(error.hint).toContain("Is there an NVMe/TCP target at this port?");
});

test("a peer that resets", async () => {
  const error = await saidOf((socket) => socket.resetAndDestroy());
  // Whether the reset comes before or after the host noticed that it was connected is chance.
  expect(["NVME_ERR_CONNECTION_LOST", "NVME_ERR_UNREACHABLE"]).toContain(error.code);
  expect(error.exitCode).toBe(4);
});

test("a peer that never answers ICReq", async () => {
  const error = await saidOf(() => {}, "--connect-timeout", "100");
  expect(error).toMatchObject({
    code: "NVME_ERR_INITIALIZE_TIMEOUT",
    exitCode: 7,
    phase: "initialize",
    retryable: true,
  });
});

test("a peer that never answers Connect", async () => {
  const error = await saidOf((socket) => socket.write(icResp()), "--connect-timeout", "100");
  expect(error).toMatchObject({ code: "NVME_ERR_TIMEOUT", exitCode: 7, phase: "fabrics-connect" });
});

test("whatever takes too long ends with the deadline of the whole command", async () => {
  await using server = await rawServer(() => {});
  const error = await failure(["connect", server.uri, "--timeout", "50ms"]);
  expect(error).toMatchObject({ code: "NVME_ERR_DEADLINE", exitCode: 7 });
  expect(error.message).toBe("not done after 50.0 ms");
});

test.each([
  ["SIGINT", 130, "NVME_ERR_INTERRUPTED"],
  ["SIGTERM", 143, "NVME_ERR_TERMINATED"],
] as const)("%s while a peer is silent ends with %d", async (signal, exitCode, code) => {
  await using server = await rawServer(() => {});
  const run = start(["connect", server.uri]);
  await server.connected;
  run.signal(signal);
  expect(await run.ended).toBe(exitCode);
  expect(run.stderr.text).toContain(`(${code})`);
  expect(run.quits).toEqual([]);
});

test("a wrong NQN is rejected, and names the field", async () => {
  const target = await testTarget();
  try {
    const uri = target.uri.replace(/:cli$/, ":other");
    const error = await failure(["connect", uri]);
    expect(error).toMatchObject({
      code: "NVME_ERR_CONNECT_REJECTED",
      exitCode: 5,
      phase: "fabrics-connect",
      nvme: { sct: 1, sc: 0x82, name: "Connect Invalid Parameters", field: "SUBNQN" },
    });
    expect(error.hint).toContain("nvmeof discover");
  } finally {
    await target.served.close();
  }
});

/** A target whose disk keeps every request to itself. `asked` resolves when it has got one. */
async function silentTarget() {
  let tell = (): void => {};
  const asked = new Promise<void>((resolve) => (tell = resolve));
  const at: Clock["at"] = () => {
    tell();
    return { cancel: () => {} };
  };
  const disk = { latencyMs: 60_000, clock: { ...systemClock, at } };
  const { namespace, served } = await testTarget([disk], { limits: { closeTimeoutMs: 100 } });
  return { asked, uri: namespace(1), close: () => served.close() };
}

test("a target that falls silent under a read is given up after the I/O timeout", async () => {
  const target = await silentTarget();
  const error = await failure(["read", target.uri, "--io-timeout", "100ms", "--no-retries"]);
  expect(error).toMatchObject({ code: "NVME_ERR_TIMEOUT", exitCode: 7, outcome: "unknown" });
  expect(error.message).toContain("Read: no answer within 100 ms");
  await target.close();
});

test("Ctrl-C under a read that is not answered ends within the bound of the close", async () => {
  const target = await silentTarget();
  const run = start(["read", target.uri, "-vv"]);
  await target.asked;
  run.signal("SIGINT");
  expect(await run.ended).toBe(130);
  expect(run.stderr.text).toMatch(/closed in \d+ ms, shutdown/);
  await target.close();
});

test("a second Ctrl-C does not wait for the close", async () => {
  const target = await silentTarget();
  const run = start(["read", target.uri]);
  await target.asked;
  run.signal("SIGINT");
  run.signal("SIGINT");
  expect(run.quits).toEqual([130]);
  await run.ended;
  await target.close();
});

test("a connection that is lost under a copy, and not found again, is told as lost", async () => {
  const target = await silentTarget();
  const run = start(["cp", target.uri, "/dev/null", "--no-retries"]);
  await target.asked;
  await target.close();
  expect(await run.ended).toBe(14);
  expect(run.stderr.text).toMatch(/^nvmeof: .*connection/);
});
