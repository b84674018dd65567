// ICReq and ICResp: what they say, and what is wrong with them.
// Read first: NVMe/TCP 1.0 §3.4 "Connection Establishment", §3.6.2.2 "ICReq", §3.6.2.3 "ICResp".

import { Fes, IcReq, IcResp, MAXH2CDATA_MIN, PDA_MAX, alignmentBytes } from "@nvmeof/codec";
import type { Connection } from "./connection.ts";
import type { Find } from "./judge-host.ts";
import type { CapturedPdu } from "./pdu.ts";
import { termReq } from "./rules.ts";

/** Notes what an ICReq asks for. */
export function readIcReq({ header }: CapturedPdu, connection: Connection, find: Find): void {
  const pfv = IcReq.pfv.get(header);
  const hpda = IcReq.hpda.get(header);
  connection.icReq = {
    pfv,
    alignmentBytes: alignmentBytes(hpda),
    headerDigest: IcReq.hdgst.get(header) === 1,
    dataDigest: IcReq.ddgst.get(header) === 1,
    maxR2t: IcReq.maxr2t.get(header),
  };
  judgeCommon(pfv, hpda, "HPDA", find);
}

/** Notes what an ICResp answers. */
export function readIcResp({ header }: CapturedPdu, connection: Connection, find: Find): void {
  const pfv = IcResp.pfv.get(header);
  const cpda = IcResp.cpda.get(header);
  const maxH2cDataBytes = IcResp.maxh2cdata.get(header);
  const headerDigest = IcResp.hdgst.get(header) === 1;
  const dataDigest = IcResp.ddgst.get(header) === 1;
  connection.icResp = {
    pfv,
    alignmentBytes: alignmentBytes(cpda),
    headerDigest,
    dataDigest,
    maxH2cDataBytes,
  };
  const field = (fei: number) => termReq(Fes.InvalidHeaderField, fei);
  const { icReq } = connection;
  if (judgeCommon(pfv, cpda, "CPDA", find)) return;
  if (
    (headerDigest && icReq?.headerDigest === false) ||
    (dataDigest && icReq?.dataDigest === false)
  ) {
    find("ic-digest", field(11), "it enables a digest that the host did not ask for");
  } else if (
    maxH2cDataBytes < MAXH2CDATA_MIN ||
    // All ones is no multiple of 4, but what "no limit" looks like.
    (maxH2cDataBytes % 4 !== 0 && maxH2cDataBytes !== 0xffff_ffff)
  ) {
    find("ic-maxh2cdata", field(12), `MAXH2CDATA ${maxH2cDataBytes}`);
  }
}

function judgeCommon(pfv: number, pda: number, name: string, find: Find): boolean {
  if (pfv !== 0) {
    find("ic-pfv", termReq(Fes.UnsupportedParameter, 8), `PDU format version ${pfv}`);
  } else if (pda > PDA_MAX) {
    find("ic-pda", termReq(Fes.InvalidHeaderField, 10), `${name} ${pda}, above ${PDA_MAX}`);
  }
  return pfv !== 0 || pda > PDA_MAX;
}
