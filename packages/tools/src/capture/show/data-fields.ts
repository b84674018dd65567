// The fields of a command's data: Connect, Identify, logs. Data of I/O is not looked into.
// Read first: Base 2.0 §5.16, §5.17, §6.3; field.ts for how fields are named. Messages of authentication
// are named, and their secrets not shown.

import {
  AdminOpcode,
  AnaGroupDescriptor,
  AnaLogHeader,
  Cns,
  ConnectData,
  CrossControllerResetEntry,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  EntryLogHeader,
  ErrorLogEntry,
  Fctype,
  GetLogPageCommand,
  IdentifyCommand,
  IdentifyController,
  IdentifyNamespace,
  IdentifyNamespaceIndependent,
  LbaFormat,
  Lid,
  SmartLog,
  adrfamName,
  anaStateName,
  decodeNamespaceDescriptors,
  decodeNsidList,
  isNvmeofError,
  lbaFormatOffset,
  subtypeName,
  trtypeName,
  u32,
  u8,
  uuidText,
  versionText,
  viewOf,
} from "@nvmeof/codec";
import type { CapturedCommand } from "../nvme/command.ts";
import {
  type FieldSpec,
  type Section,
  type ShownField,
  layoutSpecs,
  sectionOf,
  shown,
  spec,
} from "./field.ts";

/** Entries of a list that are shown. */
const ENTRIES_MAX = 64;

const connectData = layoutSpecs("nvme.fabrics.cmd.connect.data", ConnectData, {
  renamed: { cntlid: "cntrlid" },
  meanings: { hostid: (bytes: Uint8Array) => uuidText(bytes) },
});

const controller = layoutSpecs("nvme.cmd.identify.ctrl", IdentifyController, {
  renamed: {
    ioccsz: "nvmeof.ioccsz",
    iorcsz: "nvmeof.iorcsz",
    icdoff: "nvmeof.icdoff",
    fcatt: "nvmeof.fcatt",
    msdbd: "nvmeof.msdbd",
    ofcs: "nvmeof.ofcs",
    icsvscc: "nvscc",
  },
  meanings: { ver: (ver: number) => versionText(ver) },
});

const namespace = [
  ...layoutSpecs("nvme.cmd.identify.ns", IdentifyNamespace, {
    renamed: { fidxl: undefined, mtelba: undefined, fidxu: undefined },
  }),
  spec("nvme.cmd.identify.ns.flbas", u8(26)),
];

const format = spec("nvme.cmd.identify.ns.lbaf", u32(0), (word) => {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, word, true);
  return `${2 ** LbaFormat.lbads.get(view)} bytes, ${LbaFormat.ms.get(view)} of metadata`;
});

const independent = layoutSpecs("nvme.cmd.identify.ns_ind", IdentifyNamespaceIndependent);

const discoveryHeader = layoutSpecs("nvme.cmd.get_logpage.identify", DiscoveryLogHeader);
const discoveryEntry = layoutSpecs("nvme.cmd.get_logpage.identify.rcrd", DiscoveryLogEntry, {
  meanings: {
    trtype: (type: number) => trtypeName(type),
    adrfam: (family: number) => adrfamName(family),
    subtype: (type: number) => subtypeName(type),
  },
});

const anaHeader = layoutSpecs("nvme.cmd.get_logpage.ana", AnaLogHeader, {
  renamed: { chgcnt: "chcnt", ngrps: "ngd" },
});
const anaGroup = layoutSpecs("nvme.cmd.get_logpage.ana.grp", AnaGroupDescriptor, {
  renamed: { anagrpid: "id", nnsids: "nns", chgcnt: "chcnt", state: "anas.state" },
  meanings: { state: (state: number) => anaStateName(state) },
});

const errorEntry = layoutSpecs("nvme.cmd.get_logpage.errinf", ErrorLogEntry, {
  renamed: { ecnt: "errcnt", p: undefined },
});
const smart = layoutSpecs("nvme.cmd.get_logpage.smart", SmartLog, {
  renamed: {
    ctemp: "ct",
    avsp: "asc",
    avspt: "ast",
    pused: "lae",
    pwrc: "pc",
    mdie: "mie",
    upl: "us",
    neile: "ele",
  },
});
const resetHeader = layoutSpecs("nvme.cmd.get_logpage.ccr", EntryLogHeader);
const resetEntry = layoutSpecs("nvme.cmd.get_logpage.ccr.entry", CrossControllerResetEntry);

/** Structures of one size, one after the other. */
function entries(
  title: string,
  view: DataView,
  from: number,
  size: number,
  specs: readonly FieldSpec[],
  count: number,
): Section[] {
  const whole = Math.floor((view.byteLength - from) / size);
  const length = Math.max(0, Math.min(count, whole, ENTRIES_MAX));
  return Array.from({ length }, (_, i) =>
    sectionOf(`${title} ${i + 1}`, view, from + i * size, specs),
  );
}

/** Decoders refuse what is damaged; then there is nothing to show. */
function listed(read: () => ShownField[], title: string): Section[] {
  try {
    return [{ title, fields: read() }];
  } catch (error) {
    if (!isNvmeofError(error)) throw error;
    return [{ title: `${title}: ${error.message}`, fields: [] }];
  }
}

function descriptors(data: Uint8Array): ShownField[] {
  return Object.entries(decodeNamespaceDescriptors(data)).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [
          shown(
            `nvme.cmd.identify.nsdesc.${name}`,
            value as number | Uint8Array,
            name === "uuid" ? uuidText(value as Uint8Array) : undefined,
          ),
        ],
  );
}

function identifyData({ sqe }: CapturedCommand, data: Uint8Array): Section[] {
  const view = viewOf(data);
  switch (IdentifyCommand.cns.get(sqe)) {
    case Cns.Controller:
      return [sectionOf("Identify Controller", view, 0, controller)];
    case Cns.Namespace: {
      if (data.length < IdentifyNamespace.size) return [];
      const formats = IdentifyNamespace.nlbaf.get(view);
      const list = entries(
        "LBA format",
        view,
        lbaFormatOffset(0),
        LbaFormat.size,
        [format],
        formats,
      );
      const fields = list.flatMap(({ fields: of }) => of);
      return [
        sectionOf("Identify Namespace", view, 0, namespace),
        { title: "LBA formats", fields },
      ];
    }
    case Cns.ActiveNamespaces:
      return listed(
        () =>
          decodeNsidList(data)
            .slice(0, ENTRIES_MAX)
            .map((nsid) => shown("nvme.cmd.identify.nslist.nsid", nsid)),
        "Active namespaces",
      );
    case Cns.NamespaceDescriptors:
      return listed(() => descriptors(data), "Namespace identifiers");
    case Cns.IndependentNamespace:
      return [sectionOf("I/O Command Set Independent Namespace", view, 0, independent)];
    default:
      return [];
  }
}

function anaData(view: DataView): Section[] {
  const sections = [sectionOf("ANA log", view, 0, anaHeader)];
  let at: number = AnaLogHeader.size;
  for (let i = 1; i <= ENTRIES_MAX && at + AnaGroupDescriptor.size <= view.byteLength; i++) {
    if (i > AnaLogHeader.ngrps.get(view)) break;
    const group = sectionOf(`ANA group ${i}`, view, at, anaGroup);
    const nsids = AnaGroupDescriptor.nnsids.get(view, at);
    at += AnaGroupDescriptor.size;
    const there = Math.min(nsids, Math.floor((view.byteLength - at) / 4));
    const shownNsids = Array.from({ length: Math.min(there, ENTRIES_MAX) }, (_, n) =>
      shown("nvme.cmd.get_logpage.ana.grp.nsid", view.getUint32(at + 4 * n, true)),
    );
    sections.push({ ...group, fields: [...group.fields, ...shownNsids] });
    at += 4 * there;
  }
  return sections;
}

function logData({ sqe }: CapturedCommand, data: Uint8Array): Section[] {
  const view = viewOf(data);
  // From the middle of a log nothing can be told.
  if (GetLogPageCommand.lpo.get(sqe) !== 0) return [];
  switch (GetLogPageCommand.lid.get(sqe)) {
    case Lid.Discovery:
      return [
        sectionOf("Discovery log", view, 0, discoveryHeader),
        ...entries(
          "Discovery entry",
          view,
          DiscoveryLogHeader.size,
          DiscoveryLogEntry.size,
          discoveryEntry,
          Infinity,
        ),
      ];
    case Lid.Ana:
      return data.length < AnaLogHeader.size ? [] : anaData(view);
    case Lid.ErrorInformation:
      return entries("Error", view, 0, ErrorLogEntry.size, errorEntry, Infinity);
    case Lid.SmartHealth:
      return [sectionOf("SMART / Health", view, 0, smart)];
    case Lid.CrossControllerReset:
      return [
        sectionOf("Cross-Controller Reset log", view, 0, resetHeader),
        ...entries(
          "Reset",
          view,
          EntryLogHeader.size,
          CrossControllerResetEntry.size,
          resetEntry,
          view.byteLength < 2 ? 0 : view.getUint16(0, true),
        ),
      ];
    default:
      return [];
  }
}

/** A message of in-band authentication: which one it is, and nothing of its values. */
function authData(view: DataView): Section[] {
  if (view.byteLength < 6) return [];
  return [
    {
      title: `Authentication message, ${view.byteLength} bytes, not shown`,
      fields: [
        shown("nvmeof.auth.type", view.getUint8(0)),
        shown("nvmeof.auth.id", view.getUint8(1)),
        shown("nvmeof.auth.t_id", view.getUint16(4, true)),
      ],
    },
  ];
}

/** The fields of a command's data, as far as they are known. */
export function dataSections(command: CapturedCommand, data: Uint8Array): Section[] {
  const { opcode, fctype, queue } = command;
  if (fctype === Fctype.Connect) {
    return [sectionOf("Connect data", viewOf(data), 0, connectData)];
  }
  if (fctype === Fctype.AuthenticationSend || fctype === Fctype.AuthenticationReceive) {
    return authData(viewOf(data));
  }
  if (fctype >= 0 || queue !== "admin") return [];
  if (opcode === AdminOpcode.Identify) return identifyData(command, data);
  return opcode === AdminOpcode.GetLogPage ? logData(command, data) : [];
}
