// The rows of namespaces, reservations, erasing and resets in the table of commands, by nvme-cli's names.
// Read first: verb-spec.ts; verbs/ns.ts, verbs/resv.ts and verbs/erase.ts do what they say.

import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { usage } from "./errors.ts";
import { anyNamespaceOption, progressOption, size, valued, whole } from "./options.ts";
import { parseWhole } from "./units.ts";
import { verb } from "./verb-spec.ts";
import type * as NsVerbs from "./verbs/ns.ts";
import type * as ResvVerbs from "./verbs/resv.ts";

const DWORD_MAX = 0xffff_ffff;
const count = whole(0, Number.MAX_SAFE_INTEGER);

const controllersOption = (): Option =>
  valued(
    "-c, --controllers <list>",
    "controller IDs, with commas; default: that of this connection, for its host",
    (text) => text.split(",").map((each) => parseWhole(each.trim(), 0, 0xffef)),
  );

/** Reservation keys have 64 bits. */
function key(text: string): bigint {
  if (!/^(0x[\da-f]+|\d+)$/i.test(text))
    throw usage(`"${text}" is no key`, "Write 0x12ab, or 4779.");
  const value = BigInt(text);
  if (value < 1n << 64n) return value;
  throw usage(`"${text}" has more than 64 bits`);
}
const keyOption = (flags: string, text: string): Option =>
  valued(flags, text, key).default(0n, "0");

const ns = (name: keyof typeof NsVerbs) => () =>
  import("./verbs/ns.ts").then((verbs) => verbs[name]);
const resv = (name: keyof typeof ResvVerbs) => () =>
  import("./verbs/resv.ts").then((verbs) => verbs[name]);

const attachDetails = `
Controllers of fabrics come with a connection and go with it. What is said of one is remembered by the
target for those that the same host connects later: without --controllers that is what you want.`;

const nsCommands: readonly CommandSpec[] = [
  verb({
    name: "ns create",
    aliases: ["create-ns"],
    summary: "Create a namespace, which is not attached to anybody yet",
    details: `
The target must allow it: \`nvmeof serve --manage-namespaces 1G\` does. --attach attaches the new namespace
to this host at once.`,
    examples: ["--nsze 2097152 --block-size 512 --attach", "--nsze-si 1G --block-size 4096"],
    tries: true,
    own: () => [
      valued("--nsze <blocks>", "size, in blocks", count),
      valued("-c, --ncap <blocks>", "capacity, in blocks; default: the size", count),
      valued("--nsze-si <bytes>", "size, in bytes (1G)", size),
      valued("--ncap-si <bytes>", "capacity, in bytes", size),
      valued("-f, --flbas <index>", "LBA format; default: 0", whole(0, 63)),
      valued("-b, --block-size <bytes>", "the LBA format with blocks of this size", size),
      valued("-d, --dps <number>", "protection settings", whole(0, 15)).default(0),
      valued("-m, --nmic <number>", "1: several controllers may have it", whole(0, 1)).default(1),
      valued(
        "--anagrp-id <id>",
        "ANA group; 0: the controller chooses",
        whole(0, DWORD_MAX),
      ).default(0),
      valued("--nvmset-id <id>", "NVM set", whole(0, 0xffff)).default(0),
      valued("--endg-id <id>", "endurance group", whole(0, 0xffff)).default(0),
      valued("-y, --csi <csi>", "command set", whole(0, 255)).default(0),
      new Option("--attach", "attach it to this host"),
    ],
    schema: "ns-create",
    load: ns("create"),
  }),
  verb({
    name: "ns delete",
    aliases: ["delete-ns"],
    summary: "Delete a namespace, with all data in it",
    examples: ["--yes"],
    takes: "any-namespace",
    consents: true,
    tries: true,
    own: () => anyNamespaceOption("which namespace; 0xffffffff for all that may be deleted"),
    load: ns("remove"),
  }),
  verb({
    name: "ns attach",
    aliases: ["attach-ns"],
    summary: "Attach a namespace to controllers",
    details: attachDetails,
    takes: "any-namespace",
    tries: true,
    own: () => [controllersOption(), ...anyNamespaceOption("which namespace")],
    load: ns("attach"),
  }),
  verb({
    name: "ns detach",
    aliases: ["detach-ns"],
    summary: "Detach a namespace from controllers",
    details: attachDetails,
    takes: "any-namespace",
    tries: true,
    own: () => [controllersOption(), ...anyNamespaceOption("which namespace")],
    load: ns("detach"),
  }),
  verb({
    name: "ns get-id",
    aliases: ["get-ns-id"],
    summary: "Print the NSID that an address means: the one it names, or the only one",
    takes: "namespace",
    load: ns("getId"),
  }),
  verb({
    name: "ns rescan",
    aliases: ["ns-rescan"],
    summary: "Look which namespaces are attached now; commands of ours do that by themselves",
    load: ns("rescan"),
  }),
];

const rtypeOption = (): Option =>
  valued(
    "--rtype <number>",
    "1 write exclusive, 2 exclusive access; 3, 4 registrants only; 5, 6 all registrants",
    whole(0, 255),
  ).default(0);
const iekeyOption = (): Option => new Option("--iekey", "whatever the current key is");
const crkeyOption = (): Option => keyOption("-c, --crkey <key>", "current reservation key");

const resvCommands: readonly CommandSpec[] = [
  verb({
    name: "resv register",
    aliases: ["resv-register"],
    summary: "Register a key of this host, replace it, or unregister",
    examples: ["--nrkey 0x1", "--rrega 1 --crkey 0x1"],
    takes: "namespace",
    consents: true,
    tries: true,
    own: () => [
      crkeyOption(),
      keyOption("--nrkey <key>", "new reservation key"),
      valued("-r, --rrega <number>", "0 register, 1 unregister, 2 replace", whole(0, 7)).default(0),
      valued(
        "-p, --cptpl <number>",
        "persist through power loss: 0 as it is, 2 no, 3 yes",
        whole(0, 3),
      ).default(0),
      iekeyOption(),
    ],
    load: resv("register"),
  }),
  verb({
    name: "resv acquire",
    aliases: ["resv-acquire"],
    summary: "Acquire a reservation, or preempt that of another host",
    examples: ["--crkey 0x1 --rtype 1", "--crkey 0x2 --rtype 1 --racqa 1 --prkey 0x1 --yes"],
    takes: "namespace",
    consents: true,
    tries: true,
    own: () => [
      crkeyOption(),
      keyOption("-p, --prkey <key>", "key of those who are preempted"),
      rtypeOption(),
      valued("--racqa <number>", "0 acquire, 1 preempt, 2 preempt and abort", whole(0, 7)).default(
        0,
      ),
      iekeyOption(),
    ],
    load: resv("acquire"),
  }),
  verb({
    name: "resv release",
    aliases: ["resv-release"],
    summary: "Release a reservation, or clear all registrations",
    examples: ["--crkey 0x1 --rtype 1"],
    takes: "namespace",
    consents: true,
    tries: true,
    own: () => [
      crkeyOption(),
      rtypeOption(),
      valued("--rrela <number>", "0 release, 1 clear", whole(0, 7)).default(0),
      iekeyOption(),
    ],
    load: resv("release"),
  }),
  verb({
    name: "resv report",
    aliases: ["resv-report"],
    summary: "Print who is registered, and who holds the reservation",
    takes: "namespace",
    own: () => [
      valued(
        "-d, --numd <count>",
        "dwords to read, 0's based as in nvme-cli",
        whole(15, 262_143),
      ).default(1023),
      new Option(
        "-e, --eds",
        "host identifiers of 128 bits; over fabrics there are no others",
      ).default(true),
      new Option("--no-eds", "host identifiers of 64 bits"),
    ],
    formats: ["normal", "json", "binary"],
    compat: true,
    load: resv("report"),
  }),
];

const sanitizeActions: Readonly<Record<string, number>> = {
  "exit-failure": 1,
  "start-block-erase": 2,
  "start-overwrite": 3,
  "start-crypto-erase": 4,
};

function sanitizeAction(text: string): number {
  const action = sanitizeActions[text] ?? Number(text);
  if (Object.values(sanitizeActions).includes(action)) return action;
  throw usage(
    `"${text}" is no sanitize action`,
    `There are ${Object.keys(sanitizeActions).join(", ")}, or 1 to 4.`,
  );
}

const eraseCommands: readonly CommandSpec[] = [
  verb({
    name: "format",
    summary: "Format a namespace: all its data is gone",
    details: `
It is answered when the format is done. The target must allow it: \`nvmeof serve --erase format\` does.`,
    examples: ["--ses 1 --yes"],
    takes: "any-namespace",
    consents: true,
    time: "none",
    tries: true,
    own: () => [
      valued("--lbaf <index>", "LBA format; default: the one in use", whole(0, 63)),
      valued("-b, --block-size <bytes>", "the LBA format with blocks of this size", size),
      valued(
        "--ses <number>",
        "secure erase: 0 none, 1 user data, 2 cryptographic",
        whole(0, 7),
      ).default(0),
      valued(
        "--pi <number>",
        "protection information: 0 none, 1 to 3 its type",
        whole(0, 7),
      ).default(0),
      valued("-p, --pil <number>", "1: it is in the first bytes of metadata", whole(0, 1)).default(
        0,
      ),
      valued("-m, --ms <number>", "1: metadata follows each block's data", whole(0, 1)).default(0),
      new Option("-r, --reset", "reset the controller afterwards"),
      new Option("--force", "the same as --yes"),
      ...anyNamespaceOption("which namespace; 0xffffffff for all; default: the only one"),
    ],
    load: () => import("./verbs/erase.ts").then((verbs) => verbs.format),
  }),
  verb({
    name: "sanitize",
    summary: "Erase all data of the subsystem, in all its namespaces",
    details: `
The operation goes on by itself; sanitize-log tells how far it is, and --wait waits for its end. The target
must allow it: \`nvmeof serve --erase all\` does.`,
    examples: ["--sanact start-block-erase --wait --yes"],
    consents: true,
    time: "none",
    tries: true,
    own: () => [
      valued(
        "--sanact <action>",
        "exit-failure, start-block-erase, start-overwrite, start-crypto-erase, or 1 to 4",
        sanitizeAction,
      ).makeOptionMandatory(),
      new Option("-u, --ause", "a failure may be left behind without another one"),
      valued("--owpass <count>", "passes of an overwrite", whole(1, 16)).default(1),
      new Option("--oipbp", "invert the pattern between passes"),
      new Option("-d, --no-dealloc", "do not deallocate afterwards"),
      valued("-p, --ovrpat <number>", "overwrite pattern, 32 bits", whole(0, DWORD_MAX)).default(0),
      new Option("-w, --wait", "until it is over, with progress"),
      ...progressOption(),
    ],
    load: () => import("./verbs/erase.ts").then((verbs) => verbs.sanitize),
  }),
  verb({
    name: "device-self-test",
    summary: "Have the controller test itself",
    examples: ["--self-test-code 1 --wait"],
    takes: "any-namespace",
    time: "none",
    own: () => [
      valued(
        "--self-test-code <code>",
        "1 short, 2 extended, 0xe the vendor's, 0xf abort",
        whole(1, 15),
      ).makeOptionMandatory(),
      new Option("-w, --wait", "until it is over, with progress"),
      ...anyNamespaceOption("of this namespace; 0: of none; default: of all"),
      ...progressOption(),
    ],
    load: () => import("./verbs/erase.ts").then((verbs) => verbs.selfTest),
  }),
];

const resetCommands: readonly CommandSpec[] = [
  verb({
    name: "reset",
    summary: "Reset the controller of a connection, and see it come back",
    details: `
The controller is the one that this command has connected: it is torn down and connected again, as a host
does that has lost patience. Controllers of other connections do not notice.`,
    tries: true,
    load: () => import("./verbs/reset.ts").then((verbs) => verbs.reset),
  }),
  verb({
    name: "subsystem-reset",
    summary: "Reset the whole subsystem, with all controllers of all hosts",
    examples: ["--yes"],
    consents: true,
    tries: true,
    load: () => import("./verbs/reset.ts").then((verbs) => verbs.subsystemReset),
  }),
];

/** ns, resv, format, sanitize, device-self-test, reset. */
export const namespaceCommands: readonly CommandSpec[] = [...nsCommands, ...eraseCommands];
export const reservationCommands: readonly CommandSpec[] = resvCommands;
export const controllerCommands: readonly CommandSpec[] = resetCommands;
