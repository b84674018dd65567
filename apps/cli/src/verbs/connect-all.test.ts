// discover with all its options, connect-all, and the files of nvme-cli that both read: over TCP, with
// referrals from one target to another.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DISCOVERY_NQN } from "@nvmeof/codec";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson, start } from "../testing/run.ts";
import { NQN, type TestTarget, testPort, testTarget } from "../testing/target.ts";

const OTHER = "nqn.2024-01.org.example:other";

let other: TestTarget;
let target: TestTarget;
beforeAll(async () => {
  other = await testTarget([{}], { nqn: OTHER });
  const at = (port: number) => ({
    trtype: "tcp" as const,
    traddr: "127.0.0.1",
    trsvcid: String(port),
  });
  target = await testTarget([{}, {}], { referrals: [{ address: at(other.port), portId: 9 }] });
});
afterAll(async () => {
  await target.served.close();
  await other.served.close();
});

const data = async (...args: string[]): Promise<unknown> => {
  const { data: found, error } = await nvmeofJson(args);
  expect(error).toBeNull();
  return found;
};
const nqnsOf = (found: unknown): string[] =>
  (found as { records: { subnqn: string }[] }).records.map(({ subnqn }) => subnqn);
const subsystemsOf = (found: unknown): unknown =>
  (found as { hosts: { Subsystems: { NQN: string; Paths: unknown[] }[] }[] }).hosts.map(
    ({ Subsystems }) => Subsystems.map(({ NQN: nqn, Paths }) => [nqn, Paths.length]),
  );

describe("discover", () => {
  test("--referrals asks those as well that it is referred to", async () => {
    expect(nqnsOf(await data("discover", target.discovery))).not.toContain(OTHER);
    expect(nqnsOf(await data("discover", target.discovery, "--referrals"))).toEqual(
      expect.arrayContaining([NQN, OTHER]),
    );
  });

  test("a referral that leads nowhere is a warning", async () => {
    const at = { trtype: "tcp" as const, traddr: "127.0.0.1", trsvcid: "1" };
    await using lost = (await testTarget([{}], { referrals: [{ address: at }] })).served;
    const uri = `nvme+tcp://127.0.0.1:${lost.address.port}`;
    const found = await nvmeofJson(["discover", uri, "--referrals"]);
    expect(found.exitCode).toBe(0);
    expect(found.warnings.join()).toContain("a referral could not be followed: ");
  });

  test("--raw writes the log as it is", async () => {
    const file = freshPath("log");
    const { exitCode, stdout } = await nvmeof(["discover", target.discovery, "--raw", file]);
    expect([exitCode, stdout]).toEqual([0, ""]);
    const bytes = readFileSync(file);
    expect(bytes).toHaveLength(4 * 1024);
    expect(bytes.toString("latin1")).toContain(NQN);
  });

  test("--compat nvme-cli has its words", async () => {
    const { stdout } = await nvmeof(["discover", target.discovery, "--compat", "nvme-cli"]);
    const { records } = JSON.parse(stdout) as { records: { subnqn: string }[] };
    expect(records.find(({ subnqn }) => subnqn === NQN)).toEqual({
      trtype: "tcp",
      adrfam: "ipv4",
      subtype: "nvme subsystem",
      treq: "not required",
      portid: "1",
      trsvcid: String(target.port),
      subnqn: NQN,
      traddr: "127.0.0.1",
      eflags: "none",
      sectype: "none",
    });
  });

  test.each([["--watch"], ["--persistent"]])(
    "%s prints the log again when it changes, and ends with Ctrl-C",
    async (flag) => {
      const changing = await testTarget([{}]);
      const run = start(["discover", changing.discovery, flag, "--json"]);
      await run.stdout.contains("\n");
      await testPort(changing);
      await run.stdout.contains('"event":"log"');
      const first = run.stdout.text;
      // A change comes as an event: one line more.
      changing.served.target.setReferrals([
        { address: { trtype: "tcp", traddr: "127.0.0.1", trsvcid: "4420" } },
      ]);
      await run.stdout.contains("referral");
      run.signal("SIGINT");
      expect(await run.ended).toBe(0);
      expect(first).toContain('"schema":"nvmeof/discover"');
      await changing.served.close();
    },
  );

  test("options of the kernel are taken, and warned of", async () => {
    const args = ["-W", "2", "-P", "1", "-T", "3", "--quiet", "-D", "--disable-sqflow"];
    const found = await nvmeofJson(["discover", target.discovery, ...args]);
    expect(found.warnings).toHaveLength(3);
    expect(await failure(["discover", target.discovery, "-f", "eth0"])).toMatchObject({
      exitCode: 2,
      hint: "Give an address of that interface with --host-traddr.",
    });
  });

  test("--host-traddr is where the connection comes from", async () => {
    expect(nqnsOf(await data("discover", target.discovery, "-w", "127.0.0.2"))).toContain(NQN);
    expect(await failure(["discover", target.discovery, "-w", "192.0.2.1"])).toMatchObject({
      exitCode: 4,
    });
  });
});

describe("connect-all", () => {
  test("connects to all that discovery and its referrals know", async () => {
    expect(subsystemsOf(await data("connect-all", target.discovery))).toEqual([
      [
        [NQN, 1],
        [OTHER, 1],
      ],
    ]);
    const { stdout } = await nvmeof(["connect-all", target.discovery]);
    expect(stdout).toContain(`nvme-subsys0 - NQN=${NQN}\n`);
    expect(stdout).toContain(`nvme-subsys1 - NQN=${OTHER}\n`);
    expect(stdout).toMatch(/^ \+- nvme1 tcp traddr=127.0.0.1,trsvcid=\d+ live optimized$/m);
  });

  test("--compat nvme-cli has the shape of list-subsys", async () => {
    const { stdout } = await nvmeof(["connect-all", other.discovery, "--compat", "nvme-cli"]);
    expect(JSON.parse(stdout)).toMatchObject([
      { Subsystems: [{ NQN: OTHER, Paths: [{ Name: "nvme0", Transport: "tcp", State: "live" }] }] },
    ]);
  });

  test("--hold stays with all of them until Ctrl-C", async () => {
    const run = start(["connect-all", target.discovery, "--hold", "--json"]);
    await run.stdout.contains(OTHER);
    await run.stdout.contains(NQN);
    run.signal("SIGINT");
    expect(await run.ended).toBe(0);
    expect(run.stdout.text.match(/"event":"closed"/g)).toHaveLength(2);
  });

  test("a discovery controller that knows nobody is told", async () => {
    const nobody = await testTarget([{}], { allowedHosts: ["nqn.2024-01.org.example:somebody"] });
    expect(await failure(["connect-all", nobody.discovery])).toMatchObject({
      message: "there is no subsystem to connect to",
    });
    await nobody.served.close();
  });
});

describe("files of nvme-cli", () => {
  const hostnqn = "nqn.2024-01.org.example:from-the-file";
  const file = (name: string, text: string): string => {
    const path = freshPath(name);
    writeFileSync(path, text);
    return path;
  };
  /** discovery.conf, as packages of nvme-cli install it. */
  const lines = (): string =>
    [
      "# Used for extracting default parameters for discovery",
      "",
      `--transport=tcp --traddr=127.0.0.1 --trsvcid=${target.port} --host-traddr= -q ${hostnqn}`,
      `-t tcp -a 127.0.0.1 -s ${other.port} # the other`,
    ].join("\n");
  const hosts = (port: object = {}): object[] => [
    {
      hostnqn,
      hostid: "12345678-1234-4234-8234-123456789abc",
      subsystems: [
        {
          nqn: NQN,
          ports: [
            {
              transport: "tcp",
              traddr: "127.0.0.1",
              trsvcid: String(target.port),
              hdr_digest: true,
              queue_size: 32,
              ...port,
            },
          ],
        },
      ],
    },
  ];

  test("discovery.conf names discovery controllers, each with options of its own", async () => {
    const path = file("discovery.conf", lines());
    expect(await data("config", "show", path)).toMatchObject({
      ways: [
        { place: "line 3", kind: "discovery", options: { hostnqn, trsvcid: target.port } },
        { place: "line 4", kind: "discovery", options: { trsvcid: other.port } },
      ],
      warnings: [],
    });
    expect(nqnsOf(await data("discover", "--config", path))).toEqual(
      expect.arrayContaining([NQN, OTHER]),
    );
    const all = (await data("connect-all", "-J", path)) as { hosts: { HostNQN: string }[] };
    expect(all.hosts.map(({ HostNQN }) => HostNQN)).toContain(hostnqn);
  });

  test("config.json names subsystems, and how to connect to them", async () => {
    const path = file("config.json", JSON.stringify(hosts({ dhchap_key: "DHHC-1:…", novel: 1 })));
    const { stdout } = await nvmeof(["config", "show", path]);
    expect(stdout).toMatch(/^subsystem +tcp +127.0.0.1 +\d+ +nqn.* +hosts\[0\]\.subsystems\[0\]/m);
    const all = await nvmeofJson(["connect-all", "--config", path]);
    expect(all.data).toMatchObject({ hosts: [{ HostNQN: hostnqn }] });
    expect(all.warnings).toEqual([
      `${path}: hosts[0].subsystems[0].ports[0]: dhchap_key is not used`,
      `${path}: hosts[0].subsystems[0].ports[0]: novel is not known`,
    ]);
  });

  test("what a file says of an address alone is for that address", async () => {
    const path = file("config.json", JSON.stringify(hosts({ host_traddr: "192.0.2.1" })));
    const args = ["connect-all", "--config", path];
    expect(await failure(args)).toMatchObject({ code: "NVME_ERR_UNREACHABLE" });
  });

  test("config.json can name discovery controllers as well", async () => {
    const ports = [{ transport: "tcp", traddr: "127.0.0.1", trsvcid: String(other.port) }];
    const config = [{ subsystems: [{ nqn: DISCOVERY_NQN, ports }] }];
    const path = file("config.json", JSON.stringify(config));
    expect(subsystemsOf(await data("connect-all", "--config", path))).toEqual([[[OTHER, 1]]]);
  });

  test("yours are read when no address is given", async () => {
    const home = freshPath("home");
    const folder = join(home, "nvmeof");
    mkdirSync(folder, { recursive: true });
    const env = { XDG_CONFIG_HOME: home };
    expect(await failure(["config", "show"], { env })).toMatchObject({ exitCode: 3 });
    writeFileSync(join(folder, "discovery.conf"), `-t tcp -a 127.0.0.1 -s ${other.port}\n`);
    const found = await nvmeofJson(["discover"], { env });
    expect(nqnsOf(found.data)).toContain(OTHER);
    const all = await nvmeofJson(["connect-all"], { env });
    expect(subsystemsOf(all.data)).toEqual([[[OTHER, 1]]]);
    expect(dirname((await nvmeofJson(["config", "show"], { env })).data!["file" as never])).toBe(
      folder,
    );
  });

  test.each([
    ["no address", "-t tcp -s 8009", /line 1: there is no --traddr$/],
    ["an option that there is not", "-a h --nonsense", /line 1: unknown option '--nonsense'$/],
    ["a wrong value", "-a h\n-a h -s 99999", /line 2: .*not a whole number from 1 to 65535/],
    ["JSON that is none", "[{]", /it is no JSON/],
    ["a subsystem without a name", '[{"subsystems":[{"ports":[]}]}]', /it has no nqn$/],
    [
      "a wrong value in JSON",
      '[{"subsystems":[{"nqn":"nqn.2024-01.x:y","ports":[{"traddr":"h","trsvcid":"x"}]}]}]',
      /ports\[0\]: .*not a whole number/,
    ],
  ])("%s is refused with its place", async (_what, text, message) => {
    const error = await failure(["config", "validate", file("some.conf", text)]);
    expect(error).toMatchObject({ code: "NVME_ERR_CONFIG", exitCode: 2 });
    expect(error.message).toMatch(message);
  });

  test("config validate counts, and with --strict takes nothing that is not used", async () => {
    const good = file("discovery.conf", lines());
    expect((await nvmeof(["config", "validate", good])).stdout).toContain(
      ": 2 addresses, 0 warnings\n",
    );
    const odd = file("config.json", JSON.stringify(hosts({ novel: 1 })));
    expect(await nvmeofJson(["config", "validate", odd])).toMatchObject({ exitCode: 0 });
    expect(await failure(["config", "validate", odd, "--strict"])).toMatchObject({ exitCode: 2 });
    expect(await failure(["config", "validate", freshPath("none")])).toMatchObject({ exitCode: 3 });
  });
});

test("disconnect and disconnect-all are there for scripts, and do nothing", async () => {
  expect(await nvmeof(["disconnect", "-n", NQN])).toMatchObject({
    exitCode: 0,
    stdout: `NQN:${NQN} disconnected 0 controller(s)\n`,
  });
  expect(await nvmeof(["disconnect-all"])).toMatchObject({ exitCode: 0, stdout: "" });
  expect(await failure(["disconnect"])).toMatchObject({ exitCode: 2 });
});
