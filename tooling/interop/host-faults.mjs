// Our host while the kernel's target fails: paused for good, and one of two paths coming and going.
// Read first: faults-program.mjs, the program that suffers it.
import { must, suffering } from "./sufferer.mjs";

const program = "faults-program.mjs";
/** A close ends within 2 s and a tenth of that. */
const CLOSE_BOUND_MS = 2_200;
const ROUNDS = 20;

export async function destructWhilePaused({ report, target, nqn }) {
  await report.check("128 reads outstanding, the target paused for good: close", async () => {
    let facts;
    await suffering(
      [program, "destruct", String(target.ports[0]), nqn],
      report.log,
      async (sufferer) => {
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
      },
    );
    return `128 settled once, closed in ${Math.round(facts.closedMs)} ms, attached again`;
  });
}

export async function pathComesAndGoes({ report, target, nqn }) {
  await report.check(
    `a path removed and returned ${ROUNDS} times under verified writes`,
    async () => {
      const [first, second] = target.ports;
      let facts;
      await suffering(
        [program, "failover", `${first},${second}`, nqn],
        report.log,
        async (sufferer) => {
          await sufferer.says("running", 60);
          for (let round = 0; round < ROUNDS; round++) {
            await target.run(`tgt port-down ${first}`);
            await sufferer.ask("loss");
            await sufferer.ask("writes");
            await target.run(`tgt port-up ${first}`);
            await sufferer.ask("return");
          }
          sufferer.tell("stop");
          facts = await sufferer.says("done", 60);
        },
      );
      must(facts.errors === 0, `${facts.errors} errors, the first: ${facts.firstError}`);
      must(facts.mismatches === 0, `${facts.mismatches} mismatches`);
      return `${facts.requests} requests, longest stall ${Math.round(facts.longestStallMs)} ms`;
    },
  );
}
