// The kernel's host and the kernel's target with `nvmeof chaos proxy` between them: what a plan asks for is
// done, told and recorded, and the kernel gets over it without a wrong byte.
// Read first: docs/chaos.md for faults and selectors; chaos-cases.mjs for what is done.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chaosCases } from "./chaos-cases.mjs";
import { chaosProxy, nvmeof } from "./cli.mjs";
import { fio, loopback } from "./kernel-host-against-serve.mjs";

/** The kernel's own limits where nothing is said, in seconds. */
const USUAL_IO_TIMEOUT = 30;
/** What no fault of a network excuses. */
const alarm = /BUG|WARNING:|Oops|blocked for more than|general protection/;

const jsonLines = (text) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** One plan, from the start of the proxy to a look at what it recorded. */
class ChaosChecks {
  #report;
  #host;
  #target;
  #nqn;
  #case;
  #folder;
  #proxy;
  #device = "";
  #trace;
  #done = 0;

  constructor({ report, folder, host, target, nqn }, each) {
    this.#report = report;
    this.#folder = folder;
    this.#host = host;
    this.#target = target;
    this.#nqn = nqn;
    this.#case = each;
    this.#trace = join(folder, `chaos-${each.id}.pcapng`);
  }

  async run() {
    const check = (name, run) => this.#report.check(name, run);
    const { title, finds } = this.#case;
    this.#report.group(`the kernel's host, chaos proxy, the kernel's target: ${title}`);
    await Promise.all([this.#host.complaints(), this.#target.complaints()]);
    if (!(await check("chaos proxy", () => this.#start()))) return;
    if (await check("connect, list", () => this.#connect())) {
      const { corrupts = false } = this.#case;
      if (corrupts) await check("fio sees a wrong byte", () => this.#seeCorruption());
      else await check("fio with verify", () => this.#verify());
    }
    await check("disconnect", () => this.#disconnect());
    await check("what the kernel says of it", () => this.#complaints());
    await check("the proxy tells each fault", () => this.#end());
    if (existsSync(this.#trace)) {
      const name = finds.open === "some" ? "commands without an answer" : finds.rules.join(", ");
      await check(`decode finds ${name || "no rule broken"}`, () => this.#decode());
    }
  }

  async #start() {
    const { id, faults } = this.#case;
    const { log } = this.#report;
    const plan = join(this.#folder, `chaos-${id}.json`);
    const text = JSON.stringify({ version: 1, seed: 42, faults });
    log(`${text}\n`);
    writeFileSync(plan, text);
    const to = `127.0.0.1:${this.#target.ports[0]}`;
    const args = ["--to", to, "--plan", plan, "--trace", this.#trace, "--json"];
    const readyFile = join(this.#folder, `ready-chaos-${id}`);
    this.#proxy = await chaosProxy(args, { log, readyFile });
  }

  async #connect() {
    const { options = [], ioTimeout = USUAL_IO_TIMEOUT } = this.#case;
    // A path that is lost is tried for again every second, and for longer than any of this takes.
    const patience = "-k 30 --reconnect-delay=1 --ctrl-loss-tmo=120";
    const where = `-t tcp -a ${loopback} -s ${this.#proxy.listen.port} -n ${this.#nqn}`;
    await this.#host.run(`set -e
      echo ${ioTimeout} >/sys/module/nvme_core/parameters/io_timeout
      nvme connect ${where} ${patience} ${options.join(" ")}`);
    this.#device = (await this.#host.run(`nsdev ${this.#nqn} 1`)).trim();
    const { Devices: devices } = await this.#host.json("nvme list -o json");
    if (!devices.some(({ DevicePath }) => DevicePath === this.#device))
      throw new Error(`${this.#device} is not in ${JSON.stringify(devices)}`);
  }

  async #verify() {
    await this.#host.run(fio(this.#device, `${this.#case.load} --rw=randwrite`), { seconds: 180 });
    const text = await this.#host.run("cat /tmp/fio");
    const [, writes] = /write: IOPS=([\d.k]+)/.exec(text) ?? [];
    const [, reads] = /read: IOPS=([\d.k]+)/.exec(text) ?? [];
    if (writes === undefined || reads === undefined) throw new Error(`fio says ${text}`);
    return `${writes} writes/s, ${reads} reads/s`;
  }

  async #seeCorruption() {
    const script = fio(this.#device, `${this.#case.load} --rw=randwrite`);
    const said = await this.#host.run(`(${script}) 2>&1 || true`, { seconds: 180 });
    if (!/bad (magic )?header|verify failed/.test(said))
      throw new Error(`it says nothing of it: ${said}`);
  }

  async #disconnect() {
    await this.#host.run(
      `nvme disconnect -n ${this.#nqn}
      echo ${USUAL_IO_TIMEOUT} >/sys/module/nvme_core/parameters/io_timeout`,
      { seconds: 120 },
    );
    const { Devices: left } = await this.#host.json("nvme list -o json");
    if (left.length > 0) throw new Error(`devices are left: ${JSON.stringify(left)}`);
  }

  /** What is to be expected is there, and nothing that is a fault of the kernel's own. */
  async #complaints() {
    const { host = [], target = [] } = this.#case.complaints;
    const said = [await this.#host.complaints(), await this.#target.complaints()];
    for (const [i, wanted] of [host, target].entries()) {
      const who = ["host", "target"][i];
      const bad = said[i].filter((line) => alarm.test(line));
      if (bad.length > 0) throw new Error(`the ${who}: ${bad.join("\n")}`);
      if (wanted.length === 0 && this.#case.isQuiet && said[i].length > 0)
        throw new Error(`the ${who} complains: ${said[i].join("\n")}`);
      const silent = wanted.filter((each) => !said[i].some((line) => each.test(line)));
      if (silent.length > 0)
        throw new Error(`the ${who} says nothing like ${silent.join()}: ${said[i].join("\n")}`);
    }
    return `${said[0].length} lines of the host, ${said[1].length} of the target`;
  }

  async #end() {
    const { program } = this.#proxy;
    if (!(await program.stop(10_000))) throw new Error("it was still running after 10 s");
    const events = jsonLines(program.stdout);
    const told = events.filter(({ event }) => event === "fault").length;
    const { connections, faults } = events.at(-1).data;
    this.#done = faults.reduce((sum, { done }) => sum + done, 0);
    if (told !== this.#done) throw new Error(`${told} lines of ${this.#done} faults`);
    for (const { name, done } of faults) if (done === 0) throw new Error(`${name} never happened`);
    const { atLeast = 0 } = this.#case;
    if (told < atLeast) throw new Error(`${told} faults, at least ${atLeast} were expected`);
    return `${told} faults on ${connections} connections`;
  }

  /** The capture shows what was done wrong, and nothing else. */
  async #decode() {
    const { rules, open, excused = [] } = this.#case.finds;
    const asked = ["decode", this.#trace, "--summary", "--json", "--progress", "never"];
    const failOn = ["--fail-on", "verdict,open"];
    const quietly = { log: () => {}, deadlineMs: 120_000, exitCode: null };
    const program = await nvmeof([...asked, ...failOn], quietly);
    const { data } = JSON.parse(program.stdout);
    const broken = data.rules.filter(({ severity }) => severity === "violation");
    const names = broken.map(({ rule }) => rule);
    const found = `${names.join(", ") || "no violation"} and ${data.open} commands open`;
    const others = names.filter((rule) => !rules.includes(rule) && !excused.includes(rule));
    const absent = rules.filter((rule) => !names.includes(rule));
    if (others.length + absent.length > 0) throw new Error(`it finds ${found}`);
    if (open === "some" ? data.open === 0 : open === "none" && data.open > 0)
      throw new Error(`it finds ${found}`);
    const exitCode = names.length + data.open > 0 ? 12 : 0;
    if (program.code !== exitCode)
      throw new Error(
        `exit code ${program.code}, not ${exitCode}: ${program.stderr.slice(0, 600)}`,
      );
    return `${data.pdus} PDUs, ${found}`;
  }
}

export async function kernelThroughChaos(run) {
  for (const each of chaosCases) await new ChaosChecks(run, each).run();
}
