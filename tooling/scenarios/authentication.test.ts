// Authentication as devices and paths live with it: connecting, losses, demands, changed secrets.
// Read first: packages/core/src/authenticator.ts, packages/target/src/auth/auth-role.ts.

import { AdminOpcode, Fctype, OPC_FABRICS } from "@nvmeof/codec";
import { DhchapKey } from "@nvmeof/codec/auth";
import type { Authentication } from "@nvmeof/core";
import { authCrypto } from "@nvmeof/core/node";
import type { AllowedHost, HostAuthentication, TargetEvent } from "@nvmeof/target";
import type { QueueLink, Transport } from "@nvmeof/transport";
import { expect, test } from "vitest";
import { codesOf, expectCleanEnd, expectNoErrors, expectSettledOnce } from "./expectations.ts";
import { HOST_NQN, World, type WorldOptions } from "./world.ts";

const keyOf = (seed: number): DhchapKey =>
  new DhchapKey(Uint8Array.from({ length: 32 }, (_, i) => (seed * 41 + i * 7) & 0xff));

const groups = ["ffdhe2048"] as const;

const host = (secrets: Partial<HostAuthentication> = {}): AllowedHost => ({
  nqn: HOST_NQN,
  dhchap: { hostKey: keyOf(1), controllerKey: keyOf(2), groups, ...secrets },
});

/** One command of a host: on which connection, and what. */
interface Seen {
  readonly queue: number;
  readonly opcode: number;
  readonly fctype: number | undefined;
  readonly data: Uint8Array | undefined;
}

/** A host and a target that authenticate both ways; and what the host has sent. */
class AuthWorld extends World {
  readonly seen: Seen[];
  readonly events: TargetEvent[] = [];

  constructor(options: WorldOptions = {}, authentication: Partial<Authentication> = {}) {
    const seen: Seen[] = [];
    let queues = 0;
    const watch = (transport: Transport): Transport => ({
      address: transport.address,
      clock: transport.clock,
      openQueue: (asked, events): QueueLink => {
        const queue = queues++;
        const link = transport.openQueue(asked, events);
        return {
          submit: (cid, sqe, direction, data) => {
            const fctype = sqe[0] === OPC_FABRICS ? sqe[4] : undefined;
            seen.push({ queue, opcode: sqe[0]!, fctype, data });
            link.submit(cid, sqe, direction, data);
          },
          detach: (cid) => link.detach(cid),
          close: (how) => link.close(how),
        };
      },
    });
    super({
      watch,
      ...options,
      target: { authCrypto, ...options.target },
      controller: {
        ioQueues: 2,
        authentication: {
          hostKey: keyOf(1),
          controllerKey: keyOf(2),
          crypto: authCrypto,
          groups,
          ...authentication,
        },
        ...options.controller,
      },
    });
    this.seen = seen;
    this.allow(host());
  }

  /** Who may connect, from now on. */
  allow(...hosts: AllowedHost[]): void {
    this.subsystem.setAllowedHosts(hosts);
    this.target.observe((event) => this.events.push(event));
  }

  /** Queues that were authenticated so far. */
  get proofs(): number {
    return this.target.counters.authentications.succeeded;
  }
}

const isAuth = ({ fctype }: Seen): boolean =>
  fctype === Fctype.AuthenticationSend || fctype === Fctype.AuthenticationReceive;

/** I39: on every connection, nothing but Connect before there was a whole exchange. */
function expectProofFirst(seen: readonly Seen[]): void {
  const queues = new Map<number, Seen[]>();
  for (const each of seen) queues.set(each.queue, [...(queues.get(each.queue) ?? []), each]);
  for (const [connect, ...rest] of queues.values()) {
    expect([connect?.opcode, connect?.fctype]).toEqual([OPC_FABRICS, Fctype.Connect]);
    const first = rest.findIndex((each) => !isAuth(each));
    const before = first === -1 ? rest.length : first;
    if (first !== -1) expect(before).toBe(5);
  }
}

test("reads and writes of a host that was authenticated both ways, on every queue", async () => {
  const world = new AuthWorld();
  const path = await world.attach();
  const channel = world.device().openChannel();
  const writes = world.writes(channel, 64, 7);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(writes);
  expect(await world.readBack(channel, 63)).toBe(7);
  expect(path.controller.authenticated).toMatchObject({ mutual: true, group: 1 });
  expect(world.proofs).toBe(3);
  expectProofFirst(world.seen);
  channel.close();
  await expectCleanEnd(world);
});

test("no message that passes has a secret in it, nor what is made of one", async () => {
  const world = new AuthWorld();
  await world.attach();
  await world.close();
  const carried = world.seen.filter(isAuth).map(({ data }) => Buffer.from(data ?? []));
  expect(carried.length).toBe(15);
  for (const key of [keyOf(1), keyOf(2)]) {
    const secret = Buffer.from(key.reveal());
    for (const data of carried) {
      expect(data.includes(secret)).toBe(false);
      expect(data.includes(secret.subarray(0, 8))).toBe(false);
    }
  }
});

test("a path that was lost comes back authenticated, and what waited for it is done", async () => {
  const world = new AuthWorld();
  await world.attach();
  const channel = world.device().openChannel();
  await world.readBack(channel, 0);
  world.port.reset();
  const reads = world.reads(channel, 32);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  expect(world.proofs).toBe(6);
  expectProofFirst(world.seen);
  channel.close();
  await expectCleanEnd(world);
});

test("a target that has another secret now ends the path after it has said so three times", async () => {
  const world = new AuthWorld();
  const path = await world.attach();
  const channel = world.device().openChannel();
  world.allow(host({ hostKey: keyOf(9) }));
  world.port.reset();
  const reads = world.reads(channel, 8);
  await world.runUntil(() => world.unsettled === 0);
  expectSettledOnce(reads);
  await world.runUntil(() => path.controller.state === "closed");
  expect(path.controller.reason).toMatchObject({ code: "NVME_ERR_AUTH_FAILED" });
  expect(world.target.counters.authentications).toEqual({ succeeded: 3, failed: 3 });
  expectProofFirst(world.seen);
  world.allow(host()); // or nobody could attach again
  channel.close();
  await expectCleanEnd(world);
});

test("a first connect with a wrong secret fails with the reason, and leaves nothing", async () => {
  const world = new AuthWorld({}, { hostKey: keyOf(9) });
  const error: unknown = await world.attach().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "NVME_ERR_AUTH_FAILED", permanent: true });
  await world.pass(10);
  expect(world.target.status).toMatchObject({ connections: 0, controllers: 0 });
  const kinds = world.events.map(({ type }) => type);
  expect(kinds).toContain("authentication-failed");
  expect(kinds).not.toContain("authenticated");
});

test("a target that is not the one that is meant is found out before it gets anything", async () => {
  const world = new AuthWorld({}, { controllerKey: keyOf(8) });
  const error: unknown = await world.attach().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "NVME_ERR_AUTH_CONTROLLER", kind: "unproven" });
  expect(world.seen.every((each) => isAuth(each) || each.fctype === Fctype.Connect)).toBe(true);
});

test("[A19] nor does one get by that asks for no authentication at all", async () => {
  const world = new AuthWorld();
  world.allow({ nqn: HOST_NQN });
  const error: unknown = await world.attach().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "NVME_ERR_AUTH_CONTROLLER", kind: "unasked" });
});

test("[A17] a demand in the middle of reads and writes is met, and none of them fails", async () => {
  const world = new AuthWorld();
  const path = await world.attach();
  const channel = world.device().openChannel();
  for (let round = 0; round < 5; round++) {
    const load = [...world.reads(channel, 32), ...world.writes(channel, 32)];
    expect(world.subsystem.reauthenticate()).toBe(1);
    load.push(...world.reads(channel, 32));
    await world.runUntil(() => world.unsettled === 0);
    expectNoErrors(load);
    await world.pass(100);
  }
  expect(world.proofs).toBe(3 + 5 * 3);
  expect(path.controller.state).toBe("live");
  // And nobody is removed when the time of the demands is over.
  await world.pass(30_000);
  expect(path.controller.state).toBe("live");
  channel.close();
  await expectCleanEnd(world);
});

test("[A17] a host authenticates again by itself while reads go on", async () => {
  const world = new AuthWorld({}, { repeatMs: 5_000 });
  const path = await world.attach();
  const channel = world.device().openChannel();
  for (let round = 0; round < 6; round++) {
    const load = world.reads(channel, 64);
    await world.pass(5_000);
    expectNoErrors(load);
  }
  expect(world.proofs).toBeGreaterThanOrEqual(3 * 6);
  expect(path.controller.state).toBe("live");
  channel.close();
  await expectCleanEnd(world);
});

test("[A17] a second proof that fails is a lost path: requests go by the other one", async () => {
  const world = new AuthWorld({ ports: 2 });
  const [first] = await world.attachAll();
  const channel = world.device().openChannel();
  world.allow(host({ hostKey: keyOf(9) }));
  const reads = world.reads(channel, 32);
  const asked = world.asked((done) => first!.controller.reauthenticate(done));
  await world.runUntil(() => asked.errors.length > 0);
  expect(asked.errors).toMatchObject([{ code: "NVME_ERR_AUTH_FAILED" }]);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  world.allow(host());
  channel.close();
  await expectCleanEnd(world);
});

test("[A17] a demand that a host does not meet ends its controllers, and a new one is let in", async () => {
  const world = new AuthWorld();
  const path = await world.attach();
  const channel = world.device().openChannel();
  // The host has forgotten its secret: it is another one that it tries again with.
  world.allow(host({ hostKey: keyOf(9) }));
  world.subsystem.reauthenticate();
  const reads = world.reads(channel, 4);
  await world.pass(500);
  expect(path.controller.state).not.toBe("live");
  world.allow(host());
  await world.runUntil(() => path.controller.state === "live");
  reads.push(...world.reads(channel, 4));
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  channel.close();
  await expectCleanEnd(world);
});

test("a target that falls silent in the middle of an exchange is given up, and tried again", async () => {
  const world = new AuthWorld({}, { timeoutMs: 3_000 });
  const path = await world.attach();
  const channel = world.device().openChannel();
  world.target.freeze();
  const asked = world.asked((done) => path.controller.reauthenticate(done));
  await world.runUntil(() => asked.errors.length > 0);
  expect(asked.errors).toMatchObject([{ code: "NVME_ERR_TIMEOUT", phase: "authenticate" }]);
  world.target.thaw();
  const reads = world.reads(channel, 8);
  await world.runUntil(() => world.unsettled === 0);
  expectNoErrors(reads);
  channel.close();
  await expectCleanEnd(world);
});

test("a close in the middle of an exchange is bounded, whatever the target does", async () => {
  const world = new AuthWorld();
  const path = await world.attach();
  world.target.freeze();
  const asked = world.asked((done) => path.controller.reauthenticate(done));
  await world.pass(50);
  await world.close();
  expect(asked.errors).toMatchObject([{ code: "NVME_ERR_CONTROLLER_CLOSED" }]);
  expect(codesOf(world.requests)).toEqual([]);
  expect(world.hostClock.armed).toBe(0);
});

test("Keep Alive goes on for hours with a host that authenticates again and again", async () => {
  const world = new AuthWorld({ controller: { ioQueues: 1 } }, { repeatMs: 600_000 });
  const path = await world.attach();
  const states: string[] = [];
  path.controller.observe((event) => event.type === "state" && states.push(event.to));
  for (let hour = 0; hour < 3; hour++) await world.pass(3_600_000 - 1);
  expect([path.controller.state, states]).toEqual(["live", []]);
  expect(world.proofs).toBeGreaterThanOrEqual(2 * 17);
  expect(
    world.seen.filter(({ opcode }) => opcode === AdminOpcode.KeepAlive).length,
  ).toBeGreaterThan(1_000);
  await expectCleanEnd(world);
}, 60_000);
