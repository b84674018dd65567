// DH-HMAC-CHAP on the command line: options of hosts, and of `serve`, and what is made of them.
// Read first: secrets.ts; README.md "Authentication".

import { checkNqn } from "@nvmeof/codec";
import {
  type AuthHashName,
  DhGroup,
  type DhGroupName,
  DhchapKey,
  DhchapKeyError,
  authHashName,
  authHashNames,
  dhGroupName,
  dhGroupNames,
} from "@nvmeof/codec/auth";
import type { AuthResult, Authentication } from "@nvmeof/core";
import { dhchap } from "@nvmeof/core/node";
import type { AllowedHost } from "@nvmeof/target";
import { Option } from "commander";
import type { Context } from "./context.ts";
import { CliError, usage } from "./errors.ts";
import { type SecretText, refusedSecret, secretText } from "./secrets.ts";
import { parseDuration } from "./units.ts";

const HOST_FILE = "--dhchap-secret-file";
const CONTROLLER_FILE = "--dhchap-ctrl-secret-file";
const HOST_VARIABLE = "NVMEOF_DHCHAP_SECRET";
const CONTROLLER_VARIABLE = "NVMEOF_DHCHAP_CTRL_SECRET";

/** What both sides have. */
export interface AlgorithmOptions {
  readonly dhchapDigests?: readonly AuthHashName[];
  readonly dhchapDhgroups?: readonly DhGroupName[];
}

/** Options of a host. */
export interface AuthenticationOptions extends AlgorithmOptions {
  readonly dhchapSecretFile?: string;
  readonly dhchapCtrlSecretFile?: string;
  readonly dhchapRepeat?: number;
}

/** Options of `serve`: files of one host, or of all that have none of their own. */
export interface HostSecretOptions extends AlgorithmOptions {
  readonly dhchapSecretFile?: readonly HostFile[];
  readonly dhchapCtrlSecretFile?: readonly HostFile[];
}

/** A file, and the host it is about; undefined for all hosts that have none of their own. */
export interface HostFile {
  readonly nqn: string | undefined;
  readonly file: string;
}

/** Names with commas between; what is wrong is told with the option. */
const listed =
  <T extends string>(option: string, names: Readonly<Record<T, number>>) =>
  (text: string): readonly T[] =>
    text.split(",").map((name) => {
      if (Object.hasOwn(names, name)) return name as T;
      throw usage(`${option}: "${name}" is none of ${Object.keys(names).join(", ")}`);
    });

/** An option that may be given again and again. */
function repeated(flags: string, text: string, parse: (value: string) => HostFile): Option {
  const values: HostFile[] = [];
  return new Option(flags, text).argParser((value: string) => {
    values.push(parse(value));
    return values;
  });
}

const algorithmOptions = (): Option[] => [
  new Option("--dhchap-digests <list>", "hashes to accept: sha256,sha384,sha512").argParser(
    listed("--dhchap-digests", authHashNames),
  ),
  new Option("--dhchap-dhgroups <list>", "DH groups to accept: null,ffdhe2048, …").argParser(
    listed("--dhchap-dhgroups", dhGroupNames),
  ),
];

/** Options that would have a secret in an argument; the names are those of nvme-cli, old and new. */
const refusing = (): Option[] => {
  const way = (option: string): string =>
    `Put it into a file that only you can read, and give ${option} FILE; - is stdin.`;
  return [
    refusedSecret(new Option("-S, --dhchap-secret <key>"), way(HOST_FILE)),
    refusedSecret(new Option("-C, --dhchap-ctrl-secret <key>"), way(CONTROLLER_FILE)),
    refusedSecret(new Option("--kxchap-secret <key>"), way(HOST_FILE)),
    refusedSecret(new Option("--kxchap-ctrl-secret <key>"), way(CONTROLLER_FILE)),
  ];
};

/** Options of verbs that connect. */
export const authenticationOptions = (): Option[] =>
  [
    new Option(`${HOST_FILE} <file>`, `file with the host's secret; else $${HOST_VARIABLE}`),
    new Option(
      `${CONTROLLER_FILE} <file>`,
      `file with the controller's: it has to prove itself; else $${CONTROLLER_VARIABLE}`,
    ),
    ...algorithmOptions(),
    new Option("--dhchap-repeat <duration>", "authenticate again every so often (1m)").argParser(
      (text) => parseDuration(text),
    ),
    ...refusing(),
  ].map((option) => option.helpGroup("Authentication (DH-HMAC-CHAP):"));

/** `nqn…=file`, or a file alone. The last equals sign separates: a file seldom has one. */
function hostFile(text: string): HostFile {
  const at = text.lastIndexOf("=");
  if (!text.startsWith("nqn.") || at === -1) return { nqn: undefined, file: text };
  return { nqn: checkNqn(text.slice(0, at)), file: text.slice(at + 1) };
}

/** Options of `serve`. */
export const hostSecretOptions = (): Option[] =>
  [
    repeated(
      `${HOST_FILE} <[nqn=]file>`,
      "let this host connect, and have it prove that it has the secret; without nqn=: all of --allow-host",
      hostFile,
    ),
    repeated(
      `${CONTROLLER_FILE} <[nqn=]file>`,
      "the secret by which this target proves to the host who it is",
      hostFile,
    ),
    ...algorithmOptions(),
    ...refusing(),
  ].map((option) => option.helpGroup("Authentication (DH-HMAC-CHAP):"));

/** Reads a secret; what is wrong with it is told with where it is from. One line end may be behind it. */
export function readKey({ text, from }: SecretText): DhchapKey {
  try {
    return DhchapKey.parse(text.replace(/\r?\n$/, ""));
  } catch (error) {
    if (!(error instanceof DhchapKeyError)) throw error;
    const { message, hint } = error;
    throw new CliError("NVME_ERR_AUTH_KEY", `${from}: ${message}`, { hint });
  }
}

/** What was found already: stdin can be read once, and several paths have one secret. */
const found = new WeakMap<object, Promise<Authentication | undefined>>();

/** What a host authenticates with; undefined where it has no secret. */
export function authenticationOf(
  context: Context,
  options: AuthenticationOptions,
): Promise<Authentication | undefined> {
  const known = found.get(options) ?? findAuthentication(context, options);
  found.set(options, known);
  return known;
}

async function findAuthentication(
  context: Context,
  options: AuthenticationOptions,
): Promise<Authentication | undefined> {
  const { dhchapSecretFile, dhchapCtrlSecretFile, dhchapRepeat: repeatMs } = options;
  if (dhchapSecretFile === "-" && dhchapCtrlSecretFile === "-") {
    throw usage("there is one stdin, and two secrets are to come from it");
  }
  const ofHost = { what: "secret", file: dhchapSecretFile, variable: HOST_VARIABLE };
  const ofController = {
    what: "secret",
    file: dhchapCtrlSecretFile,
    variable: CONTROLLER_VARIABLE,
  };
  const host = await secretText(ofHost, context);
  const controller = await secretText(ofController, context);
  if (host === undefined) {
    if (controller === undefined) return undefined;
    throw usage(
      "a controller proves who it is only to a host that does so, too",
      `Give the host's secret as well: ${HOST_FILE}.`,
    );
  }
  return dhchap({
    hostKey: readKey(host),
    controllerKey: controller && readKey(controller),
    hashes: options.dhchapDigests,
    groups: options.dhchapDhgroups,
    repeatMs,
  });
}

/** The hosts that may connect to `serve`; undefined where none is named. */
export async function allowedHostsOf(
  context: Context,
  options: HostSecretOptions & { readonly allowHost?: readonly string[] | undefined },
): Promise<readonly AllowedHost[] | undefined> {
  const { allowHost = [], dhchapSecretFile = [], dhchapCtrlSecretFile = [] } = options;
  const files = [...dhchapSecretFile, ...dhchapCtrlSecretFile];
  const named = files.flatMap(({ nqn }) => (nqn === undefined ? [] : [nqn]));
  const names = [...new Set([...allowHost, ...named])];
  if (names.length === 0) {
    if (files.length === 0) return undefined;
    throw usage("whose secret is it?", `Name the host: --allow-host, or ${HOST_FILE} nqn…=FILE.`);
  }
  const { dhchapDigests: hashes, dhchapDhgroups: groups } = options;
  const hosts: AllowedHost[] = [];
  for (const nqn of names) {
    const hostKey = await keyFor(context, dhchapSecretFile, nqn);
    const controllerKey = await keyFor(context, dhchapCtrlSecretFile, nqn);
    if (hostKey === undefined && controllerKey !== undefined) {
      throw usage(`${nqn} has a controller secret and none of its own`, `Give ${HOST_FILE}, too.`);
    }
    const dhchapOf = hostKey && { hostKey, controllerKey, hashes, groups };
    hosts.push({ nqn, dhchap: dhchapOf });
  }
  return hosts;
}

async function keyFor(
  context: Context,
  files: readonly HostFile[],
  nqn: string,
): Promise<DhchapKey | undefined> {
  const shared = files.find((each) => each.nqn === undefined);
  const file = (files.find((each) => each.nqn === nqn) ?? shared)?.file;
  if (file === undefined) return undefined;
  if (file === "-") throw usage("`serve` has no secrets from stdin", "Write it into a file.");
  const text = await secretText({ what: "secret", file, variable: "" }, context);
  return text && readKey(text);
}

/** What was agreed upon, in words. */
export function authText({ hash, group, mutual }: AuthResult): string {
  const ways = mutual ? "both ways" : "the host alone";
  return `authenticated with ${authHashName(hash)} and ${dhGroupName(group)}, ${ways}`;
}

/** The same for scripts. */
export const authFacts = ({ hash, group, mutual }: AuthResult): object => ({
  hash: authHashName(hash),
  dhgroup: dhGroupName(group),
  mutual,
});

/** A warning about what was agreed upon; undefined where nothing is to be said. */
export const authWarning = ({ group }: AuthResult): string | undefined =>
  group === DhGroup.Null
    ? "authenticated without Diffie-Hellman: who has heard it can try secrets at leisure (--dhchap-dhgroups)"
    : undefined;
