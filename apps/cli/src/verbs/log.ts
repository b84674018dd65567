// `log …`: one log page, as the rows of logs/ have it.

import { NSID_ALL } from "@nvmeof/codec";
import type { Context, Verb } from "../context.ts";
import { writeWholeFile } from "../files.ts";
import type { LogOptions } from "../logs/row.ts";
import { moreLogRows } from "../logs/more-rows.ts";
import { logRows } from "../logs/rows.ts";
import { withController } from "../session.ts";
import { type Endpoint, discoveryEndpoint, subsystemEndpoint } from "../target-options.ts";

/** Logs of discovery controllers. */
const ofDiscovery = new Set(["discovery", "host-discovery"]);

const rows = { ...logRows, ...moreLogRows };

/** The verb `log <name>`. */
export const verbOf = (name: string): { readonly run: Verb<LogOptions> } => ({
  run: async (context, options, uri?: string) => {
    const endpoint = ofDiscovery.has(name)
      ? discoveryEndpoint(uri, options)
      : subsystemEndpoint(uri, options);
    return show(context, options, name, endpoint);
  },
});

async function show(context: Context, options: LogOptions, name: string, endpoint: Endpoint) {
  const row = rows[name]!;
  const asked = { ...options, nrIoQueues: 0 };
  const { result } = await withController(context, endpoint, asked, async (handle) => {
    const shownOf = (log: Uint8Array) => ({ log, shown: row.show(log, options, handle) });
    if (row.read !== undefined) return shownOf(await row.read(handle, row.ask?.(options) ?? {}));
    const nsid = endpoint.nsid ?? NSID_ALL;
    const lid = typeof row.lid === "function" ? row.lid(options) : row.lid;
    const request = { lid, nsid, rae: options.rae ?? false, ...row.ask?.(options) };
    const bytes = await row.bytes(handle, options, (first) =>
      // What was looked at for its length alone is not seen yet.
      handle.logPage({ ...request, rae: true }, first),
    );
    return shownOf(await handle.logPage(again(request, name), bytes));
  });
  const { log: bytes, shown } = result;
  const { outputFile } = options;
  if (outputFile === undefined) return { ...shown, binary: bytes };
  await writeWholeFile(outputFile, bytes);
  context.notes.say(`${bytes.length} bytes of the log in ${outputFile}`);
  return { data: { file: outputFile, bytes: bytes.length }, text: () => "", binary: bytes };
}

/** Telemetry that was gathered for its length is not gathered again. */
const again = <R extends { readonly lsp?: number }>(request: R, name: string): R =>
  name === "telemetry" ? { ...request, lsp: 0 } : request;
