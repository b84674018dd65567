// The rows of the Identify family in the table of commands, with the names of nvme-cli.
// Read first: verb-spec.ts; identify/rows.ts says what is asked and shown.

import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { anyNamespaceOption, valued, whole } from "./options.ts";
import { type VerbRow, verb } from "./verb-spec.ts";

const formats = ["normal", "json", "binary"] as const;

const vendorOption = (): Option =>
  new Option("-V, --vendor-specific", "show the vendor's bytes as well").helpGroup("Output:");

const uuidOption = (): Option =>
  valued("-U, --uuid-index <index>", "index of the vendor's UUID", whole(0, 127));
const csiOption = (): Option => valued("-y, --csi <csi>", "of this command set", whole(0, 255));
const formatOption = (): Option =>
  valued("--lba-format-index <index>", "which LBA format", whole(0, 63)).makeOptionMandatory();

type Row = Omit<VerbRow, "load" | "formats" | "name"> & { readonly name: string };

const identify = (row: Row): CommandSpec =>
  verb({
    ...row,
    name: `id ${row.name}`,
    formats,
    load: () => import("./verbs/identify.ts").then(({ verbOf }) => verbOf(row.name)),
  });

/** `id …`, and what nvme-cli calls it. */
export const identifyCommands: readonly CommandSpec[] = [
  verb({
    name: "id ctrl",
    aliases: ["id-ctrl"],
    summary: "Print the Identify Controller structure",
    details: `
Fields have the names of the specification. Counts that the structure holds 0's based (acl, aerl,
elpe, npss, awun, …) are printed as counts; --compat nvme-cli leaves them as they are stored.`,
    examples: ["", "-o binary >ctrl.bin"],
    own: () => [vendorOption()],
    formats,
    human: true,
    compat: true,
    load: () => import("./verbs/id-ctrl.ts"),
  }),
  verb({
    name: "id ns",
    aliases: ["id-ns"],
    summary: "Print the Identify Namespace structure and the namespace's identifiers",
    details: `
Fields have the names of the specification. Counts that the structure holds 0's based (nlbaf, nawun,
…) are printed as counts; --compat nvme-cli leaves them as they are stored. --force asks for one that is
allocated, attached or not.`,
    examples: ["", "--json"],
    takes: "namespace",
    own: () => [
      new Option("--force", "also where it is not attached to this controller"),
      vendorOption(),
    ],
    formats,
    human: true,
    compat: true,
    load: () => import("./verbs/id-ns.ts"),
  }),
  identify({
    name: "ns-list",
    aliases: ["list-ns"],
    summary: "List the NSIDs of the namespaces that are attached, or of all",
    takes: "any-namespace",
    own: () => [
      new Option("-A, --all", "all that are allocated, attached or not"),
      csiOption(),
      ...anyNamespaceOption("begin after this NSID; default: with the first"),
    ],
    compat: true,
  }),
  identify({
    name: "ctrl-list",
    aliases: ["list-ctrl"],
    summary: "List the controllers of the subsystem, or those that a namespace is attached to",
    takes: "any-namespace",
    own: () => [
      valued("-c, --cntid <cntlid>", "begin with this controller ID", whole(0, 0xffff)),
      ...anyNamespaceOption("only controllers that this namespace is attached to"),
    ],
    compat: true,
  }),
  identify({
    name: "ns-descs",
    aliases: ["ns-descs"],
    summary: "Print the identifiers of a namespace: UUID, NGUID, EUI64, command set",
    takes: "namespace",
  }),
  identify({
    name: "ns-ind",
    aliases: ["cmdset-ind-id-ns"],
    summary: "Print what of a namespace does not depend on its command set",
    takes: "namespace",
    human: true,
  }),
  identify({
    name: "nvm-ctrl",
    aliases: ["nvm-id-ctrl"],
    summary: "Print the controller's limits for commands of the NVM command set",
  }),
  identify({
    name: "nvm-ns",
    aliases: ["nvm-id-ns"],
    summary: "Print what of a namespace is of the NVM command set: protection information",
    takes: "namespace",
    own: () => [uuidOption()],
  }),
  identify({
    name: "ns-lba-format",
    aliases: ["id-ns-lba-format"],
    summary: "Print one LBA format that namespaces can have",
    own: () => [formatOption(), uuidOption()],
    examples: ["--lba-format-index 0"],
  }),
  identify({
    name: "nvm-ns-lba-format",
    aliases: ["nvm-id-ns-lba-format"],
    summary: "Print the extended part of one LBA format",
    own: () => [formatOption(), uuidOption()],
    examples: ["--lba-format-index 0"],
  }),
  identify({
    name: "ns-granularity",
    aliases: ["id-ns-granularity"],
    summary: "Print in which steps namespaces are best sized",
  }),
  identify({
    name: "iocs",
    aliases: ["id-iocs"],
    summary: "Print which command sets can be used together",
    own: () => [valued("-c, --controller-id <cntlid>", "of this controller", whole(0, 0xffff))],
  }),
  identify({
    name: "nvmset",
    aliases: ["id-nvmset"],
    summary: "List NVM sets",
    own: () => [valued("--nvmset-id <id>", "begin with this one", whole(0, 0xffff))],
  }),
  identify({ name: "uuid", aliases: ["id-uuid"], summary: "List the UUIDs of vendors" }),
  identify({
    name: "domain",
    aliases: ["id-domain"],
    summary: "List domains",
    own: () => [valued("-d, --dom-id <id>", "begin with this one", whole(0, 0xffff))],
  }),
  identify({
    name: "endgrp-list",
    aliases: ["list-endgrp"],
    summary: "List endurance groups",
    own: () => [valued("--endgrp-id <id>", "begin with this one", whole(0, 0xffff))],
  }),
  identify({
    name: "primary-ctrl-caps",
    aliases: ["primary-ctrl-caps"],
    summary: "Print what a primary controller gives to secondary ones",
    own: () => [valued("-c, --cntlid <cntlid>", "of this controller", whole(0, 0xffff))],
    human: true,
  }),
  identify({
    name: "secondary-ctrl-list",
    aliases: ["list-secondary"],
    summary: "List the secondary controllers of a primary one",
    takes: "any-namespace",
    own: () => [
      valued("-c, --cntid <cntlid>", "begin with this controller ID", whole(0, 0xffff)),
      valued("-e, --num-entries <count>", "no more than so many", whole(1, 127)),
      ...anyNamespaceOption("of this namespace"),
    ],
  }),
];
