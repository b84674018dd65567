// The verbs that look: discover, connect, list, id; against a target in this process, over TCP.

import { afterAll, beforeAll, expect, test } from "vitest";
import { failure, nvmeof, nvmeofJson, start } from "../testing/run.ts";
import { NQN, type TestTarget, testTarget } from "../testing/target.ts";

let target: TestTarget;
beforeAll(async () => {
  const uuid = "01234567-89ab-4def-8123-456789abcdef";
  target = await testTarget([{ identity: { uuid } }, { blockBytes: 4096, blockCount: 1024 }]);
});
afterAll(() => target.served.close());

/** The same target, by the options of nvme-cli. */
const asOptions = (): string[] => ["-t", "tcp", "-a", "127.0.0.1", "-s", String(target.port)];

test("discover lists the subsystem, with the address that the other verbs take", async () => {
  const { data, exitCode } = await nvmeofJson(["discover", target.discovery]);
  expect(exitCode).toBe(0);
  const { records } = data as { records: { subnqn: string }[] };
  expect(records.find(({ subnqn }) => subnqn === NQN)).toEqual({
    trtype: "tcp",
    adrfam: "ipv4",
    subtype: "nvm",
    treq: "not required",
    portid: 1,
    cntlid: 65535,
    asqsz: 32,
    trsvcid: String(target.port),
    subnqn: NQN,
    traddr: "127.0.0.1",
    eflags: 0,
    sectype: "none",
    uri: target.uri,
  });
});

test("discover by options prints a table", async () => {
  const { stdout, stderr, exitCode } = await nvmeof(["discover", ...asOptions()]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^Subsystem +Type +Transport +Address +Service +Port\n/);
  expect(stdout).toContain(`${NQN} `);
  expect(stderr).toBe("");
});

test("connect says what the controller is, and leaves in order", async () => {
  const { data } = await nvmeofJson(["connect", target.uri, "--hdr-digest", "--data-digest"]);
  expect(data).toMatchObject({
    transport: "tcp",
    subnqn: NQN,
    model: "nvmeof",
    ioQueues: 1,
    queueSize: 64,
    headerDigest: true,
    dataDigest: true,
    keepAliveTimeoutMs: 10_000,
    namespaces: [1, 2],
    close: { shutdown: "complete" },
  });
});

test("connect takes the options that nvme-cli has for it", async () => {
  const asked = ["-n", NQN, "-i", "2", "-Q", "16", "-k", "5", "-q", "nqn.2024-01.org.example:me"];
  const { stdout, exitCode } = await nvmeof(["connect", ...asOptions(), ...asked]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain("I/O queues   : 2 of 16 entries\n");
  expect(stdout).toContain("keep-alive   : 5.00 s\n");
});

test("connect with more I/O queues than are granted has those, and says so", async () => {
  const limits = { connectionsPerAddressMax: 4 };
  await using few = (await testTarget([{}], { limits })).served;
  const { port } = few.address;
  const asked = [`nvme+tcp://127.0.0.1:${port}/${NQN}`, "--nr-io-queues", "500"];
  const { exitCode, stdout, stderr } = await nvmeof(["connect", ...asked]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain("I/O queues   : 3 of 64 entries\n");
  expect(stderr).toBe("the controller grants 3 of the 500 I/O queues asked for\n");
});

test("a connection that the target closes for an I/O queue is named, with what to do", async () => {
  const limits = { connectionsPerAddressMax: 4 };
  const few = await testTarget([{}], { limits });
  const other = start(["connect", few.uri, "-i", "2", "--hold"]);
  await other.stdout.contains("live, ");
  const asked = ["connect", few.uri, "-i", "3", "--no-retries"];
  const error = await failure(asked);
  expect(error).toMatchObject({ code: "NVME_ERR_CONNECTION_LOST", retryable: true });
  expect(error.message).toMatch(/^I\/O queue 1 of 3: /);
  expect(error.hint).toContain("--nr-io-queues");
  other.signal("SIGINT");
  await other.ended;
  await few.served.close();
});

test("options beat the address", async () => {
  const wrong = "nvme+tcp://192.0.2.1:1/nqn.2024-01.org.example:other";
  const { exitCode } = await nvmeof(["connect", wrong, ...asOptions(), "-n", NQN]);
  expect(exitCode).toBe(0);
});

test("list tells size, block size and identity of every namespace", async () => {
  const { data } = await nvmeofJson(["list", target.uri]);
  expect(data).toMatchObject({
    subnqn: NQN,
    namespaces: [
      {
        nsid: 1,
        sizeBytes: "1048576",
        blockBytes: 512,
        blockCount: "2048",
        identity: "uuid 01234567-89ab-4def-8123-456789abcdef",
        uri: target.namespace(1),
      },
      { nsid: 2, sizeBytes: "4194304", blockBytes: 4096, blockCount: "1024" },
    ],
  });
});

test("list -v tells sizes in powers of 1024 as well", async () => {
  const { stdout, stderr } = await nvmeof(["list", target.uri, "-v"]);
  expect(stdout).toMatch(/ 1 +1\.05 MB +1 MiB +512 +uuid 01234567/);
  expect(stderr).toMatch(/^connected to 127\.0\.0\.1:\d+ in /);
});

test("id ctrl prints every field, and the bytes of the structure for programs", async () => {
  const { data } = await nvmeofJson(["id", "ctrl", target.uri]);
  expect(data).toMatchObject({ subnqn: NQN, mn: "nvmeof", cntrltype: 1, tnvmcap: "0" });
  const { stdout } = await nvmeof(["id-ctrl", target.uri]);
  expect(stdout).toMatch(/^vid +: 0x0\n/);
  expect(stdout).toMatch(new RegExp(`^subnqn +: ${NQN}$`, "m"));
  for (const how of [["-o", "binary"], ["-b"]]) {
    const { bytes } = await nvmeof(["id", "ctrl", target.uri, ...how]);
    expect(bytes).toHaveLength(4096);
    expect(bytes.subarray(768, 768 + NQN.length).toString()).toBe(NQN);
  }
});

test("id ctrl prints which incarnation of the controller it is, and what it takes of resets", async () => {
  const [first, second] = await Promise.all(
    [1, 2].map(() => nvmeofJson(["id", "ctrl", target.uri])),
  );
  const { data } = first!;
  expect(data).toMatchObject({ ciu: expect.any(Number), cqt: 0, ccrl: 4 });
  const { cirn } = data as { cirn: string };
  expect(cirn).toMatch(/^\d{10,20}$/);
  expect(second!.data).not.toMatchObject({ cirn });
  const { stdout } = await nvmeof(["id-ctrl", target.uri]);
  expect(stdout).toMatch(/^ciu +: \d+\ncirn +: 0x[0-9a-f]{8,16}$/m);
  expect(stdout).toMatch(/^cqt +: 0$/m);
  expect(stdout).toMatch(/^ccrl +: 4$/m);
});

test("id ns prints the structure, its formats and the identifiers", async () => {
  const { data } = await nvmeofJson(["id", "ns", target.namespace(2)]);
  expect(data).toMatchObject({
    nsid: 2,
    nsze: "1024",
    blockBytes: 4096,
    lbafs: [{ lbads: 12, ms: 0, inUse: true }],
  });
  const { stdout } = await nvmeof(["id-ns", target.uri, "-N", "1"]);
  expect(stdout).toMatch(/^nsze +: 2048$/m);
  expect(stdout).toMatch(/^lbaf 0 +: ms 0, lbads 9, rp 0 \(in use\)$/m);
  expect(stdout).toMatch(/^id uuid +: 01234567-89ab-4def-8123-456789abcdef$/m);
  expect((await nvmeof(["id", "ns", target.uri, "-N", "1", "-b"])).bytes).toHaveLength(4096);
});

test("binary data does not go to a terminal", async () => {
  const { exitCode, stdout, stderr } = await nvmeof(["id", "ctrl", target.uri, "-b"], {
    tty: true,
  });
  expect([exitCode, stdout]).toEqual([2, ""]);
  expect(stderr).toContain("binary data is not for a terminal (NVME_ERR_USAGE)");
});
