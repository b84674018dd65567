// --compat nvme-cli: the JSON that programs know which read that of nvme-cli. Names and shapes are those of
// its second edition.

import { afterAll, beforeAll, expect, test } from "vitest";
import { failure, nvmeof } from "../testing/run.ts";
import { NQN, type TestTarget, testTarget } from "../testing/target.ts";

let target: TestTarget;
beforeAll(async () => {
  target = await testTarget([{}, { blockBytes: 4096, blockCount: 256 }]);
});
afterAll(() => target.served.close());

const host = ["-q", "nqn.2024-01.org.example:me", "-I", "12345678-1234-4234-8234-123456789abc"];
const compat = async (...args: string[]): Promise<unknown> => {
  const { stdout, exitCode } = await nvmeof([...args, ...host, "--compat", "nvme-cli"]);
  expect(exitCode).toBe(0);
  return JSON.parse(stdout);
};

test("list has a device for each namespace", async () => {
  expect(await compat("list", target.uri)).toEqual({
    Devices: [
      expect.objectContaining({
        NameSpace: 1,
        // There is no device in /dev: what our own commands take is there instead.
        DevicePath: `${target.uri}?nsid=1`,
        ModelNumber: "nvmeof",
        UsedBytes: 1_048_576,
        MaximumLBA: 2048,
        PhysicalSize: 1_048_576,
        SectorSize: 512,
      }),
      expect.objectContaining({ NameSpace: 2, MaximumLBA: 256, SectorSize: 4096 }),
    ],
  });
});

test("list -v has hosts, subsystems, controllers and namespaces", async () => {
  expect(await compat("list", target.uri, "-v")).toMatchObject({
    Devices: [
      {
        HostNQN: "nqn.2024-01.org.example:me",
        HostID: "12345678-1234-4234-8234-123456789abc",
        Subsystems: [
          {
            Subsystem: "nvme-subsys0",
            SubsystemNQN: NQN,
            Controllers: [{ Controller: "nvme0", ModelNumber: "nvmeof", Transport: "tcp" }],
            Namespaces: [{ NSID: 1 }, { NSID: 2 }],
          },
        ],
      },
    ],
  });
});

test("list-subsys and show-topology have hosts with subsystems and paths", async () => {
  expect(await compat("list-subsys", target.uri)).toEqual([
    {
      HostNQN: "nqn.2024-01.org.example:me",
      HostID: "12345678-1234-4234-8234-123456789abc",
      Subsystems: [
        {
          Name: "nvme-subsys0",
          NQN,
          Paths: [
            {
              Name: "nvme0",
              Transport: "tcp",
              Address: `traddr=127.0.0.1,trsvcid=${target.port}`,
              State: "live",
            },
          ],
        },
      ],
    },
  ]);
  expect(await compat("show-topology", target.uri)).toMatchObject([{ Subsystems: [{ NQN }] }]);
});

test("id-ctrl and id-ns leave numbers as they are stored, and names as they are there", async () => {
  const controller = (await compat("id-ctrl", target.uri)) as Record<string, unknown>;
  expect(controller).toMatchObject({
    mn: "nvmeof".padEnd(40),
    ver: 0x2_0000,
    sqes: 0x66,
    nn: 1024,
    subnqn: NQN,
    ioccsz: 516,
    psds: [expect.any(Object) as unknown],
  });
  // 0's based there: our own JSON has counts.
  expect(controller["acl"]).toBe(3);
  expect(await compat("id-ns", target.uri, "-n", "2")).toMatchObject({
    nsze: 256,
    nlbaf: 0,
    flbas: 0,
    lbafs: [{ ms: 0, ds: 12, rp: 0 }],
  });
});

test("connect names the device that there is not", async () => {
  expect(await compat("connect", target.uri)).toEqual({ device: "nvme0" });
});

test("another tool is not known, and errors are for people", async () => {
  expect(await failure(["list", target.uri, "--compat", "spdk"])).toMatchObject({ exitCode: 2 });
  const { stdout, stderr } = await nvmeof(["list", `${target.uri}x`, "--compat", "nvme-cli"]);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^nvmeof: .*\(NVME_ERR_\w+\)\n/);
});
