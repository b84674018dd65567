// Our host against the Linux kernel's target: find it, connect, identify, and copy whole namespaces.
import { createHash, randomFillSync } from "node:crypto";
import { createReadStream, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { nvmeof, nvmeofJson } from "./cli.mjs";
import { digests } from "./digests.mjs";

const nqn = "nqn.2024-01.org.example:linux:interop";
const mib = 2 ** 20;
// As in target.sh.
const namespaces = [
  { nsid: 1, bytes: 64 * mib, blockBytes: 512, disk: "/dev/n1" },
  { nsid: 2, bytes: 64 * mib, blockBytes: 4096, disk: "/dev/n2" },
  { nsid: 3, bytes: 8 * mib, blockBytes: 512, disk: "/dev/n3" },
  { nsid: 4, bytes: 8 * mib, blockBytes: 4096, disk: "/dev/n4" },
];
const [large512, large4096, small512, small4096] = namespaces;
// A whole namespace of 64 MiB under every combination, and both block sizes under every one.
const copied = [
  [large512, small4096],
  [large4096, small512],
  [large512, small4096],
  [large4096, small512],
];

/** Fails unless `data` holds all the values somewhere, as numbers or as strings. */
function expectValues(data, ...values) {
  const leaves = (value) =>
    typeof value === "object" && value !== null
      ? Object.values(value).flatMap(leaves)
      : [String(value).trim()];
  const found = new Set(leaves(data));
  const absent = values.filter((value) => !found.has(String(value)));
  if (absent.length > 0)
    throw new Error(`${absent.join(", ")} not in ${JSON.stringify(data).slice(0, 600)}`);
}

async function sha256(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

function writeRandom(file, bytes) {
  const data = randomFillSync(Buffer.allocUnsafe(bytes));
  writeFileSync(file, data);
  return createHash("sha256").update(data).digest("hex");
}

const megabytesPerSecond = (bytes, startMs) =>
  (bytes / 1000 / (performance.now() - startMs)).toFixed(1);

export class HostChecks {
  #report;
  #target;
  #folder;
  #log;

  constructor({ report, target, folder }) {
    this.#report = report;
    this.#target = target;
    this.#folder = folder;
    this.#log = report.log;
  }

  async run() {
    await this.#target.complaints(); // what came before is not about us
    for (const [i, combination] of digests.entries()) {
      this.#report.group(`our host, the kernel's target, ${combination.name}`);
      await this.#look(combination.options);
      for (const namespace of copied[i]) await this.#copy(namespace, combination.options);
    }
    this.#report.group("our host, the kernel's target, afterwards");
    await this.#check("the kernel has nothing to complain about", async () => {
      const lines = await this.#target.complaints();
      if (lines.length > 0) throw new Error(lines.join("\n"));
    });
    await this.#endings();
  }

  #check(name, run) {
    return this.#report.check(name, run);
  }

  #uri(nsid, { subsystem = nqn, port = this.#target.ports[0] } = {}) {
    const query = nsid === undefined ? "" : `?nsid=${nsid}`;
    return `nvme+tcp://127.0.0.1:${port}/${subsystem}${query}`;
  }

  #ask(args, options = {}) {
    return nvmeofJson(args, { log: this.#log, ...options });
  }

  async #look(options) {
    const [port] = this.#target.ports;
    await this.#check("discover", async () => {
      const uri = `nvme+tcp://127.0.0.1:${this.#target.discoveryPort}`;
      expectValues(await this.#ask(["discover", uri, ...options]), nqn, "127.0.0.1");
    });
    await this.#check("connect", async () => {
      expectValues(await this.#ask(["connect", this.#uri(), ...options]), nqn);
    });
    await this.#check("id ctrl, by nvme-cli's options", async () => {
      const where = ["-t", "tcp", "-a", "127.0.0.1", "-s", String(port), "-n", nqn];
      const data = await this.#ask(["id", "ctrl", ...where, ...options]);
      expectValues(data, "linux-nvmet", "INTEROP", nqn);
    });
    await this.#check("id ns", async () => {
      for (const { nsid, bytes, blockBytes } of namespaces)
        expectValues(
          await this.#ask(["id", "ns", this.#uri(nsid), ...options]),
          bytes / blockBytes,
        );
    });
    await this.#check("list", async () => {
      const data = await this.#ask(["list", this.#uri(), ...options]);
      expectValues(data, ...namespaces.map(({ nsid }) => nsid), 512, 4096, 64 * mib, 8 * mib);
    });
  }

  /** A file onto a namespace, looked at from the other side, and back into a file. */
  async #copy({ nsid, bytes, blockBytes, disk }, options) {
    const [source, copy] = ["source", "copy"].map((name) => join(this.#folder, name));
    const cp = (from, to) =>
      nvmeof(["cp", from, to, "--yes", ...options], { log: this.#log, deadlineMs: 180_000 });
    const expected = writeRandom(source, bytes);
    const size = `${bytes / mib} MiB, blocks of ${blockBytes} bytes`;
    const written = await this.#check(`cp file to namespace, ${size}`, async () => {
      const startMs = performance.now();
      await cp(source, this.#uri(nsid));
      const rate = megabytesPerSecond(bytes, startMs);
      const seen = await this.#target.run(
        `dd if=${disk} bs=1M iflag=direct 2>/dev/null | sha256sum`,
      );
      if (!seen.startsWith(expected)) throw new Error("the target's disk holds something else");
      return `${rate} MB/s`;
    });
    if (written) {
      await this.#check(`cp namespace to file, ${size}`, async () => {
        const startMs = performance.now();
        await cp(this.#uri(nsid), copy);
        const rate = megabytesPerSecond(bytes, startMs);
        if ((await sha256(copy)) !== expected) throw new Error("the copy differs from the source");
        return `${rate} MB/s`;
      });
    }
    for (const file of [source, copy]) rmSync(file, { force: true });
  }

  /** What cannot work ends, soon, with the exit code that says why. */
  async #endings() {
    await this.#check("an unknown subsystem is rejected", async () => {
      const uri = this.#uri(undefined, { subsystem: `${nqn}:unknown` });
      await this.#ask(["connect", uri], { exitCode: 5 });
    });
    await this.#check("a port that is closed is unreachable", async () => {
      await this.#ask(["connect", this.#uri(undefined, { port: 1 })], { exitCode: 4 });
    });
    await this.#check("a silent target is given up", async () => {
      await this.#target.pause();
      try {
        await this.#ask(["connect", this.#uri()], { exitCode: 7, deadlineMs: 20_000 });
      } finally {
        await this.#target.resume();
      }
    });
    await this.#check("and once it answers again, it is there", async () => {
      expectValues(await this.#ask(["connect", this.#uri()]), nqn);
    });
  }
}
