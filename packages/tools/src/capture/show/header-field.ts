// The name of the field of a PDU header that a Fatal Error Information points at.
// Read first: NVMe/TCP 1.0 §3.5.2 "Fatal Error Handling", §3.6 "PDU Definitions".

import {
  DataPdu,
  Fes,
  type Field,
  IcReq,
  IcResp,
  PduHeader,
  PduType,
  R2t,
  fieldsOf,
  pduName,
} from "@nvmeof/codec";

const layouts: Readonly<Partial<Record<number, object>>> = {
  [PduType.ICReq]: IcReq,
  [PduType.ICResp]: IcResp,
  [PduType.H2CData]: DataPdu,
  [PduType.C2HData]: DataPdu,
  [PduType.R2T]: R2t,
};

const spans = ({ offset, bytes }: Field<unknown>, at: number): boolean =>
  at >= offset && at < offset + bytes;

/** The field of a header of `type` at byte `at`: "DATAL"; the byte where none is declared there. */
export function fieldAt(type: number, at: number): string {
  const fields = [...fieldsOf(PduHeader), ...fieldsOf(layouts[type] ?? {})];
  const found = fields.find(([, field]) => spans(field, at));
  return found === undefined ? `byte ${at}` : found[0].toUpperCase();
}

/** What the FEI of a TermReq that quotes a header is about: "DATAL of H2CData". */
export function headerFieldName(quoted: Uint8Array, fes: number, fei: number): string | undefined {
  const type = quoted[0];
  if (type === undefined) return undefined;
  if (fes === Fes.InvalidHeaderField || fes === Fes.UnsupportedParameter) {
    return `${fieldAt(type, fei)} of ${pduName(type)}`;
  }
  return fes === Fes.HeaderDigest ? `the digest of ${pduName(type)}` : `in ${pduName(type)}`;
}
