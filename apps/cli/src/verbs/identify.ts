// `id …`: one Identify structure or list, as the rows of identify/rows.ts have it.

import { ask, namespaceMeant } from "../ask.ts";
import type { Verb } from "../context.ts";
import type { IdentifyOptions } from "../identify/row.ts";
import { identifyRows } from "../identify/rows.ts";

/** The verb `id <name>`. */
export const verbOf = (name: string): { readonly run: Verb<IdentifyOptions> } => ({
  run: async (context, options, uri?: string) => {
    const row = identifyRows[name]!;
    const bytes = await ask(context, uri, options, "admin", async (handle, endpoint) => {
      const nsid =
        row.nsid === "namespace"
          ? await namespaceMeant(handle, endpoint)
          : (endpoint.nsid ?? row.nsid ?? 0);
      return handle.identify(row.cns({ ...options, ...named(endpoint.nsid) }), {
        nsid,
        ...row.ask?.(options),
      });
    });
    return { ...row.show(bytes, options), binary: bytes };
  },
});

const named = (nsid: number | undefined): object =>
  nsid === undefined ? {} : { namespaceId: nsid };
