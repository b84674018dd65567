// Every example runs, prints what it says, and uses what everybody can use.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openDisk } from "@nvmeof/bdev";
import { connect } from "@nvmeof/bdev/nvme";
import { uuidNqn } from "@nvmeof/codec";
import { examples, execute, outputOf, read, root } from "@nvmeof/tooling-support";
import { byteStreamConformance } from "@nvmeof/transport/conformance";
import { tcp } from "@nvmeof/transport/node";
import { describe, expect, test } from "vitest";
import { MessagePorts } from "./message-ports.ts";

const slow = { timeout: 30_000 };
const deadlineMs = 20_000;
const all = examples();
const byThemselves = all.filter(({ name }) => name !== "serve-a-file");

test("there are examples", () => {
  expect(all.length).toBeGreaterThanOrEqual(7);
});

describe.each(byThemselves)("$name", ({ name, output }) => {
  test("prints what it says", slow, async () => {
    const {
      code,
      stdout,
      output: said,
    } = await execute("node", ["examples/run.mjs", name], {
      cwd: root,
      deadlineMs,
    });
    expect(stdout, said).toMatch(output);
    expect(code).toBe(0);
  });
});

test("serve-a-file serves a file until Ctrl-C", slow, async () => {
  const folder = mkdtempSync(join(tmpdir(), "nvmeof-example-"));
  const path = join(folder, "disk.img");
  writeFileSync(path, "");
  truncateSync(path, 4 * 1024 * 1024);
  const program = spawn(process.execPath, ["examples/run.mjs", "serve-a-file", path, "0"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    let said = "";
    for await (const line of createInterface({ input: program.stdout })) {
      said += `${line}\n`;
      const [, port, subsystemNqn = ""] = /-s (\d+) -n (\S+)/.exec(line) ?? [];
      if (port !== undefined) await writeOneBlock(Number(port), subsystemNqn);
      if (line.includes(" left: ")) program.kill("SIGINT");
    }
    expect(said).toMatch(all.find(({ name }) => name === "serve-a-file")!.output);
    expect(readFileSync(path).toString("utf8", 4096, 4107)).toBe("in the file");
  } finally {
    program.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});

async function writeOneBlock(port: number, subsystemNqn: string): Promise<void> {
  const hostId = "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11";
  const transport = tcp({ host: "127.0.0.1", port });
  const host = await connect({ transport, subsystemNqn, hostNqn: uuidNqn(hostId), hostId });
  const disk = openDisk(await host.openNamespace(1));
  await disk.writeBytes(4096, new TextEncoder().encode("in the file"));
  await host.close();
}

test.each(all)("$name is short, and imports packages by their public names", (example) => {
  expect(example.codeLines).toBeLessThanOrEqual(60);
  const own = example.imports.filter((name) => !/^(node:|@nvmeof\/)/.test(name));
  expect(own.filter((name) => name !== "./message-ports.ts")).toEqual([]);
});

test("a capture is decoded with the codec alone", () => {
  const decode = all.find(({ name }) => name === "decode-a-capture");
  expect(decode?.imports).toEqual(["@nvmeof/codec"]);
});

test("the README lists every example with what it is for", () => {
  const rows = [
    ...read("examples/README.md").matchAll(/^\| \[`(.*?)`\]\(\1\.ts\) *\| (.*?) *\|$/gm),
  ];
  const listed = rows.map(([, name, purpose]) => `${name}: ${purpose}`);
  expect(listed.sort()).toEqual(all.map(({ name, purpose }) => `${name}: ${purpose}`).sort());
});

test("a name that is no example gets the list of them", async () => {
  const { code, output } = await execute("node", ["examples/run.mjs", "no-such"], {
    cwd: root,
    deadlineMs,
  });
  expect(code).toBe(2);
  expect(output).toContain("read-one-block");
});

test("what an example says of its output is held to the letter", () => {
  const expected = outputOf("// A\n//\n// Expected output:\n//   took * ms (or so)\n//   ...\n");
  expect("took 3 ms (or so)\nand\nmore\n").toMatch(expected);
  expect("took 3 ms, or so\n").not.toMatch(expected);
  expect("before\ntook 3 ms (or so)\n").not.toMatch(expected);
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test.each(byteStreamConformance.map((one) => [one.name, one] as const))(
  "message ports: %s",
  async (_name, one) => {
    const ports = new MessagePorts();
    const quiet = async (): Promise<void> => {
      for (let turns = 0; turns < 50; turns++) await turn();
    };
    const until = async (done: () => boolean): Promise<void> => {
      while (!done()) await turn();
    };
    await one.run({ listener: ports, connector: ports, nowhere: new MessagePorts(), until, quiet });
  },
);
