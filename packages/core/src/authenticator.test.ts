// A host that authenticates: when it is connected, after a loss, and again while commands go on.

import { inspect } from "node:util";
import { Status, statusOf } from "@nvmeof/codec";
import { DhchapKey } from "@nvmeof/codec/auth";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { keepAliveCommand, logPageCommand } from "./admin.ts";
import type { Authentication } from "./auth/options.ts";
import { authCrypto } from "./node/auth-crypto.ts";
import { dhchap } from "./node/dhchap.ts";
import { keyOf } from "./node/testing/auth-pair.ts";
import { AuthPeer, type AuthPeerOptions } from "./node/testing/auth-peer.ts";
import { resolveOptions } from "./options.ts";
import { TestHost, type TestHostOptions } from "./testing/test-host.ts";

const block = { data: new Uint8Array(512) };
const fast = { hashes: ["sha256"], groups: ["null"] } as const;

/** A host with a secret, and a controller that asks for it. */
function setup(
  given: Partial<Authentication> = {},
  asked: Partial<AuthPeerOptions> = {},
  options: Omit<TestHostOptions, "clock"> = {},
) {
  const hostKey = keyOf(1);
  const authentication = { hostKey, crypto: authCrypto, ...fast, ...given };
  const host = new TestHost({
    clock: new VirtualClock(),
    ...options,
    host: { ioQueues: 2, reconnect: { jitter: 0 }, ...options.host, authentication },
  });
  const { hostNqn } = host.controller.options;
  const peer = new AuthPeer(host.peer, hostNqn, { hostKey, ...fast, ...asked });
  return { host, peer };
}

/** Connects, and says with what it ended. */
function outcome(host: TestHost) {
  const started = host.start();
  host.clock.advance(60_000);
  expect(started.count).toBe(1);
  return started.error;
}

describe("connecting", () => {
  test("a controller that asks is told who the host is, on every queue, before anything else", () => {
    const { host, peer } = setup();
    host.connect();
    expect(peer.authenticated).toEqual([0, 1, 2]);
    const exchange = ["auth-send", "auth-receive", "auth-send", "auth-receive"];
    expect(host.peer.steps.slice(0, 6)).toEqual(["connect", ...exchange, "get-cap"]);
    expect(host.peer.steps.filter((step) => step === "auth-send").length).toBe(6);
  });

  test("those who watch are told how", () => {
    const { host } = setup({ controllerKey: keyOf(2) }, { controllerKey: keyOf(2) });
    host.connect();
    const told = host.events.filter((event) => event.type === "authenticated");
    const result = { hash: 1, group: 0, mutual: true };
    expect(told).toEqual([0, 1, 2].map((qid) => ({ type: "authenticated", qid, result })));
  });

  test("a controller that asks on the admin queue only is told there only", () => {
    const { host, peer } = setup({}, { asks: "admin" });
    host.connect();
    expect(peer.authenticated).toEqual([0]);
  });

  test("a controller that does not ask is not told", () => {
    const { host, peer } = setup({}, { asks: "never" });
    host.connect();
    expect([peer.authenticated, host.peer.seenOf("auth-send")]).toEqual([[], []]);
  });

  test("a controller that has to prove itself cannot get out of it by not asking [A19]", () => {
    const asks = { asks: "never", controllerKey: keyOf(2) } as const;
    const { host, peer } = setup({ controllerKey: keyOf(2) }, asks);
    host.connect();
    expect(peer.authenticated).toEqual([0]);
  });

  test("one that knows nothing of authentication has not proven itself [A19]", () => {
    const { host } = setup({ controllerKey: keyOf(2) }, { asks: "never" });
    host.peer.usual("auth-send");
    expect(outcome(host)).toMatchObject({ code: "NVME_ERR_AUTH_CONTROLLER", permanent: true });
    expect(host.controller.state).toBe("closed");
  });

  test("H43: without a secret a controller that asks is refused, with what to do", () => {
    const host = new TestHost({ clock: new VirtualClock() });
    const { hostNqn } = host.controller.options;
    const peer = new AuthPeer(host.peer, hostNqn, { hostKey: keyOf(1) });
    const error = outcome(host);
    expect(error).toMatchObject({ code: "NVME_ERR_AUTH_REQUIRED", phase: "authenticate" });
    expect(error?.hint).toContain("--dhchap-secret-file");
    expect(peer.authenticated).toEqual([]);
  });

  test("a controller that wants a secure channel made of it is refused", () => {
    const { host } = setup({}, { asks: "secure-channel" });
    expect(outcome(host)).toMatchObject({ code: "NVME_ERR_AUTH_UNUSABLE", kind: "secure-channel" });
  });

  test("a wrong secret is final: there is one attempt, and nothing is left", () => {
    const { host, peer } = setup({ hostKey: keyOf(9) });
    expect(outcome(host)).toMatchObject({ code: "NVME_ERR_AUTH_FAILED", permanent: true });
    expect([host.peer.seenOf("connect").length, peer.failures]).toEqual([1, [1]]);
    expect([host.controller.state, host.peer.queueCount]).toEqual(["closed", 0]);
  });

  test("a controller with a wrong secret is told that the host goes, and left", () => {
    const { host, peer } = setup({ controllerKey: keyOf(2) }, { controllerKey: keyOf(3) });
    expect(outcome(host)).toMatchObject({ code: "NVME_ERR_AUTH_CONTROLLER", kind: "unproven" });
    expect(peer.failures).toEqual([1]);
    expect(host.peer.steps).not.toContain("get-cap");
  });

  test("a controller that falls silent in the middle ends the attempt in time", () => {
    const { host } = setup({ timeoutMs: 2_000 });
    host.peer.drop("auth-receive");
    const started = host.start();
    host.clock.advance(1_900);
    expect(started.count).toBe(0);
    host.clock.advance(200);
    expect(started.error).toMatchObject({ code: "NVME_ERR_TIMEOUT", phase: "authenticate" });
  });

  test("an exchange that goes on, but slowly, ends in time as well", () => {
    const { host, peer } = setup({ timeoutMs: 2_000 });
    peer.lateMs = 900;
    const started = host.start();
    host.clock.advance(2_100);
    expect(started.error).toMatchObject({ code: "NVME_ERR_TIMEOUT" });
    expect(host.peer.queueCount).toBe(0);
  });

  test.each([
    ["refused", Status.InvalidField, "NVME_ERR_AUTH_PROTOCOL"],
    ["not for now", Status.CommandSequenceError, "NVME_ERR_AUTH_PROTOCOL"],
  ])("a command of the exchange that is %s fails the attempt", (_what, status, code) => {
    const { host } = setup();
    host.peer.refuse("auth-receive", status);
    const error = outcome(host);
    expect(error).toMatchObject({ code, status, permanent: false });
  });

  test("a connection that is lost in the middle fails the attempt", () => {
    const { host } = setup();
    host.peer.killOn("auth-receive");
    expect(outcome(host)?.code).toBe("NVME_ERR_CONNECTION_LOST");
  });

  test("a connection that is cut instead of a verdict is taken for one, though not a final one", () => {
    const { host, peer } = setup({ hostKey: keyOf(9) });
    peer.ends = "instead-of-verdict";
    expect(outcome(host)).toMatchObject({ code: "NVME_ERR_AUTH_FAILED", permanent: false });
  });

  test("a connection that is cut right behind the verdict does not hide it", () => {
    const { host, peer } = setup({ hostKey: keyOf(9) });
    peer.ends = "after-verdict";
    expect(outcome(host)).toMatchObject({ code: "NVME_ERR_AUTH_FAILED", permanent: true });
  });

  test("a close in the middle ends all of it", () => {
    const { host } = setup();
    host.peer.drop("auth-receive");
    host.start();
    host.clock.settle();
    const report = host.close();
    expect([host.controller.state, host.peer.queueCount, report.totalMs]).toEqual(["closed", 0, 0]);
    // The look of the transport at what it has sent apart.
    host.clock.advance(20_000);
    expect(host.clock.armed).toBe(0);
  });
});

describe("coming back", () => {
  test("a lost controller is authenticated anew", () => {
    const { host, peer } = setup();
    host.connect();
    host.peer.kill();
    host.clock.advance(5_000);
    expect(host.controller.state).toBe("live");
    expect(peer.authenticated).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test("a secret that was changed is believed when it is repeated, and the controller closed", () => {
    const { host, peer } = setup();
    host.connect();
    peer.secrets = peer.secretsOf({ hostKey: keyOf(9), ...fast });
    host.peer.kill();
    host.clock.advance(60_000);
    expect(host.controller.state).toBe("closed");
    expect(host.controller.reason).toMatchObject({ code: "NVME_ERR_AUTH_FAILED" });
    expect(host.peer.seenOf("connect").length).toBe(4);
  });

  test("a secret that is put right in between lets it back in", () => {
    const { host, peer } = setup();
    host.connect();
    const right = peer.secrets;
    peer.secrets = peer.secretsOf({ hostKey: keyOf(9), ...fast });
    host.peer.kill();
    host.clock.advance(500);
    peer.secrets = right;
    host.clock.advance(10_000);
    expect(host.controller.state).toBe("live");
  });
});

describe("authenticating again", () => {
  test("goes over all queues while reads are under way, which go on [A17]", () => {
    const { host, peer } = setup();
    host.connect();
    host.peer.drop("read");
    const reads = [host.read(), host.read()];
    const again = host.request((done) => host.controller.reauthenticate(done));
    host.clock.settle();
    expect(again).toMatchObject({ count: 1, error: undefined });
    expect(peer.authenticated).toEqual([0, 1, 2, 0, 1, 2]);
    for (const command of host.peer.seenOf("read")) host.peer.answer(command, block);
    host.clock.settle();
    expect(reads).toMatchObject([
      { count: 1, error: undefined },
      { count: 1, error: undefined },
    ]);
    expect(host.states).toEqual(["connecting", "live"]);
  });

  test("only where it was done in the first place", () => {
    const { host, peer } = setup({}, { asks: "admin" });
    host.connect();
    host.request((done) => host.controller.reauthenticate(done));
    host.clock.settle();
    expect(peer.authenticated).toEqual([0, 0]);
  });

  test("waits for room on a queue that is full", () => {
    const { host, peer } = setup({}, {}, { host: { queueEntries: 3, ioQueues: 1 } });
    host.connect();
    host.peer.drop("read");
    const reads = [host.read(), host.read()];
    const again = host.request((done) => host.controller.reauthenticate(done));
    host.clock.settle();
    expect([again.count, peer.authenticated.length]).toEqual([0, 3]);
    host.peer.answer(host.peer.seenOf("read")[0]!, block);
    host.clock.settle();
    expect([again.error, peer.authenticated]).toEqual([undefined, [0, 1, 0, 1]]);
    expect(reads.map(({ count }) => count)).toEqual([1, 0]);
  });

  test("requests that come while it runs join it", () => {
    const { host, peer } = setup();
    host.connect();
    const both = [1, 2].map(() => host.request((done) => host.controller.reauthenticate(done)));
    host.clock.settle();
    expect(both).toMatchObject([{ count: 1 }, { count: 1 }]);
    expect(peer.authenticated.length).toBe(6);
  });

  test("that fails is a loss: the queues go, and the attempt that follows decides [A17]", () => {
    const { host, peer } = setup();
    host.connect();
    peer.secrets = peer.secretsOf({ hostKey: keyOf(9), ...fast });
    host.peer.drop("read");
    const read = host.read();
    const again = host.request((done) => host.controller.reauthenticate(done));
    host.clock.settle();
    expect(again.error).toMatchObject({ code: "NVME_ERR_AUTH_FAILED" });
    expect(read.error).toMatchObject({ outcome: "unknown" });
    expect(host.states.at(2)).toBe("recovering");
    host.clock.advance(60_000);
    expect(host.controller.state).toBe("closed");
  });

  test("that is not answered is a loss as well [A17]", () => {
    const { host, peer } = setup({ timeoutMs: 2_000 });
    host.connect();
    peer.muted = 1;
    const again = host.request((done) => host.controller.reauthenticate(done));
    host.clock.advance(2_100);
    expect(again.error).toMatchObject({ code: "NVME_ERR_TIMEOUT" });
    host.clock.advance(5_000);
    expect(host.states).toEqual(["connecting", "live", "recovering", "live"]);
  });

  test("ends with the controller: who waits is told, once", () => {
    const { host } = setup();
    host.connect();
    host.peer.drop("auth-receive");
    const again = host.request((done) => host.controller.reauthenticate(done));
    host.clock.settle();
    host.close();
    expect(again).toMatchObject({ count: 1, error: { code: "NVME_ERR_CONTROLLER_CLOSED" } });
    host.clock.advance(60_000);
    expect(again.count).toBe(1);
  });

  test("is refused where there is no live controller, and where there is no secret", () => {
    const { host } = setup();
    const early = host.request((done) => host.controller.reauthenticate(done));
    host.clock.settle();
    expect(early.error).toMatchObject({ code: "NVME_ERR_STATE" });
    const plain = new TestHost({ clock: new VirtualClock() });
    plain.connect();
    const keyless = plain.request((done) => plain.controller.reauthenticate(done));
    plain.clock.settle();
    expect(keyless.error).toMatchObject({ code: "NVME_ERR_AUTH_REQUIRED" });
    expect(plain.controller.state).toBe("live");
  });

  test("happens by itself, as often as was asked for", () => {
    const { host, peer } = setup({ repeatMs: 60_000 }, {}, { host: { ioQueues: 1 } });
    host.connect();
    host.clock.advance(59_000);
    expect(peer.authenticated.length).toBe(2);
    host.clock.advance(122_000);
    expect(peer.authenticated.length).toBe(8);
    host.close();
    host.clock.advance(600_000);
    expect(peer.authenticated.length).toBe(8);
  });

  test("a controller asks for it by refusing a read, which its user sends again", () => {
    const { host, peer } = setup({}, {}, { host: { ioQueues: 1 } });
    host.connect();
    host.peer.refuse("read", Status.AuthRequired, 0, 1);
    const command = host.read();
    host.clock.settle();
    expect(command.error).toMatchObject({ status: Status.AuthRequired });
    expect(peer.authenticated).toEqual([0, 1, 0, 1]);
    expect(host.controller.state).toBe("live");
  });

  const getLog = () => logPageCommand({ lid: 1 }, new Uint8Array(64));
  const { AuthRequired } = Status;
  const finalAuth = AuthRequired | statusOf(0, 0, true);

  test.each([
    { what: "is sent again", times: 1, status: AuthRequired, sent: 2, got: undefined },
    { what: "is sent again once", times: 9, status: AuthRequired, sent: 2, got: AuthRequired },
    { what: "for good is not", times: 1, status: finalAuth, sent: 1, got: finalAuth },
  ])("an admin command that is refused so $what", ({ times, status, sent, got }) => {
    const { host, peer } = setup({}, {}, { host: { ioQueues: 1 } });
    host.connect();
    host.peer.refuse("log", status, 0, times);
    const command = host.admin(getLog());
    host.clock.settle();
    expect([command.count, command.error?.status]).toEqual([1, got]);
    expect(host.peer.seenOf("log").length).toBe(sent);
    expect(peer.authenticated).toEqual(times > 1 ? [0, 1, 0, 1, 0, 1] : [0, 1, 0, 1]);
  });

  test("an admin command that waits for it fails with it, once", () => {
    const { host } = setup({}, {}, { host: { ioQueues: 1 } });
    host.connect();
    host.peer.refuse("log", AuthRequired, 0, 1);
    host.peer.drop("auth-receive");
    const command = host.admin(getLog());
    host.clock.settle();
    expect(command.count).toBe(0);
    host.close();
    host.clock.advance(60_000);
    expect([command.count, command.error?.status]).toEqual([1, AuthRequired]);
  });

  test("a request for events that is refused so is made again: none is missed", () => {
    const { host } = setup({}, {}, { host: { ioQueues: 1 } });
    host.peer.refuse("async-event", AuthRequired, 0, 1);
    host.connect();
    expect(host.peer.seenOf("async-event").length).toBe(1);
    host.clock.advance(1_000);
    expect(host.peer.seenOf("async-event").length).toBe(2);
    host.clock.advance(60_000);
    expect([host.peer.seenOf("async-event").length, host.controller.state]).toEqual([2, "live"]);
  });

  test.each([
    "get-cap",
    "get-vs",
    "get-cc",
    "set-cc",
    "get-csts",
    "identify-controller",
    "set-async-events",
    "set-number-of-queues",
  ] as const)("%s of a bring-up that is refused so is sent again, after it", (step) => {
    const { host, peer } = setup({}, {}, { host: { ioQueues: 1 } });
    host.peer.refuse(step, AuthRequired, 0, 1);
    host.connect();
    expect(peer.authenticated).toEqual([0, 0, 1]);
    expect(host.peer.seenOf(step).length).toBe(2);
    expect(host.states).toEqual(["connecting", "live"]);
  });

  test("a bring-up whose controller is never content fails, and does without nothing", () => {
    const { host } = setup({}, {}, { host: { ioQueues: 1 } });
    host.peer.refuse("set-async-events", AuthRequired);
    expect(outcome(host)).toMatchObject({ status: AuthRequired });
  });

  test("a Keep Alive that is refused so is an answer, and asks for it", () => {
    const { host, peer } = setup({}, {}, { host: { ioQueues: 1 } });
    host.connect();
    host.peer.refuse("keep-alive", Status.AuthRequired, 0, 1);
    host.clock.advance(9_000);
    expect([host.controller.state, peer.authenticated]).toEqual(["live", [0, 1, 0, 1]]);
    host.clock.advance(60_000);
    expect(host.states).toEqual(["connecting", "live"]);
  });

  test("a controller that begins to ask loses a host without a secret", () => {
    const host = new TestHost({ clock: new VirtualClock() });
    host.connect();
    host.peer.refuse("keep-alive", Status.AuthRequired, 0, 1);
    host.clock.advance(6_000);
    const lost = host.events.find((event) => event.type === "state" && event.cause === "lost");
    expect(lost).toMatchObject({ reason: { code: "NVME_ERR_AUTH_REQUIRED" } });
  });
});

describe("room in the admin queue", () => {
  test("is kept for it: users who fill the queue do not keep it out", () => {
    const { host, peer } = setup({}, {}, { host: { ioQueues: 1 } });
    host.connect();
    host.peer.drop("keep-alive");
    for (let i = 0; i < 40; i++) host.admin(keepAliveCommand(Infinity));
    host.clock.settle();
    const again = host.request((done) => host.controller.reauthenticate(done));
    host.clock.settle();
    expect([again.error, peer.authenticated]).toEqual([undefined, [0, 1, 0, 1]]);
  });
});

describe("options", () => {
  const text = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";

  test("are checked before anything is sent", () => {
    const { host } = setup();
    const base = host.peer.hostOptions();
    const withAuth = (authentication: Partial<Authentication>) => () =>
      resolveOptions({
        ...base,
        authentication: { hostKey: keyOf(1), crypto: authCrypto, ...authentication },
      });
    expect(withAuth({ timeoutMs: 0 })).toThrow(RangeError);
    expect(withAuth({ repeatMs: 5 })).toThrow(RangeError);
    expect(withAuth({ groups: [] })).toThrow(RangeError);
    expect(withAuth({ hashes: ["md5" as "sha256"] })).toThrow("md5");
    expect(withAuth({ hashes: ["toString" as "sha256"] })).toThrow(RangeError);
    expect(withAuth({ hostKey: text as unknown as DhchapKey })).toThrow(TypeError);
  });

  test("take secrets as text for Node, and keep no text", () => {
    const authentication = dhchap({ hostKey: text, controllerKey: DhchapKey.parse(text) });
    expect(authentication.hostKey.revealText()).toBe(text);
    expect(inspect(authentication, { depth: 9, showHidden: true })).not.toContain("AAECAwQF");
    const { host } = setup(authentication);
    const shown = inspect(host.controller.options, { depth: 9, showHidden: true, getters: true });
    expect(shown).toContain("DhchapKey");
    expect(shown).not.toContain("AAECAwQF");
    expect(() => dhchap({ hostKey: "nonsense" })).toThrow("DHHC-1:");
  });
});
