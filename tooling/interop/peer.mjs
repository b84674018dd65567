// The Linux kernel as a peer: guests of ../peers/linux, started, spoken to and stopped.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runInGuest, monitor } from "../peers/linux/ctl.mjs";
import { execute } from "./programs.mjs";

const folder = fileURLToPath(new URL("../peers/linux/", import.meta.url));

/** Why there can be no peer on this machine; `undefined` if there can. */
export function whyNoPeer() {
  if (process.platform !== "linux" || process.arch !== "x64")
    return `it needs Linux on amd64, this is ${process.platform} on ${process.arch}`;
  const tools = ["bash", "apt-get", "dpkg-deb", "flock", "setsid"];
  const absent = tools.filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
  return absent.length > 0 ? `it needs ${absent.join(", ")}` : undefined;
}

/** Why the peer could not be built; `undefined` if it is there. */
export async function buildPeer({ kernel, log }) {
  const args = [join(folder, "build"), "--kernel", kernel];
  try {
    const program = await execute("bash", args, { deadlineMs: 900_000, log });
    return program.code === 0 ? undefined : program.lastWords.split("\n").at(-1);
  } catch (error) {
    return error.message;
  }
}

const concerns = /nvme|nbd|I\/O error|EXT4|JBD2|BUG|WARNING:|Oops|blocked for more than/i;
// An emulated processor on a busy machine is slow, which the kernel remarks upon; and on every end of NBD.
const excused = /hogged CPU|nbd\d+: shutting down sockets/;

const guests = new Set();

export class Guest {
  name;
  ports = [];
  discoveryPort = 0;
  kernel = "";
  accelerator = "";
  #log;

  /** Boots a guest: `mode` is `target` or `host`, `args` are further options of `run`. */
  static async start(mode, args, { kernel, log }) {
    const guest = new Guest();
    guest.name = mode;
    guest.#log = log;
    guests.add(guest);
    const options = ["--daemon", "--name", mode, "--kernel", kernel, "--lifetime", "3600"];
    const program = await execute("bash", [join(folder, "run"), mode, ...options, ...args], {
      deadlineMs: 300_000,
      log,
    });
    if (program.code !== 0) throw new Error(`the guest did not come up: ${program.lastWords}`);
    const said = Object.fromEntries(
      [...program.stdout.matchAll(/(\w+)=(\S+)/g)].map(([, key, value]) => [key, value]),
    );
    guest.ports = (said.ports ?? "").split(",").map(Number);
    guest.discoveryPort = Number(said.discovery);
    guest.kernel = said.kernel;
    guest.accelerator = said.accel;
    return guest;
  }

  /** Runs a shell script in the guest; its status must be 0. Gives what it printed. */
  async run(script, { seconds = 60 } = {}) {
    this.#log(`${this.name}# ${script}\n`);
    const { status, stdout, stderr } = await runInGuest(this.name, `${script}\n`, { seconds });
    this.#log(stdout + stderr);
    if (status === 0) return stdout;
    const why = status === 137 ? `still running after ${seconds} s` : `status ${status}`;
    throw new Error(`in the guest: ${script.split("\n")[0]}: ${why}\n${stderr || stdout}`.trim());
  }

  async json(command) {
    return JSON.parse(await this.run(command));
  }

  /** What the kernel complained about since the last call, as far as it concerns storage. */
  async complaints() {
    const lines = (await this.run("dmesg -r -c")).split("\n");
    return lines.flatMap((line) => {
      const [, priority, text] = /^<(\d+)>(.*)/.exec(line) ?? [];
      const isWarningOrWorse = priority !== undefined && (priority & 7) <= 4;
      return isWarningOrWorse && concerns.test(text) && !excused.test(text) ? [text] : [];
    });
  }

  pause = () => monitor(this.name, "stop");
  resume = () => monitor(this.name, "cont");

  stop() {
    if (!guests.delete(this)) return;
    const console = join(process.env.NVMEOF_PEER_STATE, this.name, "console.log");
    try {
      this.#log(`--- console of ${this.name}\n${readFileSync(console, "utf8")}\n`);
    } catch {
      // It did not even start.
    }
    spawnSync("bash", [join(folder, "stop"), this.name]);
  }
}

/** Ends all guests, at once. */
export function stopGuests() {
  for (const guest of guests) guest.stop();
}
