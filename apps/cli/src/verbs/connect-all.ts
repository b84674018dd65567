// `connect-all`: every subsystem that discovery knows, referrals followed, connected by all its paths; shown,
// or held. Read first: discovering.ts, topology.ts, hold.ts.

import { readConfig, ownConfig } from "../config.ts";
import type { Context, Verb } from "../context.ts";
import type { ControlOptions } from "../control-options.ts";
import { discoverWithReferrals, subsystemsIn } from "../discovering.ts";
import { usage } from "../errors.ts";
import { noteKernelOptions } from "../fabrics-notes.ts";
import { hold, tellMetrics } from "../hold.ts";
import { type MetricsOptions, refuseMetrics } from "../metrics-options.ts";
import { openOnlookers } from "../onlookers.ts";
import type { ConnectionOptions, ManyTargetOptions, TargetOptions } from "../options.ts";
import { uriOf } from "../records.ts";
import { type Endpoint, subsystemEndpoint } from "../target-options.ts";
import { bySubsystem, topology } from "../topology.ts";
import { discoveryEndpoints } from "./discover.ts";
import { listText } from "./list-subsys.ts";

interface Options extends TargetOptions, ControlOptions, MetricsOptions {
  readonly hold?: boolean;
  readonly config?: string;
}

/** Options that were about one address are not about what it knows. */
function connectionPart(options: Partial<TargetOptions>): Partial<ConnectionOptions> {
  const { nqn: _n, traddr: _a, trsvcid: _s, transport: _t, ...rest } = options;
  return rest;
}

/** Subsystems that a file names itself. */
async function configured(context: Context, { config }: Options): Promise<Endpoint[]> {
  const found = config === undefined ? await ownConfig(context.io.env) : await readConfig(config);
  if (found === undefined) return [];
  const ways = found.ways.filter(({ kind }) => kind === "subsystem");
  // Where there are none, it is read for its discovery controllers, and warned of then.
  for (const warning of ways.length > 0 ? found.warnings : []) {
    context.warn(`${found.file}: ${warning}`);
  }
  return ways.map(({ options }) => ({
    ...subsystemEndpoint(undefined, options),
    overrides: connectionPart(options),
  }));
}

async function endpoints(
  context: Context,
  options: Options,
  uri: string | undefined,
): Promise<Endpoint[]> {
  const isNamed = uri !== undefined || options.traddr !== undefined;
  const direct = isNamed ? [] : await configured(context, options);
  if (direct.length > 0) return direct;
  const found = new Map<string, Endpoint>();
  for (const asked of await discoveryEndpoints(context, options, uri)) {
    const { entries } = await discoverWithReferrals(context, asked.endpoint, asked.options);
    const overrides = connectionPart(asked.options);
    const { hostNqn, hostId } = asked.endpoint;
    for (const entry of subsystemsIn(entries)) {
      const address = uriOf(entry);
      if (address === null) context.warn(`${entry.subnqn}: its transport is none of ours`);
      else {
        const endpoint = { ...subsystemEndpoint(address, {}), hostNqn, hostId, overrides };
        found.set([address, hostNqn, hostId].join(" "), endpoint);
      }
    }
  }
  return [...found.values()];
}

export const run: Verb<Options> = async (context, options, uri?: string) => {
  noteKernelOptions(context, options);
  if (options.hold !== true) refuseMetrics(options);
  const all = await endpoints(context, options, uri);
  if (all.length === 0) throw usage("there is no subsystem to connect to", "Look with discover.");
  const rest = connectionPart(options) as ManyTargetOptions;
  if (options.hold !== true) {
    return topology(context, rest, all, (hosts, style) =>
      listText(hosts, (options.verbose ?? 0) > 0, style),
    );
  }
  const onlookers = await openOnlookers(context, options, "connect-all --hold");
  try {
    await tellMetrics(context, onlookers);
    // One that is lost does not end the others; the command ends as the first of them did.
    const held = bySubsystem(all).map(([, its]) => hold(context, its, rest, onlookers));
    for (const how of await Promise.allSettled(held)) {
      if (how.status === "rejected") throw how.reason;
    }
  } finally {
    await onlookers.close();
  }
  return undefined;
};
