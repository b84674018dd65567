// What the bare responder answers while a host connects: constants, made with the codec, since nobody
// measures them.
// Read first: responder.c, which says the same in C.

import {
  AdminOpcode,
  CAPSULE_OFFSET,
  Cap,
  Cns,
  ControllerType,
  Csi,
  Csts,
  Fctype,
  IdentifyCommand,
  IdentifyController,
  IdentifyNamespace,
  LbaFormat,
  NSID_LIST_MAX,
  PduFlag,
  Property,
  PropertyGetCommand,
  PropertySetCommand,
  SetFeaturesCommand,
  Sgls,
  Sqe,
  Status,
  encode,
  encodeNamespaceDescriptors,
  encodeNsidList,
  encoded,
  lbaFormatOffset,
  uuidBytes,
  viewOf,
} from "@nvmeof/codec";
import { RawPdus } from "@nvmeof/transport/testing";
import { BLOCK_COUNT, NQN } from "../meter.ts";

export type BareAnswer = Uint8Array;

const pdus = new RawPdus();
const CNTLID = 1;
const MQES = 2048;
const VERSION = 0x2_0000;
const IN_CAPSULE_BYTES = 8192;
/** CC.SHN */
const SHN = 0xc000;
const DNR = 0x4000;

/** What a command of the bring-up does to its connection. */
interface Answered {
  readonly pdus: readonly BareAnswer[];
  readonly cc: number;
  /** The connection is that of an I/O queue from now on. */
  readonly isIo: boolean;
}

const response = (cid: number, fields: { dw0?: number; dw1?: number } = {}): BareAnswer =>
  pdus.capsuleResp({ cid, ...fields });

function refusal(cid: number, status: number): BareAnswer {
  const pdu = pdus.capsuleResp({ cid });
  viewOf(pdu).setUint16(CAPSULE_OFFSET + 14, (status | DNR) << 1, true);
  return pdu;
}

const identifyController = (namespaces: number): Uint8Array =>
  encoded(IdentifyController, {
    sn: "0",
    mn: "bare responder",
    fr: "1",
    cntlid: CNTLID,
    ver: VERSION,
    cntrltype: ControllerType.Io,
    kas: 10,
    sqes: 0x66,
    cqes: 0x44,
    maxcmd: MQES,
    nn: namespaces,
    sgls: Sgls.Supported | Sgls.Offset | Sgls.Transport,
    subnqn: NQN,
    ioccsz: (64 + IN_CAPSULE_BYTES) / 16,
    iorcsz: 1,
    msdbd: 1,
  });

function identifyNamespace(): Uint8Array {
  const size = BigInt(BLOCK_COUNT);
  const page = encoded(IdentifyNamespace, { nsze: size, ncap: size, nlbaf: 1 });
  encode(LbaFormat, viewOf(page), lbaFormatOffset(0), { lbads: 12 });
  return page;
}

const descriptors = (nsid: number): Uint8Array =>
  encodeNamespaceDescriptors({
    uuid: uuidBytes(`5a5a5a5a-5a5a-4a5a-9a5a-${nsid.toString(16).padStart(12, "0")}`),
    csi: Csi.Nvm,
  });

function nsidsAfter(nsid: number, namespaces: number): Uint8Array {
  const count = Math.min(NSID_LIST_MAX, Math.max(0, namespaces - nsid));
  return encodeNsidList(Array.from({ length: count }, (_, i) => nsid + 1 + i));
}

function identifyPage(cns: number, nsid: number, namespaces: number): Uint8Array | undefined {
  switch (cns) {
    case Cns.Namespace:
      return identifyNamespace();
    case Cns.Controller:
      return identifyController(namespaces);
    case Cns.ActiveNamespaces:
      return nsidsAfter(nsid, namespaces);
    case Cns.NamespaceDescriptors:
      return descriptors(nsid);
    case Cns.CommandSetController:
      return new Uint8Array(4096);
    default:
      return undefined;
  }
}

function property(cid: number, offset: number, cc: number): BareAnswer {
  switch (offset) {
    case Property.Cap: {
      const cap = viewOf(encoded(Cap, { mqes: MQES, to: 20, ncss: 1 }));
      return response(cid, { dw0: cap.getUint32(0, true), dw1: cap.getUint32(4, true) });
    }
    case Property.Vs:
      return response(cid, { dw0: VERSION });
    case Property.Cc:
      return response(cid, { dw0: cc });
    case Property.Csts: {
      const csts = encoded(Csts, { rdy: cc & 1, shst: (cc & SHN) === 0 ? 0 : 2 });
      return response(cid, { dw0: viewOf(csts).getUint32(0, true) });
    }
    default:
      return refusal(cid, Status.InvalidField);
  }
}

function fabrics(view: DataView, cid: number, cc: number): Answered {
  const base = CAPSULE_OFFSET;
  switch (PropertyGetCommand.fctype.get(view, base)) {
    case Fctype.PropertySet: {
      const value = PropertySetCommand.value.get(view, base);
      return { pdus: [response(cid)], cc: value, isIo: false };
    }
    case Fctype.Connect: {
      const isIo = view.getUint16(base + 42, true) > 0;
      return { pdus: [response(cid, { dw0: CNTLID })], cc, isIo };
    }
    case Fctype.PropertyGet: {
      const offset = PropertyGetCommand.ofst.get(view, base);
      return { pdus: [property(cid, offset, cc)], cc, isIo: false };
    }
    default:
      return { pdus: [response(cid)], cc, isIo: false };
  }
}

function admin(view: DataView, opc: number, cid: number, namespaces: number): BareAnswer[] {
  const base = CAPSULE_OFFSET;
  switch (opc) {
    case AdminOpcode.Identify: {
      const nsid = Sqe.nsid.get(view, base);
      const data = identifyPage(IdentifyCommand.cns.get(view, base), nsid, namespaces);
      if (data === undefined) return [refusal(cid, Status.InvalidField)];
      const flags = PduFlag.Last | PduFlag.Success;
      return [pdus.c2hData({ cccid: cid }, { data, flags })];
    }
    case AdminOpcode.SetFeatures:
      return [response(cid, { dw0: SetFeaturesCommand.cdw11.get(view, base) })];
    case AdminOpcode.AsyncEventRequest:
      return []; // no event will ever come
    case AdminOpcode.KeepAlive:
      return [response(cid)];
    default:
      return [refusal(cid, Status.InvalidOpcode)];
  }
}

export const answerTo = {
  initialize: (): BareAnswer => pdus.icResp({ maxh2cdata: 1 << 20 }),

  /** @param cc the controller's configuration so far. */
  command(capsule: Uint8Array, cc: number, namespaces: number): Answered {
    const view = viewOf(capsule);
    const opc = Sqe.opc.get(view, CAPSULE_OFFSET);
    const cid = Sqe.cid.get(view, CAPSULE_OFFSET);
    if (opc === AdminOpcode.Fabrics) return fabrics(view, cid, cc);
    return { pdus: admin(view, opc, cid, namespaces), cc, isIo: false };
  },
};
