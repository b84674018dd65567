// `id ctrl`: the Identify Controller structure, field by field.

import { ask } from "../ask.ts";
import { controllerBits } from "../bit-names.ts";
import type { Verb } from "../context.ts";
import { fieldLines } from "../fields.ts";
import { hexDump } from "../hex-dump.ts";
import { compatController } from "../identify/compat.ts";
import { bitsFor } from "../identify/row.ts";
import type { TargetOptions } from "../options.ts";

interface Options extends TargetOptions {
  readonly humanReadable?: boolean;
  readonly vendorSpecific?: boolean;
}

/** Fields that are sets of bits, or numbers that nobody reads in decimal. */
const inHex = new Set(
  `vid ssvid cmic ver oaes ctratt crcap cirn oacs frmw lpa avscc apsta sanicap anacap
   sqes cqes oncs fuses fna vwc icsvscc nwpc ocfs sgls fcatt ofcs`.split(/\s+/),
);

/** Where the vendor's bytes begin. */
const VENDOR_OFFSET = 3072;

export const run: Verb<Options> = async (context, options, uri?: string) => {
  const { identify, identifyBytes } = await ask(context, uri, options, "admin", (handle) =>
    Promise.resolve(handle.facts),
  );
  const vendor = identifyBytes.subarray(VENDOR_OFFSET);
  const withVendor = options.vendorSpecific === true;
  return {
    data: withVendor ? { ...identify, vs: vendor } : identify,
    text: () =>
      fieldLines(identify, inHex, bitsFor(options, controllerBits)) +
      (withVendor ? `vs :\n${hexDump(vendor, VENDOR_OFFSET)}` : ""),
    binary: identifyBytes,
    compat: () => compatController(identifyBytes, identify.subnqn),
  };
};
