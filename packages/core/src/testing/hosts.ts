// Hosts as the tests of this package begin and end with them.
// Read first: test-host.ts.

import { VirtualClock } from "@nvmeof/transport/testing";
import { expect } from "vitest";
import { type Ended, TestHost, type TestHostOptions } from "./test-host.ts";

type HostOptions = Omit<TestHostOptions, "clock">;

/** Waits between attempts are what they are said to be. */
export const noJitter = { jitter: 0 };

/** A controller that was not started, and its peer. */
export const setup = (options: HostOptions = {}): TestHost =>
  new TestHost({ clock: new VirtualClock(), ...options });

/** A live one. */
export function live(options: HostOptions = {}): TestHost {
  const host = setup({ ...options, host: { reconnect: noJitter, ...options.host } });
  host.connect();
  return host;
}

/** Lets the peer be gone: nobody listens, and what was connected is dropped. */
export function lose(host: TestHost): void {
  host.peer.refuseConnections();
  host.peer.kill();
  host.clock.settle();
}

/** Connects to a peer that will not have it, which ends it, and gives what is said of it. */
export function failed(host: TestHost): Pick<Ended, "error" | "atMs"> {
  const started = host.start();
  host.clock.runUntil(() => started.count > 0);
  host.clock.settle();
  expect(started.count).toBe(1);
  expect(started.error).toBeDefined();
  expect(host.controller.state).toBe("closed");
  expect([host.peer.queueCount, host.clock.armed]).toEqual([0, 0]);
  return { error: started.error, atMs: started.atMs };
}

/** Nothing is left of one that is closed: no queue, no timer, and nothing that could happen later. */
export function expectNothingLeft({ controller, peer, clock, events }: TestHost): void {
  expect(controller.state).toBe("closed");
  expect(controller.ioQueues).toEqual([]);
  const { connectionCount } = peer;
  const told = events.length;
  expect(peer.queueCount).toBe(0);
  expect(clock.armed).toBe(0);
  clock.advance(600_000);
  expect(peer.connectionCount).toBe(connectionCount);
  expect(events).toHaveLength(told);
}
