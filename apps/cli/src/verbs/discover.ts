// `discover`: the discovery log of a discovery controller; with --referrals those it refers to as well, with
// --watch again whenever it changes. Read first: records.ts, discovering.ts; Base 2.0 §5.16.1.23.

import {
  AsyncEventType,
  AsyncNoticeInfo,
  type DiscoveryLog,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  Lid,
} from "@nvmeof/codec";
import { type ControllerHandle, readDiscoveryLog } from "@nvmeof/core";
import { readConfig, ownConfig } from "../config.ts";
import type { Context, Report, Verb } from "../context.ts";
import { discoverWithReferrals } from "../discovering.ts";
import { eventEnvelope, jsonText } from "../envelope.ts";
import { usage } from "../errors.ts";
import { noteKernelOptions } from "../fabrics-notes.ts";
import { writeWholeFile } from "../files.ts";
import type { TargetOptions } from "../options.ts";
import { compatRecord, recordData, recordsText } from "../records.ts";
import { withController } from "../session.ts";
import type { Style } from "../style.ts";
import { type Endpoint, discoveryEndpoint } from "../target-options.ts";

interface Options extends TargetOptions {
  readonly raw?: string;
  readonly referrals?: boolean;
  readonly watch?: boolean;
  readonly persistent?: boolean;
  readonly quiet?: boolean;
  readonly config?: string;
}

/** The discovery controllers that are meant: one that was named, or those of a file. */
export async function discoveryEndpoints(
  context: Context,
  options: Options,
  uri: string | undefined,
): Promise<{ readonly endpoint: Endpoint; readonly options: Options }[]> {
  const isNamed = uri !== undefined || options.traddr !== undefined;
  if (isNamed) return [{ endpoint: discoveryEndpoint(uri, options), options }];
  const { config } = options;
  const found = config === undefined ? await ownConfig(context.io.env) : await readConfig(config);
  if (found === undefined) return [{ endpoint: discoveryEndpoint(uri, options), options }];
  for (const warning of found.warnings) context.warn(`${found.file}: ${warning}`);
  const ways = found.ways.filter(({ kind }) => kind === "discovery");
  if (ways.length === 0) throw usage(`${found.file} names no discovery controller`);
  return ways.map((way) => {
    const all = { ...options, ...way.options };
    return { endpoint: discoveryEndpoint(undefined, all), options: all };
  });
}

export const run: Verb<Options> = async (context, options, uri?: string) => {
  noteKernelOptions(context, options);
  const [first, ...others] = await discoveryEndpoints(context, options, uri);
  const { endpoint } = first!;
  if (options.watch === true || options.persistent === true) {
    return watch(context, endpoint, first!.options);
  }
  if (options.raw !== undefined) return raw(context, endpoint, first!.options, options.raw);
  if (options.referrals === true || others.length > 0) {
    return everything(context, [first!, ...others], options.referrals === true);
  }
  const { result } = await withController(context, endpoint, first!.options, readDiscoveryLog);
  return report(result);
};

const report = ({ genctr, entries }: DiscoveryLog): Report => ({
  data: { genctr, records: entries.map(recordData) },
  text: (style: Style) => recordsText(entries, style),
  compat: () => ({ genctr: Number(genctr), records: entries.map(compatRecord) }),
});

/** What several discovery controllers say, and those that they refer to. */
async function everything(
  context: Context,
  asked: readonly { readonly endpoint: Endpoint; readonly options: Options }[],
  follow: boolean,
): Promise<Report> {
  const entries: DiscoveryLog["entries"][number][] = [];
  for (const { endpoint, options } of asked) {
    if (follow) {
      entries.push(...(await discoverWithReferrals(context, endpoint, options)).entries);
    } else {
      const { result } = await withController(context, endpoint, options, readDiscoveryLog);
      entries.push(...result.entries);
    }
  }
  // Several logs have no generation together.
  return report({ genctr: 0n, entries });
}

/** The log as bytes, into a file. */
async function raw(
  context: Context,
  endpoint: Endpoint,
  options: Options,
  file: string,
): Promise<Report> {
  const { result } = await withController(context, endpoint, options, async (handle) => {
    const { entries } = await readDiscoveryLog(handle);
    const bytes = DiscoveryLogHeader.size + entries.length * DiscoveryLogEntry.size;
    return handle.logPage({ lid: Lid.Discovery, nsid: 0 }, bytes);
  });
  await writeWholeFile(file, result);
  context.notes.say(`${result.length} bytes of the discovery log in ${file}`);
  return { data: { file, bytes: result.length }, text: () => "" };
}

/** Stays connected and prints the log whenever it has changed, until Ctrl-C. */
async function watch(context: Context, endpoint: Endpoint, options: Options): Promise<undefined> {
  await withController(
    context,
    endpoint,
    options,
    async (handle) => {
      await tell(context, handle);
      await untilAborted(context, handle);
    },
    "stay",
  ).catch((error: unknown) => {
    // Ctrl-C is how it is meant to end.
    const isTold = context.signal.aborted && context.signal.reason === error;
    if (!isTold || (error as { code?: string }).code !== "NVME_ERR_INTERRUPTED") throw error;
  });
  return undefined;
}

async function tell(context: Context, handle: ControllerHandle): Promise<void> {
  const { genctr, entries } = await readDiscoveryLog(handle);
  const { format, out, style } = context;
  const at = new Date().toISOString();
  const text =
    format === "json"
      ? jsonText(
          eventEnvelope("discover", "log", { at, genctr, records: entries.map(recordData) }),
          false,
        )
      : `${style.dim(`${at}  generation ${genctr}`)}\n${recordsText(entries, style)}`;
  await out.write(text);
}

function untilAborted(context: Context, handle: ControllerHandle): Promise<void> {
  const { signal } = context;
  let telling: Promise<void> = Promise.resolve();
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    const again = (): void => {
      telling = telling.then(() => tell(context, handle)).catch(reject);
    };
    handle.observe((event) => {
      if (event.type === "async-event") {
        const { aet, aei } = event.event;
        const { DiscoveryLogChange } = AsyncNoticeInfo;
        if (aet === AsyncEventType.Notice && aei === DiscoveryLogChange) again();
      } else if (event.type === "state" && event.to === "live") again();
      else if (event.type === "state" && event.to === "closed" && event.reason !== undefined) {
        reject(event.reason);
      }
    });
  });
}
