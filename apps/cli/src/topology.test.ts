// list-subsys and show-topology: what is behind the addresses given, over TCP.

import { AnaState } from "@nvmeof/codec";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nvmeof, nvmeofJson } from "./testing/run.ts";
import { NQN, type TestPort, type TestTarget, testPort, testTarget } from "./testing/target.ts";
import type { TopologyHost } from "./topology.ts";

const OTHER = "nqn.2024-01.org.example:empty";
let target: TestTarget;
let port: TestPort;
beforeAll(async () => {
  target = await testTarget([{}, { blockBytes: 4096, blockCount: 1024 }]);
  port = await testPort(target);
  const { target: all, subsystem } = target.served;
  // The second port is the worse one, for both namespaces.
  const [, second] = all.ports;
  const state = AnaState.NonOptimized;
  subsystem.setAnaState({ group: 1, state, portId: second!.portId });
  all.addSubsystem({ nqn: OTHER, allowedHosts: "any" });
});
afterAll(() => target.served.close());

const addressOf = (uri: string): string => `traddr=127.0.0.1,trsvcid=${new URL(uri).port}`;
const empty = (): string => target.uri.replace(NQN, OTHER);

test("list-subsys has the shape that nvme-cli gives it, and ANA states beside", async () => {
  const { data, exitCode } = await nvmeofJson(["list-subsys", target.uri, port.uri]);
  expect(exitCode).toBe(0);
  const namespaces = (state: string) => [1, 2].map((NSID) => ({ NSID, ANAState: state }));
  const path = { Transport: "tcp", State: "live" };
  expect(data).toMatchObject({
    hosts: [
      {
        HostNQN: expect.stringMatching(/^nqn\.2014-08\.org\.nvmexpress:uuid:/),
        HostID: expect.stringMatching(/^[\da-f-]{36}$/),
        Subsystems: [
          {
            Name: "nvme-subsys0",
            NQN,
            Model: "nvmeof",
            IOPolicy: "active-passive",
            Paths: [
              {
                ...path,
                Name: "nvme0",
                Address: addressOf(target.uri),
                Namespaces: namespaces("optimized"),
              },
              {
                ...path,
                Name: "nvme1",
                Address: addressOf(port.uri),
                Namespaces: namespaces("non-optimized"),
              },
            ],
          },
        ],
      },
    ],
  });
});

test("list-subsys prints a subsystem with its paths below it", async () => {
  const { stdout, stderr } = await nvmeof(["list-subsys", target.uri, port.uri, "-v"]);
  expect(stdout).toContain(`nvme-subsys0 - NQN=${NQN}\n    hostnqn=`);
  expect(stdout).toMatch(/^ {4}model=nvmeof$/m);
  expect(stdout).toContain(` +- nvme0 tcp ${addressOf(target.uri)} live optimized\n`);
  expect(stdout).toContain(` +- nvme1 tcp ${addressOf(port.uri)} live non-optimized\n`);
  expect(stderr).toBe("");
});

test("several subsystems are listed one after the other, for one host", async () => {
  const { data } = await nvmeofJson(["list-subsys", target.uri, empty(), port.uri]);
  const { hosts } = data as { hosts: TopologyHost[] };
  const found = hosts.flatMap(({ Subsystems }) => Subsystems);
  expect(hosts).toHaveLength(1);
  expect(found.map(({ Name, NQN: nqn, Paths }) => [Name, nqn, Paths.length])).toEqual([
    ["nvme-subsys0", NQN, 2],
    ["nvme-subsys1", OTHER, 1],
  ]);
  expect(found[1]?.Paths[0]).toMatchObject({ Name: "nvme2", State: "live", Namespaces: [] });
});

test("show-topology lists the paths below each namespace", async () => {
  const { stdout } = await nvmeof(["show-topology", target.uri, port.uri, empty()]);
  const paths =
    `     +- nvme0 tcp ${addressOf(target.uri)} live optimized\n` +
    `     +- nvme1 tcp ${addressOf(port.uri)} live non-optimized\n`;
  expect(stdout).toContain(
    ` +- ns 1, 1.05 MB, blocks of 512 bytes\n${paths}` +
      ` +- ns 2, 4.19 MB, blocks of 4096 bytes\n${paths}`,
  );
  expect(stdout).toMatch(/ - NQN=nqn\.2024-01\.org\.example:empty\n.*\n.*\n \+- no namespace\n$/);
  const { data } = await nvmeofJson(["show-topology", target.uri]);
  expect(data).toMatchObject({
    hosts: [{ Subsystems: [{ Namespaces: [{ NSID: 1, SizeBytes: "1048576" }, { NSID: 2 }] }] }],
  });
});

test("an address that cannot be reached is listed, and the exit code says partial", async () => {
  const args = ["list-subsys", target.uri, "nvme+tcp://127.0.0.1:1"];
  const { data, error, exitCode } = await nvmeofJson(args);
  expect(exitCode).toBe(11);
  expect(error).toMatchObject({ code: "NVME_ERR_PARTIAL", exitCode: 11 });
  const { hosts } = data as { hosts: TopologyHost[] };
  expect(hosts[0]?.Subsystems[0]?.Paths[1]).toMatchObject({
    Name: "nvme1",
    State: "unreachable",
    Cntlid: null,
  });
  const { stdout, stderr } = await nvmeof(args);
  expect(stdout).toContain(" +- nvme1 tcp traddr=127.0.0.1,trsvcid=1 unreachable\n");
  expect(stderr).toContain("1 of 2 addresses could not be reached (NVME_ERR_PARTIAL)");
});

test("where nothing can be reached the error is that of the first address", async () => {
  const { error } = await nvmeofJson(["show-topology", `nvme+tcp://127.0.0.1:1/${NQN}`]);
  expect(error).toMatchObject({ code: "NVME_ERR_UNREACHABLE", exitCode: 4, peer: { port: 1 } });
});
