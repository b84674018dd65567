// `list`: the namespaces of a subsystem.

import type { ControllerHandle, HostIdentity, NamespaceFacts } from "@nvmeof/core";
import { hexText, uuidText } from "@nvmeof/codec";
import { formatAddress } from "../address.ts";
import type { Verb } from "../context.ts";
import { hostIdentity } from "../identity.ts";
import type { TargetOptions } from "../options.ts";
import { withController } from "../session.ts";
import type { Style } from "../style.ts";
import { type Column, table } from "../table.ts";
import { type Endpoint, subsystemEndpoint } from "../target-options.ts";
import { formatBinary, formatBytes } from "../units.ts";

const bytesOf = ({ identify, format }: NamespaceFacts): bigint =>
  identify.nsze * BigInt(format.blockBytes);

function identityOf({ identifiers, identify }: NamespaceFacts): string {
  const isSet = (bytes: Uint8Array | undefined): bytes is Uint8Array =>
    bytes?.some((byte) => byte !== 0) === true;
  if (isSet(identifiers.uuid)) return `uuid ${uuidText(identifiers.uuid)}`;
  const nguid = identifiers.nguid ?? identify.nguid;
  if (isSet(nguid)) return `nguid ${hexText(nguid)}`;
  const eui64 = identifiers.eui64 ?? identify.eui64;
  return isSet(eui64) ? `eui64 ${hexText(eui64)}` : "-";
}

async function namespacesOf(handle: ControllerHandle): Promise<NamespaceFacts[]> {
  const found: NamespaceFacts[] = [];
  for (const nsid of await handle.namespaceIds()) {
    found.push(await handle.namespace(nsid));
  }
  return found;
}

const columns = (endpoint: Endpoint, verbose: boolean): readonly Column<NamespaceFacts>[] => [
  { title: "NSID", value: ({ nsid }) => String(nsid), align: "right" },
  { title: "Size", value: (facts) => formatBytes(bytesOf(facts)), align: "right" },
  ...(verbose
    ? [{ title: "", value: (facts: NamespaceFacts) => formatBinary(Number(bytesOf(facts))) }]
    : []),
  { title: "Block", value: ({ format }) => String(format.blockBytes), align: "right" },
  { title: "Identity", value: identityOf, drop: 2 },
  { title: "Path", value: () => `tcp ${endpoint.host}:${endpoint.port}`, drop: 1 },
];

export const run: Verb<TargetOptions> = async (context, options, uri?: string) => {
  const endpoint = subsystemEndpoint(uri, options);
  const { result } = await withController(
    context,
    endpoint,
    { ...options, nrIoQueues: 0 },
    async (handle) => ({
      namespaces: await namespacesOf(handle),
      controller: handle.facts,
    }),
  );
  const { namespaces, controller } = result;
  const data = {
    subnqn: controller.identify.subnqn,
    model: controller.identify.mn,
    serial: controller.identify.sn,
    namespaces: namespaces.map((each) => ({
      nsid: each.nsid,
      sizeBytes: bytesOf(each),
      blockBytes: each.format.blockBytes,
      blockCount: each.identify.nsze,
      identity: identityOf(each),
      uri: formatAddress({ ...endpoint, nsid: each.nsid }),
    })),
  };
  const verbose = (options.verbose ?? 0) > 0;
  const text = (style: Style): string =>
    namespaces.length === 0
      ? "no namespaces\n"
      : table(columns(endpoint, verbose), namespaces, style);
  if (!verbose) return { data, text, compat: () => compatList(endpoint, result) };
  // It was looked up to connect, and whatever there is to warn of was warned of then.
  const named = { hostnqn: endpoint.hostNqn, hostid: endpoint.hostId };
  const host = await hostIdentity(named, context.io.env, () => {});
  return { data, text, compat: () => compatTree(endpoint, result, host) };
};

interface Found {
  readonly namespaces: readonly NamespaceFacts[];
  readonly controller: ControllerHandle["facts"];
}

const identityNames = ({ identify }: Found["controller"]): object => ({
  Firmware: identify.fr,
  ModelNumber: identify.mn,
  SerialNumber: identify.sn,
});

const sizes = (each: NamespaceFacts): object => ({
  UsedBytes: Number(each.identify.nuse) * each.format.blockBytes,
  MaximumLBA: Number(each.identify.nsze),
  PhysicalSize: Number(bytesOf(each)),
  SectorSize: each.format.blockBytes,
});

/** `list -o json` of nvme-cli: our addresses stand for its devices. */
const compatList = (endpoint: Endpoint, found: Found): object => ({
  Devices: found.namespaces.map((each) => {
    const DevicePath = formatAddress({ ...endpoint, nsid: each.nsid });
    const names = identityNames(found.controller);
    return { NameSpace: each.nsid, DevicePath, GenericPath: DevicePath, ...names, ...sizes(each) };
  }),
});

/** `list -v -o json`. */
function compatTree(
  endpoint: Endpoint,
  { namespaces, controller }: Found,
  { hostNqn, hostId }: HostIdentity,
): object {
  const { identify, cntlid } = controller;
  const own = namespaces.map((each) => ({
    NameSpace: formatAddress({ ...endpoint, nsid: each.nsid }),
    NSID: each.nsid,
    ...sizes(each),
  }));
  const path = {
    Controller: "nvme0",
    Cntlid: String(cntlid),
    ...identityNames(controller),
    Transport: endpoint.transport,
    Address: `traddr=${endpoint.host},trsvcid=${endpoint.port}`,
    Namespaces: own,
    Paths: [],
  };
  const subsystem = {
    Subsystem: "nvme-subsys0",
    SubsystemNQN: identify.subnqn,
    Controllers: [path],
    Namespaces: own,
  };
  return { Devices: [{ HostNQN: hostNqn, HostID: hostId, Subsystems: [subsystem] }] };
}
