// What an Identify verb asks for, and what it makes of the answer. Read first: rows.ts for all of them.

import type { IdentifyParameters } from "@nvmeof/core";
import type { FieldBits } from "../fields.ts";
import type { NamespaceOptions } from "../options.ts";
import type { Style } from "../style.ts";

/** A structure as people and scripts see it. */
export interface Shown {
  readonly data: object;
  readonly text: (style: Style) => string;
  /** As nvme-cli has it in JSON. */
  readonly compat?: () => unknown;
}

/** Options of Identify verbs. Each has some of them. */
export interface IdentifyOptions extends NamespaceOptions {
  readonly humanReadable?: boolean;
  readonly all?: boolean;
  readonly csi?: number;
  readonly cntid?: number;
  readonly cntlid?: number;
  readonly controllerId?: number;
  readonly lbaFormatIndex?: number;
  readonly uuidIndex?: number;
  readonly nvmsetId?: number;
  readonly domId?: number;
  readonly endgrpId?: number;
  readonly numEntries?: number;
}

/** One structure that can be asked for. */
export interface IdentifyRow {
  readonly cns: (options: IdentifyOptions) => number;
  /** "namespace": NSID of the one that is meant; otherwise what the options say, or this. */
  readonly nsid?: "namespace" | number;
  readonly ask?: (options: IdentifyOptions) => IdentifyParameters;
  readonly show: (data: Uint8Array, options: IdentifyOptions) => Shown;
}

/** With -H what the bits of fields mean, otherwise nothing of it. */
export const bitsFor = (options: { readonly humanReadable?: boolean }, bits: FieldBits) =>
  options.humanReadable === true ? bits : {};
