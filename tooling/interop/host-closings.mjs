// Our host closes in every state and phase while the kernel's target is paused for good.
// Read first: closing-program.mjs, the program that closes.
import { must, suffering } from "./sufferer.mjs";

/** A close ends within 2 s and a tenth of that. */
const CLOSE_BOUND_MS = 2_200;

/** What each case of the program is in when it closes, and the requests that it has by then. */
const cases = [
  { name: "connecting", state: "connecting", requests: 0 },
  { name: "live", state: "live", requests: 128 },
  { name: "recovering", state: "recovering", requests: 128 },
  { name: "waiting", state: "waiting", requests: 128 },
  { name: "disabled", state: "disabled", requests: 256 },
  { name: "gate", phase: true, requests: 256 },
  { name: "drain", phase: true, requests: 256 },
  { name: "drain, with some answers", phase: true, requests: 128 },
  { name: "the notice of the shutdown", phase: true, requests: 0 },
  { name: "the answer to the notice", phase: true, requests: 0 },
  { name: "the look at its status", phase: true, requests: 0 },
  { name: "sockets", phase: true, requests: 0 },
];

export async function closeWhilePaused(run) {
  for (const each of cases) {
    const when = each.phase ? `in a close, at ${each.name}` : each.name;
    await run.report.check(`the target paused for good ${when}: close`, () => closed(run, each));
  }
}

async function closed({ report, target, nqn }, { name, state = "closing", requests }) {
  const args = ["closing-program.mjs", name, String(target.ports[0]), nqn];
  let facts;
  await suffering(args, report.log, async (sufferer) => {
    await sufferer.says("pause", 60);
    await target.pause();
    try {
      sufferer.tell("paused");
      facts = await sufferer.says("closed", 30);
    } finally {
      await target.resume();
    }
    must(facts.state === state, `it was ${facts.state}, not ${state}`);
    must(facts.requests === requests, `there were ${facts.requests} requests, not ${requests}`);
    must(facts.settledOnce === requests, `${facts.settledOnce} settled exactly once`);
    must(facts.closedMs <= CLOSE_BOUND_MS, `it took ${facts.closedMs} ms`);
    must(facts.left.length === 0, `left behind: ${facts.left.join(", ")}`);
    must(facts.devices === 0, `${facts.devices} devices are still there`);
    sufferer.tell("resumed");
    const { settledOnce } = await sufferer.says("again", 60);
    must(settledOnce === requests, `only ${settledOnce} had settled once in the end`);
  });
  const [{ shutdown, abortedCommands } = {}] = facts.reports;
  const said = `shutdown ${shutdown}, ${abortedCommands} aborted`;
  return `${requests} settled once, closed in ${Math.round(facts.closedMs)} ms, ${said}`;
}
