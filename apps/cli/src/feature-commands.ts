// The rows of features and properties in the table of commands, with the names of nvme-cli.
// Read first: verb-spec.ts; features.ts says how they are read and shown.

import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { usage } from "./errors.ts";
import { anyNamespaceOption, size, valued, whole } from "./options.ts";
import { verb } from "./verb-spec.ts";

const DWORD_MAX = 0xffff_ffff;

/** Keys of features, and what they are; the table of the codec has the same, which a test compares. */
export const featureKeys: Readonly<Record<string, string>> = {
  arbitration: "Arbitration",
  "power-mgmt": "Power Management",
  "lba-range-type": "LBA Range Type",
  "temp-thresh": "Temperature Threshold",
  "err-recovery": "Error Recovery",
  "volatile-wc": "Volatile Write Cache",
  "num-queues": "Number of Queues",
  "int-coalesce": "Interrupt Coalescing",
  "int-vector-config": "Interrupt Vector Configuration",
  "write-atom-normal": "Write Atomicity Normal",
  "async-event-conf": "Asynchronous Event Configuration",
  apst: "Autonomous Power State Transition",
  "host-mem-buf": "Host Memory Buffer",
  timestamp: "Timestamp",
  "keep-alive-timer": "Keep Alive Timer",
  hctm: "Host Controlled Thermal Management",
  nopsc: "Non-Operational Power State Config",
  rrl: "Read Recovery Level Config",
  "plm-config": "Predictable Latency Mode Config",
  "host-behavior": "Host Behavior Support",
  sanitize: "Sanitize Config",
  "iocs-profile": "I/O Command Set Profile",
  "controller-metadata": "Controller Metadata",
  "ns-metadata": "Namespace Metadata",
  "sw-progress": "Software Progress Marker",
  "host-id": "Host Identifier",
  "resv-mask": "Reservation Notification Mask",
  "resv-persist": "Reservation Persistence",
  "write-protect": "Namespace Write Protection Config",
};

const selOption = (): Option =>
  new Option("--sel <which>", "which value")
    .choices(["current", "default", "saved", "capabilities", "0", "1", "2", "3"])
    .default("current")
    .argParser((text: string) => {
      const names = ["current", "default", "saved", "capabilities"];
      const name = names[Number(text)] ?? text;
      if (names.includes(name)) return name;
      throw usage(`--sel: "${text}" is none of ${names.join(", ")}`);
    });
const uuidOption = (): Option =>
  valued("-U, --uuid-index <index>", "index of the vendor's UUID", whole(0, 127));
const namespace = (): Option[] =>
  anyNamespaceOption("of this namespace, where namespaces have it; default: the only one");

const setOptions = (): Option[] => [
  valued("--value <number>", "the new value, which goes into CDW11", whole(0, DWORD_MAX)),
  valued("-c, --cdw12 <number>", "CDW12, where the feature uses it", whole(0, DWORD_MAX)),
  valued("--data-len <bytes>", "bytes of data, where our table does not know them", size),
  new Option("-d, --data <file>", "the data, where the feature has any"),
  new Option("--save", "keep it beyond a reset of the controller"),
];

const perFeature = Object.entries(featureKeys).map(([key, title]) =>
  verb({
    name: `feat ${key}`,
    summary: `Read or set ${title}`,
    details: `
Without --value and -d it reads the feature. A feature of a controller lasts as long as the controller
does, which here is the time of this command; those of namespaces last.`,
    examples: [""],
    takes: "any-namespace",
    tries: true,
    consents: true,
    own: () => [selOption(), ...setOptions(), uuidOption(), ...namespace()],
    formats: ["normal", "json", "binary"],
    human: true,
    schema: "feature",
    load: () => import("./verbs/feature.ts").then(({ verbOf }) => verbOf(key)),
  }),
);

/** `feat …`, `get-feature`, `set-feature`, and the properties. */
export const featureCommands: readonly CommandSpec[] = [
  ...perFeature,
  verb({
    name: "get-feature",
    summary: "Read a feature by its identifier; without one, all that there are",
    examples: ["", "--feature-id 7", "--feature-id 0x0e --sel capabilities --json"],
    takes: "any-namespace",
    own: () => [
      valued("-f, --feature-id <fid>", "which feature; default: all", whole(0, 255)),
      selOption(),
      valued("--data-len <bytes>", "bytes of data, where our table does not know them", size),
      valued("-c, --cdw11 <number>", "CDW11, where the feature uses it", whole(0, DWORD_MAX)),
      uuidOption(),
      ...namespace(),
    ],
    formats: ["normal", "json", "binary"],
    human: true,
    schema: "feature",
    load: () => import("./verbs/feature.ts").then(({ getFeature }) => getFeature),
  }),
  verb({
    name: "set-feature",
    summary: "Set a feature by its identifier",
    examples: ["--feature-id 0x84 --value 1 --yes"],
    takes: "any-namespace",
    tries: true,
    consents: true,
    own: () => [
      valued("-f, --feature-id <fid>", "which feature", whole(0, 255)).makeOptionMandatory(),
      ...setOptions(),
      uuidOption(),
      ...namespace(),
    ],
    schema: "set-feature",
    load: () => import("./verbs/feature.ts").then(({ setFeature }) => setFeature),
  }),
  verb({
    name: "show-regs",
    summary: "Print the properties of the controller: CAP, VS, CC, CSTS, CRTO",
    human: true,
    load: () => import("./verbs/property.ts").then(({ showRegs }) => showRegs),
  }),
  verb({
    name: "get-property",
    aliases: ["get-reg"],
    summary: "Print one property",
    examples: ["--offset 0x1c -H"],
    own: () => [valued("--offset <offset>", "where it is", whole(0, 0xfff)).makeOptionMandatory()],
    human: true,
    load: () => import("./verbs/property.ts").then(({ getProperty }) => getProperty),
  }),
  verb({
    name: "set-property",
    aliases: ["set-reg"],
    summary: "Set one property of 4 bytes, such as CC",
    examples: ["--offset 0x14 --value 0x460001 --yes"],
    tries: true,
    consents: true,
    own: () => [
      valued("--offset <offset>", "where it is", whole(0, 0xfff)).makeOptionMandatory(),
      valued("--value <number>", "the new value", whole(0, DWORD_MAX)).makeOptionMandatory(),
    ],
    load: () => import("./verbs/property.ts").then(({ setProperty }) => setProperty),
  }),
];
