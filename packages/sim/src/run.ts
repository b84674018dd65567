// A run: a plan in, a verdict out. Safety with faults, liveness without, then the end of everything.
// Read first: plan.ts; world.ts; reliability-anchors §4.1 for the three phases.

import { VirtualClock } from "@nvmeof/transport/testing";
import { budgetsOf } from "./budgets.ts";
import type { Plan } from "./plan.ts";
import { SimRandom } from "./random.ts";
import { Secrets, type SecretsOptions } from "./secrets.ts";
import { carryOut } from "./steps.ts";
import { Trace } from "./trace.ts";
import { type Verdict, count } from "./verdict.ts";
import { Watch } from "./watch.ts";
import { World } from "./world.ts";

/** How a plan is run. */
export interface RunOptions {
  /** Keep all events for the verdict, and not only the last ones. Default "last". */
  readonly keep?: "last" | "all";
  /** All hosts have to prove who they are. Default: none has. */
  readonly secrets?: SecretsOptions | undefined;
}

/** Turns that promises get to run their callbacks: as many as the longest chain of ours takes. */
const PROMISE_TURNS = 12;
const RESOLVED = Promise.resolve();
/** Steps of the clock in one run; more are a livelock. */
const STEPS_MAX = 2_000_000;
/** A TermReq keeps its socket for this long, ms; nothing else of a host outlives its groups. */
const TERM_LINGER_MS = 1_100;
/** Time by which a target has noticed that a host is gone, ms: the longest keep-alive twice, and more. */
const NOTICE_MS = 60_000;
/** Requests of each user after everything is healed. */
const REST_REQUESTS = 3;

/** Carries out a plan. The same plan gives the same verdict, everywhere. Never rejects for a plan. */
export async function run(plan: Plan, options: RunOptions = {}): Promise<Verdict> {
  const clock = new VirtualClock();
  const trace = new Trace(clock, options.keep);
  const secrets = options.secrets && new Secrets(options.secrets, new SimRandom(plan.seed));
  const watch = new Watch(plan, clock, secrets);
  const course = new Course(new World(plan, clock, trace, watch, secrets));
  // Errors are made by the hundred, and nobody reads where. Nothing else runs before this is over.
  const { stackTraceLimit } = Error;
  if (options.keep !== "all") Error.stackTraceLimit = 0;
  try {
    await course.run();
  } catch (error) {
    // Nothing that users, peers or networks do may make the code throw.
    const { name, message } = error as Error;
    watch.complain("I1", `thrown out of a callback: ${name}: ${message}`);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  const { violation } = watch;
  if (violation !== undefined) {
    trace.add("plan", "violation", { invariant: violation.invariant, message: violation.message });
  }
  return {
    seed: plan.seed,
    violation,
    hash: trace.hash,
    figures: course.figures,
    events: trace.events,
  };
}

class Course {
  readonly #world: World;
  readonly #watch: Watch;
  #steps = 0;

  constructor(world: World) {
    this.#world = world;
    this.#watch = world.watch;
  }

  get figures(): Verdict["figures"] {
    const { clock, trace, steps, edges, fences } = this.#world;
    const { submitted, settledBy } = this.#watch;
    return {
      runs: 1,
      virtualMs: clock.nowMs(),
      events: trace.steps,
      submitted,
      settled: settledBy,
      steps,
      edges,
      fences,
    };
  }

  async run(): Promise<void> {
    await this.#safety();
    if (this.#world.plan.ending === "rest") await this.#liveness();
    await this.#teardown();
  }

  /** Load and faults. */
  async #safety(): Promise<void> {
    const world = this.#world;
    const { plan, clock } = world;
    for (const step of plan.steps) {
      if (step.atMs >= plan.safetyMs) continue;
      clock.at(step.atMs, () => {
        this.#watch.check();
        if (carryOut(world, step)) {
          count(world.steps, step.kind === "network" ? `network ${step.fault.kind}` : step.kind);
          const { kind, atMs: _atMs, ...fields } = step;
          world.trace.add("plan", kind, flat(fields));
        }
      });
    }
    world.start();
    await this.#pass(plan.safetyMs);
  }

  /** All is healed but what is dead for good: everything that can go on has to, in time. */
  async #liveness(): Promise<void> {
    const world = this.#world;
    world.note("heal");
    world.heal();
    const budgets = budgetsOf(world.plan);
    for (const user of world.users) user.limit(0);
    const settled = (): boolean => this.#watch.unsettled === 0;
    if (!(await this.#until(settled, budgets.settleMs))) {
      const [first] = this.#watch.open;
      const what = `request ${first?.id} of user ${first?.user.index}`;
      return this.#watch.complain("I43", `${what} has not settled within ${budgets.settleMs} ms`);
    }
    const live = (): boolean => world.groups.every((each) => world.illness(each) === undefined);
    if (!(await this.#until(live, budgets.liveMs))) {
      const ill = world.groups.find((each) => world.illness(each) !== undefined)!;
      const what = `${ill.name} after ${budgets.liveMs} ms: ${world.illness(ill)}`;
      return this.#watch.complain(ill.isHopeless ? "I44" : "I43", what);
    }
    world.note("rest");
    const users = world.users.filter(({ group }) => !group.isHopeless);
    for (const user of users) {
      user.limit(REST_REQUESTS);
      user.resume();
    }
    const done = (): boolean => users.every(({ left, inflight }) => left + inflight === 0);
    if (await this.#until(done, budgets.workMs)) return;
    const idle = users.find(({ left, inflight }) => left + inflight > 0);
    this.#watch.complain("I43", `user ${idle?.index} does not get on after everything is healed`);
  }

  /** Everything is ended, and nothing may be left of it. */
  async #teardown(): Promise<void> {
    if (this.#watch.violation !== undefined) return;
    const world = this.#world;
    world.note("teardown");
    world.end();
    const over = (): boolean => world.pending === 0;
    if (!(await this.#until(over, 60_000))) {
      return this.#watch.complain("I12", `${world.pending} closes are not over after 60 s`);
    }
    await this.#pass(TERM_LINGER_MS);
    if (this.#watch.violation === undefined) world.countHosts();
    await this.#targetsNotice();
    world.endTargets();
    if (!(await this.#until(over, 60_000))) {
      return this.#watch.complain("I12", "a target is not closed after 60 s");
    }
    world.endDisks();
    // What disks and sockets have begun runs out by itself.
    await this.#until(() => world.clock.armed === 0, 600_000);
    await this.#idle();
    if (this.#watch.violation === undefined) world.finish();
  }

  /** Hosts that have gone are nobody's: their controllers end too, also where nobody said goodbye. */
  async #targetsNotice(): Promise<void> {
    const world = this.#world;
    // In the midst of faults a target may be frozen, and does not notice anything.
    if (world.plan.ending === "midst" || this.#watch.violation !== undefined) return;
    if (await this.#until(() => world.hostsAtTargets === 0, NOTICE_MS)) return;
    const left = `${world.hostsAtTargets} controllers are left at targets`;
    this.#watch.complain("I20", `${left} ${NOTICE_MS} ms after all hosts have gone`);
  }

  /** Lets so much time pass. */
  async #pass(ms: number): Promise<void> {
    const marker: { phase: "before" | "after" } = { phase: "before" };
    const { clock } = this.#world;
    clock.at(clock.nowMs() + ms, () => (marker.phase = "after"));
    await this.#until(() => marker.phase === "after", ms + 1);
  }

  /** Lets time pass until `done`, at most so much; says whether it came to that. */
  async #until(done: () => boolean, limitMs: number): Promise<boolean> {
    const { clock } = this.#world;
    const endMs = clock.nowMs() + limitMs;
    for (;;) {
      if (this.#world.pending > 0) await this.#idle();
      else clock.settle();
      if (this.#watch.violation !== undefined) return true;
      if (done()) return true;
      if (clock.nowMs() > endMs || !clock.step()) return done();
      if (++this.#steps > STEPS_MAX) {
        this.#watch.complain("I42", `still busy after ${STEPS_MAX} steps of the clock`);
      }
    }
  }

  /** Lets promises and deferred tasks run until there are none, without time passing. */
  async #idle(): Promise<void> {
    const { clock } = this.#world;
    clock.settle();
    for (let turn = 0; turn < PROMISE_TURNS; turn++) await RESOLVED;
    clock.settle();
  }
}

/** Fields of a step as the trace takes them. */
function flat(fields: object): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === "object" ? JSON.stringify(value) : (value as string | number),
    ]),
  );
}
