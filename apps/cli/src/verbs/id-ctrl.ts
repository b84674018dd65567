// `id ctrl`: the Identify Controller structure, field by field.

import type { Verb } from "../context.ts";
import { fieldLines } from "../fields.ts";
import type { TargetOptions } from "../options.ts";
import { withController } from "../session.ts";
import { subsystemEndpoint } from "../target-options.ts";

/** Fields that are sets of bits, or numbers that nobody reads in decimal. */
const inHex = new Set(
  `vid ssvid cmic ver oaes ctratt crcap cirn oacs frmw lpa avscc apsta sanicap anacap
   sqes cqes oncs fuses fna vwc icsvscc nwpc ocfs sgls fcatt ofcs`.split(/\s+/),
);

export const run: Verb<TargetOptions> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const { result } = await withController(
    context,
    endpoint,
    { ...options, nrIoQueues: 0 },
    (handle) => Promise.resolve(handle.facts),
  );
  const { identify, identifyBytes } = result;
  return {
    data: identify,
    text: () => fieldLines(identify, inHex),
    binary: identifyBytes,
  };
};
