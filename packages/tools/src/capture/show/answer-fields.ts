// The fields of a completion queue entry, with what its result means for the command that it answers.
// Read first: Base 2.0 §3.3.3.2 "Common Completion Queue Entry"; field.ts for how fields are named.

import {
  AdminOpcode,
  AsyncEvent,
  Cap,
  Cc,
  Cqe,
  Csts,
  Fctype,
  Fid,
  GetFeaturesCommand,
  Property,
  PropertyGetCommand,
  SetFeaturesCommand,
  Vs,
  asyncEventName,
  bits,
  cqeStatus,
  describeStatus,
  u16,
  u32,
  versionText,
} from "@nvmeof/codec";
import type { CapturedCommand } from "../nvme/command.ts";
import { type FieldSpec, type ShownField, addFields, layoutSpecs, shown, spec } from "./field.ts";

const common: readonly FieldSpec[] = [
  spec("nvme.cqe.sqhd", Cqe.sqhd),
  spec("nvme.cqe.sqid", Cqe.sqid),
  spec("nvme.cqe.cid", Cqe.cid),
];

const statusParts: readonly FieldSpec[] = [
  spec("nvme.cqe.status.sc", Cqe.sc),
  spec("nvme.cqe.status.sct", Cqe.sct),
  spec("nvme.cqe.status.crd", Cqe.crd),
  spec("nvme.cqe.status.m", Cqe.m),
  spec("nvme.cqe.status.dnr", Cqe.dnr),
];

const dwords: readonly FieldSpec[] = [
  spec("nvme.cqe.dword0", Cqe.dw0),
  spec("nvme.cqe.dword1", Cqe.dw1),
];

const connect: readonly FieldSpec[] = [
  spec("nvme.fabrics.cqe.connect.cntrlid", u16(0)),
  spec("nvme.fabrics.cqe.connect.authreq", u16(2), (authreq) =>
    (authreq & 6) === 0 ? undefined : "authentication required",
  ),
];

const result = u32(0);
const nothing: readonly FieldSpec[] = [
  spec("nvme.fabrics.cqe.connect.ipo", bits(result, 0, 16)),
  spec("nvme.fabrics.cqe.connect.iattr", bits(result, 16, 1)),
];

/** Properties that have a name for each of their parts. */
const properties: Readonly<Record<number, readonly FieldSpec[]>> = {
  [Property.Cap]: layoutSpecs("nvme.fabrics.prop_get.ccap", Cap, {
    renamed: {
      ams: undefined,
      ncss: undefined,
      iocss: undefined,
      noiocss: undefined,
      cps: undefined,
      nsss: undefined,
      crwms: undefined,
      crims: undefined,
    },
  }),
  [Property.Vs]: [
    spec("nvme.fabrics.prop_get.vs", u32(0), versionText),
    ...layoutSpecs("nvme.fabrics.prop_get.vs", Vs),
  ],
  [Property.Cc]: [
    spec("nvme.fabrics.prop_get_set.cc", u32(0)),
    ...layoutSpecs("nvme.fabrics.prop_get_set.cc", Cc, { renamed: { crime: undefined } }),
  ],
  [Property.Csts]: [
    spec("nvme.fabrics.prop_get_set.csts", u32(0)),
    ...layoutSpecs("nvme.fabrics.prop_get_set.csts", Csts, { renamed: { st: undefined } }),
  ],
};

/** The fields of a property's value, where they have names. */
export const propertySpecs = (ofst: number): readonly FieldSpec[] => properties[ofst] ?? [];

const dword1 = spec("nvme.cqe.dword1", Cqe.dw1);

const count = (value: number): string => String(value + 1);

const queuesGranted: readonly FieldSpec[] = [
  spec("nvme.cqe.dword0.set_features.nq.nsqa", u16(0), count),
  spec("nvme.cqe.dword0.set_features.ncqa", u16(2), count),
];

const asyncEvent: readonly FieldSpec[] = [
  spec("nvme.cqe.dword0.aev", u32(0), (dword) => asyncEventName(dword & 7, (dword >>> 8) & 0xff)),
  spec("nvme.cqe.dword0.aev.aet", AsyncEvent.aet),
  spec("nvme.cqe.dword0.aev.aei", AsyncEvent.aei),
  spec("nvme.cqe.dword0.aev.lpi", AsyncEvent.lid),
];

function adminSpecs({ opcode, sqe }: CapturedCommand): readonly FieldSpec[] {
  switch (opcode) {
    case AdminOpcode.SetFeatures:
      return SetFeaturesCommand.fid.get(sqe) === Fid.NumberOfQueues
        ? [...queuesGranted, dword1]
        : dwords;
    case AdminOpcode.GetFeatures:
      return GetFeaturesCommand.fid.get(sqe) === Fid.KeepAliveTimer
        ? [...dwords, spec("nvme.cqe.dword0.get_features.kat.kato", u32(0), (ms) => `${ms} ms`)]
        : dwords;
    case AdminOpcode.AsyncEventRequest:
      return [...asyncEvent, dword1];
    default:
      return dwords;
  }
}

function resultSpecs(command: CapturedCommand | undefined, status: number): readonly FieldSpec[] {
  if (command === undefined) return dwords;
  const { fctype, sqe, queue } = command;
  if (fctype === Fctype.Connect) return status === 0 ? connect : nothing;
  if (fctype === Fctype.PropertyGet) {
    return status === 0 ? propertySpecs(PropertyGetCommand.ofst.get(sqe)) : dwords;
  }
  return status === 0 && queue === "admin" && fctype < 0 ? adminSpecs(command) : dwords;
}

/** The fields of the CQE at `base`. */
export function answerFields(
  view: DataView,
  base: number,
  command: CapturedCommand | undefined,
): ShownField[] {
  const status = cqeStatus.get(view, base);
  const { name } = describeStatus(status, { fabrics: (command?.fctype ?? -1) >= 0 });
  const fields: ShownField[] = [];
  addFields(fields, view, base, resultSpecs(command, status));
  addFields(fields, view, base, common);
  fields.push(shown("nvme.cqe.status", view.getUint16(base + 14, true), name));
  addFields(fields, view, base, statusParts);
  return fields;
}
