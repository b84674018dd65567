// `decode` and `--trace`: what a command recorded of a real target over TCP is read back, and judged.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { CaptureWriter } from "@nvmeof/tools/capture";
import { RawPdus } from "@nvmeof/transport/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failure, freshPath, nvmeof, nvmeofJson, start } from "../testing/run.ts";
import { NQN, type TestTarget, testTarget } from "../testing/target.ts";

let target: TestTarget;
/** What `connect` and a write recorded. */
const connectFile = freshPath("connect.pcapng");
const writeFile = freshPath("write.pcapng");

beforeAll(async () => {
  target = await testTarget();
  const digests = ["--hdr-digest", "--data-digest"];
  const connected = await nvmeof(["connect", target.uri, ...digests, "--trace", connectFile]);
  expect(connected).toMatchObject({ exitCode: 0, stderr: "" });
  const data = Buffer.alloc(64 * 1024, 7);
  const to = [target.namespace(1), "--start-block", "8", "--yes", "--trace", writeFile];
  expect(await nvmeof(["write", ...to], { stdin: data })).toMatchObject({ exitCode: 0 });
});
afterAll(() => target.served.close());

/** A capture in which a controller answers a command that nobody sent. */
function brokenCapture(): string {
  const chunks: Uint8Array[] = [];
  const writer = new CaptureWriter({
    write: (bytes) => void chunks.push(bytes),
    now: () => ({ seconds: 1_700_000_000, nanoseconds: 0 }),
  });
  const end = (last: number, port: number) => ({ address: Uint8Array.of(192, 0, 2, last), port });
  const stream = writer.open({ host: end(1, 50_000), controller: end(2, 4420) });
  const pdus = new RawPdus();
  stream.data("toController", [pdus.icReq()]);
  stream.data("toHost", [pdus.icResp()]);
  stream.data("toHost", [pdus.capsuleResp({ cid: 9 })]);
  stream.data("toController", [
    pdus.capsuleCmd({ opc: 2, cid: 1, nsid: 1, sglId: 0x5a, sglLength: 512 }),
  ]);
  const path = freshPath("broken.pcapng");
  writeFileSync(path, Buffer.concat(chunks));
  return path;
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** The lines of JSON that a run printed. */
async function eventsOf(
  ...args: string[]
): Promise<{ event: string; data: Record<string, unknown> }[]> {
  const { stdout } = await nvmeof(["decode", ...args, "--json"]);
  return lines(stdout).map((line) => JSON.parse(line) as never);
}

describe("--trace", () => {
  test("records all of a command's connections, for nobody but its owner", () => {
    expect(statSync(connectFile).mode & 0o777).toBe(0o600);
    expect(statSync(connectFile).size).toBeGreaterThan(5_000);
  });

  test("is also for targets: both ends saw the same PDUs", async () => {
    const ready = freshPath("ready.json");
    const there = freshPath("there.pcapng");
    const here = freshPath("here.pcapng");
    const listen = ["--listen", "127.0.0.1:0", "--discovery-port", "0", "--ready-file", ready];
    const served = start(["serve", "--mem", "1M", ...listen, "--trace", there]);
    await served.stdout.contains("ready");
    const { uri } = JSON.parse(readFileSync(ready, "utf8")) as { uri: string };
    expect((await nvmeof(["list", uri, "--trace", here])).exitCode).toBe(0);
    served.signal("SIGTERM");
    expect(await served.ended).toBe(0);
    const pdusOf = async (file: string): Promise<unknown[]> => {
      const events = await eventsOf(file);
      const all = events.filter(({ event }) => event === "pdu");
      return all.map(({ data: { connection, pdu, direction } }) => [connection, pdu, direction]);
    };
    const seen = await pdusOf(here);
    expect(seen.length).toBeGreaterThan(30);
    // The order between the two directions is another at each end.
    expect((await pdusOf(there)).map(String).sort()).toEqual(seen.map(String).sort());
  });

  test("a file that cannot be written is told before anything is connected", async () => {
    const error = await failure(["list", target.uri, "--trace", "/nowhere/at/all.pcapng"]);
    expect(error).toMatchObject({ code: "NVME_ERR_FILE_NOT_FOUND", exitCode: 3 });
  });

  test("FC is not recorded", async () => {
    const uri = target.uri.replace("nvme+tcp", "nvme+fc");
    const error = await failure(["list", uri, "--trace", freshPath("fc.pcapng")]);
    expect(error).toMatchObject({ code: "NVME_ERR_USAGE" });
  });
});

describe("decode", () => {
  test("a line for each PDU, and the figures on stderr", async () => {
    const { stdout, stderr, exitCode } = await nvmeof(["decode", writeFile]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("H2C ICReq       PFV 0, data aligned to 4, digests: none, MAXR2T 1\n");
    expect(stdout).toMatch(
      /q1 {5}H2C CapsuleCmd {2}cid \d+ Write nsid 1 slba 8 blocks 128, 65536 bytes/,
    );
    expect(stdout).toMatch(/q1 {5}C2H R2T {9}cid \d+ Write ttag \d+ bytes 0 to 65536\n/);
    expect(stderr).toMatch(
      / 2 connections, \d+ PDUs, .* 0 errors, 0 open, 0 violations, 0 warnings\n$/,
    );
  });

  test("nothing that our own host and target say breaks a rule", async () => {
    for (const file of [connectFile, writeFile]) {
      const all = ["--fail-on", "verdict,warning", "--fail-on", "error,open"];
      expect(await nvmeof(["decode", file, ...all])).toMatchObject({ exitCode: 0 });
    }
  });

  test("every digest is checked", async () => {
    const events = await eventsOf(connectFile);
    const pdus = events.filter(({ event }) => event === "pdu").map(({ data }) => data);
    const states = pdus
      .filter(({ pdu }) => !String(pdu).startsWith("IC"))
      .map((pdu) => pdu["headerDigest"]);
    expect(states.length).toBeGreaterThan(20);
    expect(new Set(states)).toEqual(new Set(["good"]));
  });

  test("each event is an envelope on a line, and the summary comes last", async () => {
    const events = await eventsOf(writeFile);
    expect(events[0]).toMatchObject({ schema: "nvmeof/decode", event: "connection" });
    const ends = events.filter(({ event }) => event === "end");
    expect(ends.map(({ data }) => data["connect"])).toMatchObject([
      { qid: 0, subsystemNqn: NQN },
      { qid: 1, subsystemNqn: NQN },
    ]);
    expect(events.at(-1)).toMatchObject({ event: "summary", data: { errors: 0, violations: 0 } });
    const write = events.find(({ data }) => {
      const fields = data["fields"] as Record<string, unknown> | undefined;
      return fields?.["nvme.cmd.opc"] === 1;
    });
    expect(write?.data).toMatchObject({ fields: { "nvme.cmd.slba": 8, "nvme.cmd.nlb": 128 } });
  });

  test("--summary: figures of each connection, and latencies by opcode", async () => {
    const { data, exitCode } = await nvmeofJson(["decode", writeFile, "--summary"]);
    expect(exitCode).toBe(0);
    expect(data).toMatchObject({
      open: 0,
      connections: [
        { queue: "admin", counts: { violations: 0 } },
        {
          queue: "q1",
          opcodes: expect.arrayContaining([expect.objectContaining({ name: "Write" })]),
        },
      ],
    });
    const { stdout } = await nvmeof(["decode", writeFile, "--summary"]);
    expect(stdout).toMatch(/^Connection 2, q1: 127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+, nqn\./m);
    expect(stdout).toMatch(/^Write +1 +0 +65\.54 kB /m);
  });

  test("from stdin, and unpacked", async () => {
    const bytes = readFileSync(writeFile);
    const { stdout: plain } = await nvmeof(["decode", writeFile]);
    expect((await nvmeof(["decode", "-"], { stdin: bytes })).stdout).toBe(plain);
    const packed = freshPath("packed.pcapng.gz");
    writeFileSync(packed, gzipSync(bytes));
    expect((await nvmeof(["decode", packed])).stdout).toBe(plain);
    writeFileSync(packed, gzipSync(bytes).subarray(0, 900));
    expect((await nvmeof(["decode", packed])).exitCode).toBe(1);
  });

  test("filters by connection and by opcode", async () => {
    const { stdout } = await nvmeof([
      "decode",
      writeFile,
      "--connection",
      "2",
      "--opcode",
      "write",
    ]);
    expect(lines(stdout).map((line) => /(H2C|C2H) (\w+)/.exec(line)?.[2])).toEqual([
      "CapsuleCmd",
      "R2T",
      "H2CData",
      "CapsuleResp",
    ]);
    const { stdout: flat } = await nvmeof(["decode", writeFile, "--opcode", "Get-Log_Page,0x06"]);
    expect(lines(flat).every((line) => /Identify|Get Log Page/.test(line))).toBe(true);
  });

  test("--field prints values as tshark -e does", async () => {
    const names = ["-e", "nvmeof.connection", "--field", "nvme.cmd.slba", "-e", "nvme.cmd.nlb"];
    const { stdout } = await nvmeof(["decode", writeFile, ...names]);
    expect(lines(stdout)).toContain("2\t8\t128");
  });

  test("-v: the fields of each PDU, by Wireshark's names", async () => {
    const { stdout } = await nvmeof(["decode", writeFile, "-v", "--connection", "2"]);
    expect(stdout).toMatch(/^ +nvme-tcp\.r2t\.length +65536 \(0x10000\)$/m);
    expect(stdout).toMatch(/^ +nvme\.fabrics\.cmd\.connect\.qid +1$/m);
  });
});

describe("what is found", () => {
  test("a verdict stands behind its PDU, with the TermReq that it earns", async () => {
    const { stdout, exitCode } = await nvmeof(["decode", brokenCapture(), "--errors"]);
    expect(exitCode).toBe(0);
    expect(lines(stdout).map((line) => line.slice(20).trim())).toEqual([
      "1 q?     !! controller: CapsuleResp: no command 9 is outstanding [response-command]; " +
        "answer: H2CTermReq FES 1 Invalid PDU Header Field, FEI 20 (byte 20)",
      "1 q?     !! host: CapsuleCmd: Read before Connect was accepted [connect-first]; " +
        "answer: status Command Sequence Error (0/0Ch)",
      "1 q?     ?  open: cid 1 Read nsid 1 slba 0 blocks 1 of frame 7, for 0.0 µs",
    ]);
  });

  test.each([
    ["verdict", 12],
    ["open", 12],
    ["warning", 0],
    ["error", 0],
    ["error,open", 12],
  ])("--fail-on %s gives %i", async (kinds, exitCode) => {
    const run = await nvmeof(["decode", brokenCapture(), "--fail-on", kinds]);
    expect(run.exitCode).toBe(exitCode);
    if (exitCode !== 0) expect(run.stderr).toContain("NVME_ERR_FINDINGS");
  });

  test("a kind that there is not is a mistake", async () => {
    const error = await failure(["decode", brokenCapture(), "--fail-on", "sloth"]);
    expect(error).toMatchObject({ code: "NVME_ERR_USAGE", exitCode: 2 });
  });

  test("a file that ends too early: all before that is told, then where it ends", async () => {
    const bytes = readFileSync(writeFile);
    const cut = freshPath("cut.pcapng");
    writeFileSync(cut, bytes.subarray(0, 3_000));
    const { stdout, stderr, exitCode } = await nvmeof(["decode", cut]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain("Connect qid 0: success");
    expect(stderr).toMatch(/nvmeof: byte \d+ of the capture: the file ends .*\(NVME_ERR_CAPTURE\)/);
  });

  test("what is no capture, and what has no NVMe/TCP in it", async () => {
    const text = freshPath("text");
    writeFileSync(text, "this is no capture");
    expect(await failure(["decode", text, "--summary"])).toMatchObject({
      code: "NVME_ERR_CAPTURE",
    });
    const empty = freshPath("empty.pcapng");
    writeFileSync(empty, readFileSync(writeFile).subarray(0, 60));
    expect((await nvmeof(["decode", empty])).exitCode).toBe(1);
  });

  test("P7: names that a peer has sent are inert on a terminal", async () => {
    const file = freshPath("escapes.pcapng");
    const bytes = readFileSync(writeFile);
    const at = bytes.indexOf(NQN);
    bytes.write("\u001b[2J\u0007\r", at);
    writeFileSync(file, bytes);
    for (const args of [["-v"], ["--summary"], ["-e", "nvme.fabrics.cmd.connect.data.subnqn"]]) {
      const { stdout } = await nvmeof(["decode", file, ...args], { tty: true });
      // eslint-disable-next-line no-control-regex
      expect(stdout).not.toMatch(/\u001b\[2J|\u0007|\r/);
    }
  });
});

test("Ctrl-C ends it with what was read so far, though nobody closes stdin", async () => {
  const stdin = new Readable({ read() {} });
  stdin.push(readFileSync(writeFile));
  const run = start(["decode", "-"], { stdin });
  await run.stdout.contains("Connect qid 1: success");
  run.signal("SIGINT");
  expect(await run.ended).toBe(130);
  expect(run.stderr.text).toMatch(/interrupted[^]* 2 connections, /);
  expect(stdin.destroyed).toBe(true);
});
