// `id ns`: the Identify Namespace structure, its formats, and the identifiers of the namespace.

import { hexText, lbaFormat, uuidText, viewOf } from "@nvmeof/codec";
import type { NamespaceFacts } from "@nvmeof/core";
import type { Verb } from "../context.ts";
import { fieldLines } from "../fields.ts";
import type { NamespaceOptions } from "../options.ts";
import { onlyNamespace, withController } from "../session.ts";
import { subsystemEndpoint } from "../target-options.ts";

const inHex = new Set("nsfeat mc dpc dps nmic rescap fpi dlfeat nsattr".split(" "));

function formatsOf({ identify, identifyBytes, format }: NamespaceFacts) {
  const view = viewOf(identifyBytes);
  return Array.from({ length: identify.nlbaf + identify.nulbaf }, (_, index) => {
    const { ms, lbads, rp } = lbaFormat(view, index);
    return { ms, lbads, rp, inUse: index === format.index };
  });
}

const identifiersOf = ({ identifiers }: NamespaceFacts) => ({
  uuid: identifiers.uuid === undefined ? null : uuidText(identifiers.uuid),
  nguid: identifiers.nguid === undefined ? null : hexText(identifiers.nguid),
  eui64: identifiers.eui64 === undefined ? null : hexText(identifiers.eui64),
  csi: identifiers.csi ?? null,
});

export const run: Verb<NamespaceOptions> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const { result } = await withController(
    context,
    endpoint,
    { ...options, nrIoQueues: 0 },
    async (handle) => handle.namespace(endpoint.nsid ?? (await onlyNamespace(handle))),
  );
  const { nsid, identify, identifyBytes, format } = result;
  const lbafs = formatsOf(result);
  const identifiers = identifiersOf(result);
  const { blockBytes } = format;
  const text = (): string => {
    const formats = lbafs.map(({ ms, lbads, rp, inUse }, i) => {
      const said = `ms ${ms}, lbads ${lbads}, rp ${rp}${inUse ? " (in use)" : ""}`;
      return [`lbaf ${i}`, said];
    });
    const named = Object.entries(identifiers).map(([name, value]) => [`id ${name}`, value ?? "-"]);
    const all = { nsid, ...identify, ...Object.fromEntries([...formats, ...named]) };
    return fieldLines(all, inHex);
  };
  const data = { nsid, ...identify, blockBytes, lbafs, identifiers };
  return { data, text, binary: identifyBytes };
};
