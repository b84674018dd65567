// The NBD server and the clients that people use: libnbd (nbdinfo, nbdcopy), QEMU (qemu-img, qemu-io), fio.
// Where one is not installed its tests are skipped, and say so.

import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlockDevice, memoryDevice } from "@nvmeof/bdev";
import { openFileDevice } from "@nvmeof/bdev/node";
import { connect } from "@nvmeof/bdev/nvme";
import { serve } from "@nvmeof/target/node";
import { systemClock, tcp, tcpListen } from "@nvmeof/transport/node";
import { afterAll, describe, expect, test } from "vitest";
import { certificates } from "../testing/certificates.ts";
import { type ServeNbdOptions, type ServedNbd, serveNbd } from "./nbd.ts";

const folder = mkdtempSync(join(tmpdir(), "nvmeof-nbd-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let paths = 0;
const freshPath = (): string => join(folder, `f${paths++}`);

const isThere = (program: string, ...args: string[]): boolean => {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
  return status === 0 && (program !== "fio" || /\bnbd\b/.test(stdout));
};

const has = {
  libnbd: isThere("nbdinfo", "--version") && isThere("nbdcopy", "--version"),
  qemu: isThere("qemu-img", "--version") && isThere("qemu-io", "--version"),
  fio: isThere("fio", "--enghelp"),
};
const absent = Object.entries(has).flatMap(([name, there]) => (there ? [] : [name]));
if (absent.length > 0) console.warn(`Not installed, and not tested against: ${absent.join(", ")}.`);

const DEADLINE_MS = 60_000;
const slow = { timeout: DEADLINE_MS + 5_000 };

/** Runs a program to its end. Rejects with what it said where that is not a good one. */
const run = (program: string, ...args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(program, [...args], { timeout: DEADLINE_MS, cwd: folder }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(" ")}: ${error.message}\n${stderr}${stdout}`));
    });
  });

const MIB = 2 ** 20;
const SIZE = 64 * MIB;

/** A file with data and holes, as large as the exports are. */
const source = (() => {
  const path = freshPath();
  const data = Uint8Array.from({ length: 3 * MIB + 12_345 }, (_, i) => (i * 31 + (i >> 8)) % 256);
  writeFileSync(path, data);
  truncateSync(path, SIZE);
  return path;
})();

const memory = (blockBytes: number): BlockDevice =>
  memoryDevice({ name: "m", clock: systemClock, blockBytes, blockCount: SIZE / blockBytes });

/** Ways to be found, and devices behind it. */
const kinds: readonly (readonly [string, () => Promise<ServedNbd>])[] = [
  ["memory, blocks of 512 bytes, over a path", () => served(memory(512), { socket: freshPath() })],
  ["memory, blocks of 4,096 bytes, over TCP", () => served(memory(4096), { port: 0 })],
  [
    "a file, over a path",
    async () => {
      const path = freshPath();
      return served(await openFileDevice(path, { sizeBytes: SIZE }), { socket: freshPath() });
    },
  ],
];

const served = (device: BlockDevice, where: Partial<ServeNbdOptions>): Promise<ServedNbd> =>
  serveNbd({ exports: [{ name: "disk", device, flushCoversAll: true }], ...where });

const same = (a: string, b: string): boolean => readFileSync(a).equals(readFileSync(b));

/** Nothing has failed, and no client is left. */
async function ended(served: ServedNbd): Promise<void> {
  const { counters } = served.server;
  expect(counters).toMatchObject({ failed: 0, limits: {} });
  expect(await served.close()).toMatchObject({ abandonedRequests: 0 });
  for (const { device } of served.server.exports) await device.close();
}

describe.skipIf(!has.libnbd)("libnbd", () => {
  test("nbdinfo finds what is offered, one by one and as a list", slow, async () => {
    const [first, second] = [memory(512), memory(4096)];
    const served = await serveNbd({
      exports: [
        { name: "first", device: first, description: "of all" },
        { name: "second one", device: second, readOnly: true, unaligned: "error" },
      ],
      port: 0,
    });
    const [uri = "", other = ""] = served.uris;
    const one = JSON.parse(await run("nbdinfo", "--json", uri)) as Record<string, unknown>;
    expect(one).toMatchObject({ protocol: "newstyle-fixed", TLS: false, structured: true });
    const listed = JSON.parse(await run("nbdinfo", "--json", "--list", uri)) as {
      exports: Record<string, unknown>[];
    };
    expect(listed.exports).toMatchObject([
      {
        "export-name": "first",
        description: "of all",
        "export-size": SIZE,
        is_read_only: false,
        can_multi_conn: true,
        can_fua: true,
        can_trim: true,
        can_zero: true,
        can_fast_zero: true,
        can_df: true,
        can_cache: true,
        block_size_minimum: 1,
        block_size_preferred: 4096,
        block_size_maximum: 32 * MIB,
        contexts: ["base:allocation"],
      },
      {
        "export-name": "second one",
        is_read_only: true,
        can_zero: false,
        block_size_minimum: 4096,
      },
    ]);
    expect(await run("nbdinfo", "--size", other)).toBe(`${SIZE}\n`);
    await ended(served);
  });

  test.each(kinds)("nbdcopy there and back: %s", slow, async (_what, open) => {
    const served = await open();
    const [uri = ""] = served.uris;
    await run("nbdcopy", "--flush", source, uri);
    const back = freshPath();
    await run("nbdcopy", uri, back);
    expect(same(source, back)).toBe(true);
    // Several connections at a time: a flush by one covers them all.
    expect(served.server.counters.connections).toBeGreaterThan(2);
    const again = freshPath();
    await run("nbdcopy", "--connections=1", "--requests=1", "--request-size=65536", uri, again);
    expect(same(source, again)).toBe(true);
    await ended(served);
  });

  test("nbdinfo --map and nbdcopy see the holes of what knows them", slow, async () => {
    const device = memory(512);
    const served = await serveNbd({ exports: device, socket: freshPath() });
    const [uri = ""] = served.uris;
    await run("nbdcopy", source, uri);
    const map = JSON.parse(await run("nbdinfo", "--json", "--map", uri)) as Record<
      string,
      unknown
    >[];
    expect(map.map(({ length, description }) => [length, description])).toEqual([
      [49 * 65_536, "data"],
      [SIZE - 49 * 65_536, "hole,zero"],
    ]);
    const back = freshPath();
    await run("nbdcopy", uri, back);
    expect(statSync(back).blocks * 512).toBeLessThan(5 * MIB);
    expect(same(source, back)).toBe(true);
    await ended(served);
  });
});

const certified = has.libnbd ? certificates(folder) : undefined;

test.skipIf(certified === undefined)(
  "nbdcopy with TLS, and a certificate of its own",
  slow,
  async () => {
    const { server, folder: certificateFolder } = certified!;
    const served = await serveNbd({
      exports: memory(512),
      socket: freshPath(),
      tls: "require",
      certificates: { ...server, requestCert: true, rejectUnauthorized: true },
    });
    const uri = `${served.uris[0]}&tls-certificates=${certificateFolder}&tls-verify-peer=false`;
    expect(await run("nbdinfo", uri)).toContain("with TLS");
    await run("nbdcopy", source, uri);
    const back = freshPath();
    await run("nbdcopy", uri, back);
    expect(same(source, back)).toBe(true);
    await ended(served);
  },
);

describe.skipIf(!has.qemu)("QEMU", () => {
  const raw = ["-f", "raw"];

  test.each(kinds)("qemu-img convert, compare: %s", slow, async (_what, open) => {
    const served = await open();
    const [uri = ""] = served.uris;
    await run("qemu-img", "convert", "-n", ...raw, "-O", "raw", source, uri);
    await run("qemu-img", "compare", ...raw, "-F", "raw", source, uri);
    const qcow2 = freshPath();
    await run("qemu-img", "convert", ...raw, "-O", "qcow2", uri, qcow2);
    await run("qemu-img", "compare", ...raw, "-F", "qcow2", source, qcow2);
    const info = JSON.parse(await run("qemu-img", "info", "--output=json", ...raw, uri)) as object;
    expect(info).toMatchObject({ "virtual-size": SIZE });
    await ended(served);
  });

  test("an image in qcow2 on an export is made, filled, checked and compared", slow, async () => {
    const served = await serveNbd({ exports: memory(512), socket: freshPath() });
    const [uri = ""] = served.uris;
    const small = freshPath();
    writeFileSync(small, readFileSync(source).subarray(0, 8 * MIB));
    await run("qemu-img", "create", "-f", "qcow2", uri, "8M");
    await run("qemu-img", "convert", "-n", ...raw, "-O", "qcow2", small, uri);
    expect(await run("qemu-img", "check", "-f", "qcow2", uri)).toContain("No errors were found");
    await run("qemu-img", "compare", ...raw, "-F", "qcow2", small, uri);
    await ended(served);
  });

  test.each(kinds)(
    "bytes that are no blocks, zeroes, trims, extents: %s",
    slow,
    async (_what, open) => {
      const served = await open();
      const [uri = ""] = served.uris;
      const commands = [
        "write -P 1 0 64k",
        "write -P 2 1000 3333",
        "read -P 1 0 1000",
        "read -P 2 1000 3333",
        "read -P 1 4333 61203",
        "write -z 999 5001",
        "read -P 0 999 5001",
        "read -P 1 6000 100",
        "write -f -P 3 65535 2",
        "read -P 3 65535 2",
        "discard 0 64k",
        "write -z -u 1M 1M",
        "read -P 0 1M 1M",
        "flush",
        "map",
      ].flatMap((command) => ["-c", command]);
      // It tells of a pattern that is not there, and ends well all the same.
      const told = await run("qemu-io", ...raw, ...commands, uri);
      expect(told).not.toMatch(/verification failed/i);
      await ended(served);
    },
  );
});

/** A verified load in fio's words, on a part of the export. */
const verified = (uri: string, more: readonly string[]): readonly string[] => [
  "--name=verify",
  "--ioengine=nbd",
  `--uri=${uri}`,
  "--verify=crc32c",
  "--verify_fatal=1",
  "--output-format=json",
  ...more,
];

interface FioReport {
  readonly jobs: readonly {
    readonly error: number;
    readonly write: { readonly total_ios: number };
  }[];
}

/** What stands in front of it is said by the engine. */
const reportOf = (text: string): FioReport =>
  JSON.parse(text.slice(text.indexOf("{"))) as FioReport;

describe.skipIf(!has.fio)("fio", () => {
  test.each(kinds)("--ioengine=nbd --verify: %s", slow, async (_what, open) => {
    const served = await open();
    const load = ["--rw=randwrite", "--bsrange=512-128k", "--size=24m", "--iodepth=16"];
    const report = reportOf(await run("fio", ...verified(served.uris[0]!, load)));
    expect(report.jobs[0]).toMatchObject({ error: 0 });
    expect(report.jobs[0]!.write.total_ios).toBeGreaterThan(100);
    await ended(served);
  });

  test("a path that is lost under its load is not seen while another one lives", slow, async () => {
    const nqn = "nqn.2024-01.org.example:paths";
    const target = await serve({ nqn, port: 0, namespaces: [memory(4096)] });
    const listener = await tcpListen({ host: "127.0.0.1", port: 0 });
    const { host: traddr, port } = listener.address;
    const address = { trtype: "tcp", traddr, trsvcid: String(port) };
    const second = target.target.listen({ listener, address });
    const host = await connect({
      transport: tcp(target.address),
      subsystemNqn: nqn,
      hostNqn: "nqn.2024-01.org.example:host",
      hostId: "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11",
      keepAliveTimeoutMs: 1_000,
      // Its requests take both paths.
      policy: { mode: "active-active", selector: "round-robin" },
    });
    const path = await host.addPath(tcp({ host: traddr, port }));
    const served = await serveNbd({ exports: await host.openNamespace(1), socket: freshPath() });
    const load = ["--rw=randrw", "--bs=4k", "--size=16m", "--iodepth=16"];
    const fio = run("fio", ...verified(served.uris[0]!, load));
    const state = { over: false };
    void fio.finally(() => (state.over = true)).catch(() => {});
    while (!state.over && served.server.counters.writes < 300) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(path.controller.state).toBe("live");
    second.close("drop");
    const report = reportOf(await fio);
    expect(report.jobs[0]).toMatchObject({ error: 0 });
    expect(path.controller.state).not.toBe("live");
    expect(served.server.counters).toMatchObject({ failed: 0 });
    await served.close();
    await host.close();
    await target.close();
  });
});
