// Where a subsystem is: `nvme+tcp://host[:port][/<subnqn>][?nsid=1&tls=1…]`, or nvme+fc://, and back.
// Read first: README.md "Addresses".

import { checkNqn, NSID_ALL } from "@nvmeof/codec";
import { CliError } from "./errors.ts";
import { parseWhole } from "./units.ts";

/** How a subsystem is reached: NVMe/TCP, or FC between software ports. */
export type TransportType = "tcp" | "fc";

/** What an address says; what it leaves out comes from options or defaults. */
export interface Address {
  readonly transport: TransportType;
  readonly host: string;
  readonly port: number | undefined;
  readonly subsystemNqn: string | undefined;
  readonly nsid: number | undefined;
  readonly hostNqn: string | undefined;
  readonly hostId: string | undefined;
  /** tls=1 or tls=0: whether to connect by TLS. */
  readonly tls: boolean | undefined;
}

const SCHEME = "nvme+tcp://";
const FC_SCHEME = "nvme+fc://";

/** Whether only this machine can reach an address. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);

/** Whether `text` means a namespace or subsystem, and not a file. */
export const isUri = (text: string): boolean => /^nvme\+\w+:\/\//i.test(text);

/** Names in a query whose values nobody should see. */
const secret = /secret|key|psk|pass|token/i;

/** Longer ones are cut where they are repeated. */
const SHOWN_MAX = 300;

/** An address as it may be repeated: whatever looks like a secret is left out, wherever it stands. */
export function withoutSecrets(text: string): string {
  const shown = text
    .replace(/\/\/[^/?#]*@/, "//…@")
    .replace(/([?&])([^=&#]*)=([^&#]*)/g, (all, mark: string, name: string) =>
      secret.test(name) ? `${mark}${name}=…` : all,
    );
  return shown.length > SHOWN_MAX ? `${shown.slice(0, SHOWN_MAX)}…` : shown;
}

const refuse = (text: string, why: string, hint?: string): CliError =>
  new CliError("NVME_ERR_ADDRESS", `${withoutSecrets(text)}: ${why}`, {
    hint: hint ?? "Addresses look like nvme+tcp://192.0.2.10:4420/nqn.2024-01.com.example:disk1.",
  });

const pattern =
  /^nvme\+(tcp|fc):\/\/(?:([^@/?#]*)@)?(\[[^\]]*\]|[^:/?#[\]]*)(?::([^/?#]*))?(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/i;

/** @throws CliError NVME_ERR_ADDRESS saying what is wrong with it. */
export function parseAddress(text: string): Address {
  const match = pattern.exec(text);
  if (match === null) throw refuse(text, whyNoMatch(text), hintNoMatch(text));
  const [, scheme = "tcp", user, host = "", portText, path = "", query = "", fragment] = match;
  // With a bracket out of place, the rest of a password looks like a port.
  if (user !== undefined || portText?.includes("@") === true) {
    const hint = "Secrets and names do not belong in addresses, which others can read.";
    throw refuse(text, "it has a user or a password", hint);
  }
  if (fragment !== undefined) throw refuse(text, "# has no meaning here; write %23 in a name");
  const port = portText === undefined ? undefined : portOf(text, portText);
  if (host === "") throw refuse(text, "the host is missing");
  const { nsid, hostnqn, hostid, tls } = queryOf(text, query);
  const subsystemNqn = decoded(text, path);
  return {
    transport: scheme.toLowerCase() === "fc" ? "fc" : "tcp",
    host: hostOf(text, host),
    port,
    subsystemNqn: subsystemNqn === "" ? undefined : nqnOf(text, subsystemNqn),
    nsid: nsid === undefined ? undefined : nsidOf(text, nsid),
    hostNqn: hostnqn === undefined ? undefined : nqnOf(text, hostnqn),
    hostId: hostid,
    tls: tls === undefined ? undefined : tlsOf(text, tls),
  };
}

function whyNoMatch(text: string): string {
  const [, scheme] = /^([a-z][\w+.-]*):\/\//i.exec(text) ?? [];
  if (scheme === undefined) return `it does not begin with ${SCHEME}`;
  if (/^nvme\+(tcp|fc)$/i.test(scheme)) return "it is not host[:port][/subsystem][?nsid=n]";
  return `${scheme} is not a transport that is known; ${SCHEME} and ${FC_SCHEME} are`;
}

/** What may have been meant by what is no URI at all. */
function hintNoMatch(text: string): string | undefined {
  if (text.startsWith("/dev/")) {
    return "There are no devices of the kernel here: say where the subsystem is, nvme+tcp://host:port/nqn…";
  }
  const looksLikeHost = /^[\w.-]+(:\d+)?(\/nqn[^/]*)?$/.test(text);
  return looksLikeHost && text.length < SHOWN_MAX ? `Did you mean ${SCHEME}${text}?` : undefined;
}

function hostOf(text: string, host: string): string {
  if (!host.startsWith("[")) return decoded(text, host);
  const inner = decoded(text, host.slice(1, -1));
  if (/^[\da-f:.]+(%[\w.-]+)?$/i.test(inner) && inner.includes(":")) return inner;
  throw refuse(text, `[${inner}] is not an IPv6 address`);
}

function portOf(text: string, port: string): number {
  try {
    return parseWhole(port, 1, 65_535);
  } catch {
    const hint = /\/\/[^/]*:[^/]*:/.test(text)
      ? "An IPv6 address stands in brackets: nvme+tcp://[::1]:4420."
      : "A port is a number from 1 to 65535; targets usually listen at 4420.";
    throw refuse(text, `"${port}" is not a port`, hint);
  }
}

const nsidOf = (text: string, nsid: string): number => {
  try {
    return parseWhole(nsid, 1, NSID_ALL - 1);
  } catch {
    throw refuse(text, `"${nsid}" is not a namespace ID`);
  }
};

function nqnOf(text: string, nqn: string): string {
  try {
    return checkNqn(nqn);
  } catch (error) {
    throw refuse(text, (error as Error).message);
  }
}

function decoded(text: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refuse(
      text,
      "a % is not followed by two hexadecimal digits",
      "Write %25 for a % itself.",
    );
  }
}

function tlsOf(text: string, tls: string): boolean {
  if (tls === "1" || tls === "0") return tls === "1";
  throw refuse(text, `"${tls}" says neither that TLS is wanted (1) nor that it is not (0)`);
}

const queryNames = ["nsid", "hostnqn", "hostid", "tls"] as const;
type QueryName = (typeof queryNames)[number];
const isQueryName = (name: string): name is QueryName =>
  (queryNames as readonly string[]).includes(name);

function queryOf(text: string, query: string): Partial<Record<QueryName, string>> {
  const found: Partial<Record<QueryName, string>> = {};
  for (const part of query.split("&").filter((each) => each !== "")) {
    const [name = "", value = ""] = part.split(/=(.*)/s);
    if (secret.test(name)) {
      const hint = "Secrets do not belong in addresses, which others can read.";
      throw refuse(text, `${name} is a secret`, hint);
    }
    if (!isQueryName(name)) {
      throw refuse(text, `"${name}" is not known; nsid, hostnqn, hostid and tls are`);
    }
    found[name] = decoded(text, value);
  }
  return found;
}

const bracketed = (host: string): string =>
  host.includes(":") ? `[${host.replace("%", "%25")}]` : host;

/** The parts of an address that may be in its text. */
export type AddressParts = Pick<Address, "host"> & Partial<Address>;

/** The address as text that `parseAddress` reads back. */
export function formatAddress(parts: AddressParts): string {
  const { transport, host, port, subsystemNqn, nsid, tls } = parts;
  const scheme = transport === "fc" ? FC_SCHEME : SCHEME;
  const at = port === undefined ? bracketed(host) : `${bracketed(host)}:${port}`;
  const path =
    subsystemNqn === undefined ? "" : `/${encodeURI(subsystemNqn).replace(/[?#]/g, escape)}`;
  const query = [
    ...(nsid === undefined ? [] : [`nsid=${nsid}`]),
    ...(tls === undefined ? [] : [`tls=${tls ? 1 : 0}`]),
  ].join("&");
  return `${scheme}${at}${path}${query === "" ? "" : `?${query}`}`;
}

const escape = (character: string): string => encodeURIComponent(character);

/** "127.0.0.1:4420", "[::1]:4420": an address to listen on; port 0 is any that is free. */
export function parseListen(text: string): { readonly host: string; readonly port: number } {
  const [, bracket, name, port = ""] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text) ?? [];
  const host = bracket ?? name;
  if (host === undefined || Number(port) > 65_535) {
    throw new CliError("NVME_ERR_ADDRESS", `"${text}" is not HOST:PORT`, {
      hint: "Write it as 127.0.0.1:4420 or [::1]:4420; port 0 is any that is free.",
    });
  }
  return { host, port: Number(port) };
}
