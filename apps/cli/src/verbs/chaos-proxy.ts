// `chaos proxy`: between hosts and a target, doing what a plan says, until somebody says that it is enough.
// Read first: @nvmeof/tools/chaos proxy.ts; ../chaos/events.ts for what is told.

import { type ChaosPlan, ChaosProxy, defaultChaosLimits } from "@nvmeof/tools/chaos";
import { hostPort } from "@nvmeof/transport";
import { type TcpListener, systemClock, tcpConnector, tcpListen } from "@nvmeof/transport/node";
import { isLoopback } from "../address.ts";
import type { ChaosProxyOptions } from "../chaos-commands.ts";
import { ChaosEvents } from "../chaos/events.ts";
import { planArgument } from "../chaos/plan-argument.ts";
import type { Context, Report, Verb } from "../context.ts";
import { cannotListen, usage } from "../errors.ts";
import { replaceFile } from "../files.ts";
import type { ListenAddress } from "../serve-options.ts";
import type { Style } from "../style.ts";

function checkExposure(context: Context, { listen, allowAnyHost }: ChaosProxyOptions): void {
  const { host } = listen;
  if (isLoopback(host)) return;
  if (allowAnyHost !== true) {
    throw usage(
      `other machines can reach ${host}, and a proxy does not ask who they are`,
      "Listen on 127.0.0.1, or say --allow-any-host.",
    );
  }
  context.warn(`${host} can be reached from other machines: anybody there reaches the target.`);
}

async function listen(wanted: ListenAddress): Promise<TcpListener> {
  try {
    return await tcpListen(wanted, { connectionsMax: defaultChaosLimits.connectionsMax });
  } catch (error) {
    throw cannotListen(error);
  }
}

const placeOf = ({ host, port }: ListenAddress): string => hostPort(host, port);

function readyReport(plan: ChaosPlan, bound: ListenAddress, { to }: ChaosProxyOptions): Report {
  const { seed, faults } = plan;
  const { host, port } = bound;
  const data = {
    listen: { host, port },
    to,
    seed,
    faults: faults.map(({ kind, name }) => ({ kind, name })),
  };
  const what = faults.length === 0 ? "no faults: all passes" : `seed ${seed}`;
  const text = (style: Style): string =>
    [
      style.bold(`${placeOf(bound)} to ${placeOf(to)}, ${what}`),
      ...faults.map(({ kind, name }, i) => {
        return `  faults[${i}] ${kind}${name === kind ? "" : ` "${name}"`}`;
      }),
      "",
      `nvmeof discover nvme+tcp://${placeOf(bound)}`,
      `nvme connect -t tcp -a ${host} -s ${port} -n NQN`,
      "",
      "ready",
      "",
    ].join("\n");
  return { data, text };
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

export const run: Verb<ChaosProxyOptions> = async (context, options) => {
  const plan = await planArgument(context, options);
  checkExposure(context, options);
  const events = new ChaosEvents(context, plan);
  const listener = await listen(options.listen);
  const connector = tcpConnector(options.to);
  const { tracing } = options;
  const proxy = new ChaosProxy({
    plan,
    clock: systemClock,
    listener: tracing?.listener(listener) ?? listener,
    connector: tracing?.connector(connector) ?? connector,
  });
  proxy.observe(events.tell);
  try {
    const report = readyReport(plan, listener.address, options);
    if (options.readyFile !== undefined) {
      await replaceFile(options.readyFile, `${JSON.stringify(report.data)}\n`);
    }
    if (!events.ready(report.data)) await context.publish(report);
    await aborted(context.signal);
    return undefined;
  } finally {
    const { counters } = proxy;
    proxy.close();
    await events.closed(counters);
  }
};
