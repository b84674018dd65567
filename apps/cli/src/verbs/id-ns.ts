// `id ns`: the Identify Namespace structure, its formats, and the identifiers of the namespace.

import { Cns, hexText, lbaFormat, uuidText, viewOf } from "@nvmeof/codec";
import { type ControllerHandle, type NamespaceFacts, decodeNamespace } from "@nvmeof/core";
import { ask, namespaceMeant } from "../ask.ts";
import { namespaceBits } from "../bit-names.ts";
import type { Verb } from "../context.ts";
import { fieldLines } from "../fields.ts";
import { hexDump } from "../hex-dump.ts";
import { compatNamespace } from "../identify/compat.ts";
import { bitsFor } from "../identify/row.ts";
import type { NamespaceOptions } from "../options.ts";

interface Options extends NamespaceOptions {
  readonly humanReadable?: boolean;
  readonly vendorSpecific?: boolean;
  readonly force?: boolean;
}

/** Where the vendor's bytes begin. */
const VENDOR_OFFSET = 384;

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

/** One that is not attached has no identifiers that could be asked for. */
async function allocated(handle: ControllerHandle, nsid: number): Promise<NamespaceFacts> {
  const data = await handle.identify(Cns.AllocatedNamespace, { nsid });
  return decodeNamespace(nsid, data, new Uint8Array(data.length));
}

export const run: Verb<Options> = async (context, options, uri?: string) => {
  const result = await ask(context, uri, options, "admin", async (handle, endpoint) => {
    const nsid = await namespaceMeant(handle, endpoint);
    return options.force === true ? allocated(handle, nsid) : handle.namespace(nsid);
  });
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
    const lines = fieldLines(all, inHex, bitsFor(options, namespaceBits));
    return withVendor ? `${lines}vs :\n${hexDump(vendor, VENDOR_OFFSET)}` : lines;
  };
  const vendor = identifyBytes.subarray(VENDOR_OFFSET);
  const withVendor = options.vendorSpecific === true;
  const plain = { nsid, ...identify, blockBytes, lbafs, identifiers };
  const data = withVendor ? { ...plain, vs: vendor } : plain;
  return { data, text, binary: identifyBytes, compat: () => compatNamespace(identifyBytes) };
};
