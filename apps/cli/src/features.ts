// Features as people see them: read, decoded, and written. Read first: @nvmeof/codec/management feature.ts.

import {
  EXHID,
  FeatureSelect,
  Fid,
  NSID_ALL,
  decode,
  decodeDwords,
  nameIn,
  viewOf,
} from "@nvmeof/codec";
import { type FeatureFacts, featureOf } from "@nvmeof/codec/management";
import { type ControllerHandle, getFeatureCommand } from "@nvmeof/core";
import { fieldLines } from "./fields.ts";
import { hexDump } from "./hex-dump.ts";
import type { Shown } from "./identify/row.ts";

/** Which value of a feature is asked for. */
export interface FeatureRequest {
  readonly fid: number;
  readonly select: number;
  readonly nsid?: number | undefined;
  readonly cdw11?: number | undefined;
  readonly uidx?: number | undefined;
  /** Bytes of data, where the feature has any; default: what the table says. */
  readonly dataBytes?: number | undefined;
}

/** What came of it. */
export interface FeatureValue {
  readonly fid: number;
  readonly select: number;
  /** Dword 0 of the completion. */
  readonly value: number;
  readonly bytes: Uint8Array | undefined;
}

/** The names of the values that can be asked for. */
export const selects = ["current", "default", "saved", "capabilities"] as const;
export type SelectName = (typeof selects)[number];

export const selectOf = (name: SelectName): number => selects.indexOf(name);

/** Get Features. */
export async function readFeature(
  handle: ControllerHandle,
  request: FeatureRequest,
): Promise<FeatureValue> {
  const { fid, select, nsid = 0, uidx } = request;
  const isCapabilities = select === FeatureSelect.Capabilities;
  const bytes = isCapabilities ? 0 : (request.dataBytes ?? featureOf(fid)?.dataBytes ?? 0);
  const data = bytes === 0 ? undefined : new Uint8Array(bytes);
  // Over fabrics there are Host Identifiers of 128 bits only.
  const cdw11 = request.cdw11 ?? (fid === Fid.HostIdentifier ? EXHID : 0);
  const command = getFeatureCommand(fid, {
    select,
    nsid,
    cdw11,
    ...(uidx === undefined ? {} : { uidx }),
    ...(data === undefined ? {} : { data }),
  });
  const { dw0 } = await handle.admin(command);
  return { fid, select, value: dw0, bytes: data };
}

const capabilities = (value: number): object => ({
  saveable: (value & 1) === 1,
  namespaceSpecific: (value & 2) === 2,
  changeable: (value & 4) === 4,
});

/** The fields of a value, as far as they are known. */
function fieldsOf(facts: FeatureFacts | undefined, { value, bytes, select }: FeatureValue): object {
  if (select === FeatureSelect.Capabilities) return capabilities(value);
  const { value: layout, data } = facts ?? {};
  return {
    ...(layout === undefined ? {} : decodeDwords(layout, value)),
    ...(data === undefined || bytes === undefined ? {} : decode(data, viewOf(bytes))),
  };
}

export const featureName = (fid: number): string => featureOf(fid)?.title ?? nameIn(Fid, fid);

const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}`;

/** One line that says it all, and the fields below. */
export function featureShown(found: FeatureValue): Shown {
  const { fid, select, value, bytes } = found;
  const facts = featureOf(fid);
  const fields = fieldsOf(facts, found);
  const names = Object.keys(fields);
  const head = `${featureName(fid)} (0x${fid.toString(16).padStart(2, "0")}), ${selects[select] ?? select}`;
  const isNumber = bytes === undefined;
  const dump = isNumber || names.length > 0 ? "" : hexDump(bytes, 0);
  return {
    data: {
      fid,
      name: featureName(fid),
      select: selects[select] ?? String(select),
      value: isNumber ? value : null,
      fields: names.length === 0 ? null : fields,
      bytes: bytes ?? null,
    },
    text: () =>
      `${head}${isNumber ? `: ${hex(value)}` : ""}\n` +
      (names.length === 0 ? dump : fieldLines(fields).replace(/^/gm, "  ").trimEnd() + "\n"),
  };
}

/** Whose value is meant: that of the namespace named, or of the controller. */
export const featureNsid = (fid: number, nsid: number | undefined): number | undefined =>
  nsid ?? (featureOf(fid)?.perNamespace === true ? NSID_ALL : undefined);
