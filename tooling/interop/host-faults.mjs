// Our host while the kernel's target fails: paused for good, and one of two paths coming and going.
// Read first: faults-program.mjs, the program that suffers it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("faults-program.mjs", import.meta.url));
/** A close ends within 2 s and a tenth of that. */
const CLOSE_BOUND_MS = 2_200;
const ROUNDS = 20;

/** The program, spoken to by lines. */
class Sufferer {
  #child;
  #lines;
  #log;
  constructor(args, log) {
    this.#log = log;
    this.#child = spawn(process.execPath, [program, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.on("data", (text) => log(String(text)));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits for it to say `word`, at most `seconds`. */
  async says(word, seconds) {
    let timer;
    const late = new Promise((_, reject) => {
      const error = new Error(`it did not say "${word}" within ${seconds} s`);
      timer = setTimeout(() => reject(error), seconds * 1000);
    });
    const { value, done } = await Promise.race([this.#lines.next(), late]).finally(() =>
      clearTimeout(timer),
    );
    if (done) throw new Error(`it ended before it said "${word}"`);
    this.#log(`${value}\n`);
    const said = JSON.parse(value);
    if (said.word !== word) throw new Error(`it said "${said.word}", not "${word}"`);
    return said;
  }

  tell(word) {
    this.#child.stdin.write(`${word}\n`);
  }

  async ask(seconds = 30) {
    this.tell("how");
    return this.says("so", seconds);
  }

  async ends(seconds) {
    if (this.#child.exitCode !== null) return;
    const timer = setTimeout(() => this.kill(), seconds * 1000);
    await once(this.#child, "exit");
    clearTimeout(timer);
  }

  kill() {
    this.#child.kill("SIGKILL");
  }
}

/** Runs `body` with a program that is gone afterwards, whatever happened. */
async function suffering(args, log, body) {
  const sufferer = new Sufferer(args, log);
  try {
    await body(sufferer);
    await sufferer.ends(20);
  } finally {
    sufferer.kill();
  }
}

function must(holds, what) {
  if (!holds) throw new Error(what);
}

export async function destructWhilePaused({ report, target, nqn }) {
  await report.check("128 reads outstanding, the target paused for good: close", async () => {
    let facts;
    await suffering(["destruct", String(target.ports[0]), nqn], report.log, async (sufferer) => {
      await sufferer.says("connected", 60);
      await target.pause();
      try {
        sufferer.tell("paused");
        facts = await sufferer.says("closed", 20);
      } finally {
        await target.resume();
      }
      must(facts.outstanding === 128, `${facts.outstanding} reads were outstanding`);
      must(facts.settledOnce === 128, `${facts.settledOnce} reads settled exactly once`);
      must(facts.closedMs <= CLOSE_BOUND_MS, `it took ${facts.closedMs} ms`);
      must(facts.left.length === 0, `left behind: ${facts.left.join(", ")}`);
      sufferer.tell("resumed");
      await sufferer.says("again", 60);
    });
    return `128 settled once, closed in ${Math.round(facts.closedMs)} ms, attached again`;
  });
}

/** Waits until the program's answer is as wanted. */
async function until(sufferer, wanted, what, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await sufferer.ask();
    if (wanted(answer)) return answer;
    must(Date.now() < end, `${what}: still ${answer.states.join(", ")} after ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

export async function pathComesAndGoes({ report, target, nqn }) {
  await report.check(
    `a path removed and returned ${ROUNDS} times under verified writes`,
    async () => {
      const [first, second] = target.ports;
      let facts;
      await suffering(["failover", `${first},${second}`, nqn], report.log, async (sufferer) => {
        await sufferer.says("running", 60);
        for (let round = 0; round < ROUNDS; round++) {
          const { requests } = await sufferer.ask();
          await target.run(`tgt port-down ${first}`);
          await until(sufferer, ({ states }) => states.some((state) => state !== "live"), "loss");
          await until(sufferer, (now) => now.requests > requests + 100, "writes by the other path");
          await target.run(`tgt port-up ${first}`);
          await until(
            sufferer,
            ({ states }) => states.every((state) => state === "live"),
            "return",
          );
        }
        sufferer.tell("stop");
        facts = await sufferer.says("done", 60);
      });
      must(facts.errors === 0, `${facts.errors} errors, the first: ${facts.firstError}`);
      must(facts.mismatches === 0, `${facts.mismatches} mismatches`);
      return `${facts.requests} requests, longest stall ${Math.round(facts.longestStallMs)} ms`;
    },
  );
}
