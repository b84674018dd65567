// Bytes of headers that are reserved, and must be zero.
// Read first: NVMe/TCP 1.0 §3.6.2 "PDU Definitions".

import { PduType } from "@nvmeof/codec";
import type { CapturedPdu } from "./pdu.ts";

/** Of each type, pairs of a first byte and the one behind the last. */
const reserved: Readonly<Partial<Record<number, readonly number[]>>> = {
  [PduType.ICReq]: [16, 128],
  [PduType.ICResp]: [16, 128],
  [PduType.H2CTermReq]: [14, 24],
  [PduType.C2HTermReq]: [14, 24],
  [PduType.H2CData]: [20, 24],
  [PduType.C2HData]: [10, 12, 20, 24],
  [PduType.R2T]: [20, 24],
};

/** The first reserved byte that is not zero. */
export function dirtyReserved({ type, header }: CapturedPdu): number | undefined {
  const ranges = reserved[type] ?? [];
  for (let i = 0; i < ranges.length; i += 2) {
    for (let at = ranges[i]!; at < ranges[i + 1]!; at++) if (header.getUint8(at) !== 0) return at;
  }
  return undefined;
}
