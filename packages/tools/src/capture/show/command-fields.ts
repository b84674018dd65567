// The fields of a submission queue entry, by the command that it is.
// Read first: Base 2.0 §3.3.3.1 "Common Command Format", §5, §6; field.ts for how fields are named.

import {
  AdminOpcode,
  AuthReceiveCommand,
  AuthSendCommand,
  Cns,
  ConnectCommand,
  Fctype,
  FeatureSelect,
  Fid,
  GetFeaturesCommand,
  GetLogPageCommand,
  IdentifyCommand,
  Lid,
  NvmOpcode,
  OPC_FABRICS,
  Property,
  PropertyGetCommand,
  PropertySetCommand,
  RwCommand,
  SetFeaturesCommand,
  SglId,
  Sqe,
  bits,
  nameIn,
  u16,
  u32,
  u8,
} from "@nvmeof/codec";
import type { CapturedCommand } from "../nvme/command.ts";
import { propertySpecs } from "./answer-fields.ts";
import {
  type FieldSpec,
  type Section,
  type ShownField,
  counted,
  layoutSpecs,
  sectionOf,
  spec,
} from "./field.ts";

const sglTexts: Readonly<Record<number, string>> = {
  [SglId.InCapsule]: "data in the capsule",
  [SglId.Transport]: "data by the transport",
};

const sgl: readonly FieldSpec[] = [
  spec("nvme.cmd.sgl.type", bits(u8(39), 4, 4)),
  spec("nvme.cmd.sgl.subtype", bits(u8(39), 0, 4)),
  spec("nvme.cmd.sgl1.id", Sqe.sglId, (id) => sglTexts[id]),
  spec("nvme.cmd.sgl1.addr", Sqe.sglAddress),
  spec("nvme.cmd.sgl1.len", Sqe.sglLength),
];

const common: readonly FieldSpec[] = [
  spec("nvme.cmd.opc", Sqe.opc),
  spec("nvme.cmd.fuse_op", Sqe.fuse),
  spec("nvme.cmd.psdt", Sqe.psdt),
  spec("nvme.cmd.cid", Sqe.cid),
  spec("nvme.cmd.nsid", Sqe.nsid),
  spec("nvme.cmd.mptr", Sqe.mptr),
  ...sgl,
];

const dword = (number: number): FieldSpec => spec(`nvme.cmd.dword${number}`, u32(4 * number));
const dwords: readonly FieldSpec[] = [10, 11, 12, 13, 14, 15].map(dword);

const identify: readonly FieldSpec[] = [
  spec("nvme.cmd.identify.dword10.cns", IdentifyCommand.cns, (cns) => nameIn(Cns, cns)),
  spec("nvme.cmd.identify.dword10.cntid", IdentifyCommand.cntid),
  spec("nvme.cmd.identify.dwrod11.nvmesetid", IdentifyCommand.cnssid),
  spec("nvme.cmd.identify.dword11.csi", IdentifyCommand.csi),
  dword(12),
  dword(13),
  spec("nvme.cmd.identify.dword14.uuid_index", IdentifyCommand.uidx),
  dword(15),
];

const getLogPage: readonly FieldSpec[] = [
  spec("nvme.cmd.get_logpage.dword10.id", GetLogPageCommand.lid, (lid) => nameIn(Lid, lid)),
  spec("nvme.cmd.get_logpage.dword10.lsp", bits(u8(41), 0, 4)),
  spec("nvme.cmd.get_logpage.dword10.rae", GetLogPageCommand.rae),
  spec("nvme.cmd.get_logpage.numd", GetLogPageCommand.numd, (dwords) => `${4 * dwords} bytes`),
  spec("nvme.cmd.get_logpage.dword11.lsi", GetLogPageCommand.lsi),
  spec("nvme.cmd.get_logpage.lpo", GetLogPageCommand.lpo),
  dword(13),
  dword(15),
];

const setFeatures: readonly FieldSpec[] = [
  spec("nvme.cmd.set_features.dword10.fid", SetFeaturesCommand.fid, (fid) => nameIn(Fid, fid)),
  spec("nvme.cmd.set_features.dword10.sv", SetFeaturesCommand.sv),
];

/** Behind the value of a feature. */
const featureRest: readonly FieldSpec[] = [
  dword(12),
  dword(13),
  spec("nvme.cmd.set_features.dword14.uuid", SetFeaturesCommand.uidx),
  dword(15),
];

const count = (value: number): string => String(value + 1);

/** What CDW11 of Set Features says, by feature. */
const featureValues: Readonly<Record<number, readonly FieldSpec[]>> = {
  [Fid.NumberOfQueues]: [
    spec("nvme.cmd.set_features.dword11.nq.nsqr", u16(44), count),
    spec("nvme.cmd.set_features.dword11.nq.ncqr", u16(46), count),
  ],
  [Fid.KeepAliveTimer]: [
    spec("nvme.cmd.set_features.dword11.kat.kato", u32(44), (ms) => `${ms} ms`),
  ],
  [Fid.AsyncEventConfiguration]: [
    spec("nvme.cmd.set_features.dword11.aec.smart", bits(u32(44), 0, 8)),
    spec("nvme.cmd.set_features.dword11.aec.ns", bits(u32(44), 8, 1)),
    spec("nvme.cmd.set_features.dword11.aec.fwa", bits(u32(44), 9, 1)),
    spec("nvme.cmd.set_features.dword11.aec.tel", bits(u32(44), 10, 1)),
    spec("nvme.cmd.set_features.dword11.aec.ana", bits(u32(44), 11, 1)),
    spec("nvme.cmd.set_features.dword11.aec.disc", bits(u32(44), 31, 1)),
  ],
  [Fid.VolatileWriteCache]: [spec("nvme.cmd.set_features.dword11.vwce.wce", bits(u32(44), 0, 1))],
};

const getFeatures: readonly FieldSpec[] = [
  spec("nvme.cmd.get_features.dword10.fid", GetFeaturesCommand.fid, (fid) => nameIn(Fid, fid)),
  spec("nvme.cmd.get_features.dword10.sel", GetFeaturesCommand.sel, (sel) =>
    nameIn(FeatureSelect, sel),
  ),
];

const readWrite: readonly FieldSpec[] = [
  spec("nvme.cmd.slba", RwCommand.slba),
  counted("nvme.cmd.nlb", RwCommand.nlb),
  spec("nvme.cmd.prinfo", RwCommand.prinfo),
  spec("nvme.cmd.fua", RwCommand.fua),
  spec("nvme.cmd.lr", RwCommand.lr),
];

const usesBlocks: ReadonlySet<number> = new Set([
  NvmOpcode.Read,
  NvmOpcode.Write,
  NvmOpcode.Compare,
  NvmOpcode.WriteZeroes,
  NvmOpcode.WriteUncorrectable,
  NvmOpcode.Verify,
]);

function adminSpecs(opcode: number, view: DataView, base: number): readonly FieldSpec[] {
  switch (opcode) {
    case AdminOpcode.Identify:
      return identify;
    case AdminOpcode.GetLogPage:
      return getLogPage;
    case AdminOpcode.SetFeatures:
      return [
        ...setFeatures,
        ...(featureValues[SetFeaturesCommand.fid.get(view, base)] ?? [dword(11)]),
        ...featureRest,
      ];
    case AdminOpcode.GetFeatures:
      return getFeatures;
    default:
      return dwords;
  }
}

const fabrics: readonly FieldSpec[] = [
  spec("nvme.fabrics.cmd.opc", Sqe.opc),
  spec("nvme.fabrics.cmd.cid", Sqe.cid),
  spec("nvme.fabrics.cmd.fctype", u8(4), (fctype) => nameIn(Fctype, fctype)),
];

const connect: readonly FieldSpec[] = [
  ...sgl,
  spec("nvme.fabrics.cmd.connect.recfmt", ConnectCommand.recfmt),
  spec("nvme.fabrics.cmd.connect.qid", ConnectCommand.qid),
  spec("nvme.fabrics.cmd.connect.sqsize", ConnectCommand.sqsize, (entries) => `${entries} entries`),
  spec("nvme.fabrics.cmd.connect.cattr", u8(46)),
  spec("nvme.fabrics.cmd.connect.cattr.pc", ConnectCommand.prioclass),
  spec("nvme.fabrics.cmd.connect.cattr.dfc", ConnectCommand.dsqfc),
  spec("nvme.fabrics.cmd.connect.cattr.dioq", ConnectCommand.iosqdel),
  spec("nvme.fabrics.cmd.connect.kato", ConnectCommand.kato, (ms) => `${ms} ms`),
];

const propertyName = (ofst: number): string => nameIn(Property, ofst).toUpperCase();

const property: readonly FieldSpec[] = [
  spec("nvme.fabrics.cmd.prop_get_set.attrib", u8(40)),
  spec("nvme.fabrics.cmd.prop_get_set.attrib.size", PropertyGetCommand.attrib),
  spec("nvme.fabrics.cmd.prop_get_set.offset", PropertyGetCommand.ofst, propertyName),
];

const auth: readonly FieldSpec[] = [
  ...sgl,
  ...layoutSpecs("nvme.fabrics.cmd.auth", {
    spsp0: AuthSendCommand.spsp0,
    spsp1: AuthSendCommand.spsp1,
    secp: AuthSendCommand.secp,
  }),
];

function fabricsSpecs(fctype: number): readonly FieldSpec[] {
  switch (fctype) {
    case Fctype.Connect:
      return connect;
    case Fctype.PropertyGet:
      return property;
    case Fctype.PropertySet:
      return property;
    case Fctype.AuthenticationSend:
      return [...auth, spec("nvme.fabrics.cmd.auth.al", AuthSendCommand.tl)];
    case Fctype.AuthenticationReceive:
      return [...auth, spec("nvme.fabrics.cmd.auth.al", AuthReceiveCommand.al)];
    case Fctype.Disconnect:
      return [spec("nvme.fabrics.cmd.disconnect.recfmt", ConnectCommand.recfmt)];
    default:
      return dwords;
  }
}

/** What Property Set writes. */
function propertyValue(view: DataView, base: number): readonly ShownField[] {
  const specs = propertySpecs(PropertySetCommand.ofst.get(view, base));
  const plain = spec("nvme.fabrics.prop_get_set.data.8B", PropertySetCommand.value);
  return specs.length === 0
    ? sectionOf("", view, base, [plain]).fields
    : sectionOf("", view, base + VALUE_OFFSET, specs).fields;
}

/** All that an I/O command has; made once, since a capture has many of them. */
const ioSpecs: readonly FieldSpec[] = [...common, ...dwords];
const readWriteSpecs: readonly FieldSpec[] = [...common, ...readWrite, ...dwords];

/** Where the value of Property Set lies in the SQE. */
const VALUE_OFFSET = PropertySetCommand.value.offset;

/** The fields of the SQE at `base`. */
export function commandSections(
  view: DataView,
  base: number,
  command: CapturedCommand | undefined,
): Section[] {
  const opcode = Sqe.opc.get(view, base);
  const title = command?.name ?? "Command";
  if (opcode === OPC_FABRICS) {
    const fctype = view.getUint8(base + 4);
    const { fields } = sectionOf(title, view, base, [...fabrics, ...fabricsSpecs(fctype)]);
    const value = fctype === Fctype.PropertySet ? propertyValue(view, base) : [];
    return [{ title, fields: [...fields, ...value] }];
  }
  const specs =
    command?.queue === "admin"
      ? [...common, ...adminSpecs(opcode, view, base)]
      : usesBlocks.has(opcode)
        ? readWriteSpecs
        : ioSpecs;
  return [sectionOf(title, view, base, specs)];
}
