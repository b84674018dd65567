// The rows of the I/O family in the table of commands, with the names of nvme-cli.
// Read first: verb-spec.ts; direct.ts says how commands are sent.

import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { usage } from "./errors.ts";
import { anyNamespaceOption, dryRunOption, size, valued, whole } from "./options.ts";
import { parseWhole } from "./units.ts";
import { verb } from "./verb-spec.ts";
import type * as BlockVerbs from "./verbs/block.ts";

const LBA_MAX = Number.MAX_SAFE_INTEGER;
const DWORD_MAX = 0xffff_ffff;

function refuseBlockCount(): never {
  const hint = "Use --blocks, where 1 is one block.";
  throw usage("--block-count is 0's based in nvme-cli, which is easily got wrong", hint);
}

/** Which blocks. */
export const rangeOptions = (): Option[] => [
  valued("--start-block <lba>", "first block", whole(0, LBA_MAX)).default(0),
  valued(
    "--blocks <count>",
    "number of blocks: 1 is one (nvme-cli's --block-count says 0 for one)",
    whole(1, LBA_MAX),
  ),
  valued("-z, --data-size <bytes>", "bytes, a multiple of the block size", size),
  new Option("-c, --block-count <n>").hideHelp().argParser(refuseBlockCount),
];

const flagOptions = (): Option[] => [
  new Option("-f, --force-unit-access", "on stable media when it is answered (FUA)"),
  new Option("--limited-retry", "the controller need not try hard (LR)"),
  valued("-p, --prinfo <bits>", "protection information: PRACT and PRCHK", whole(0, 15)),
];

/** To see a command rather than, or as well as, to send it. */
const showOptions = (dryRun?: string): Option[] => [
  dryRunOption(dryRun),
  new Option("--show-command", "print the command on stderr before it is sent"),
  new Option("--latency", "tell how long it took"),
];

/** Options of `read` and `write`, but for those of whom to connect to. */
export const transferOptions = (): Option[] => [
  ...rangeOptions(),
  ...flagOptions(),
  ...showOptions("-w, --dry-run"),
];

const numbers =
  (least: number, most: number) =>
  (text: string): number[] =>
    text.split(",").map((each) => parseWhole(each.trim(), least, most));

const listed = (flags: string, text: string, most: number, least = 0): Option =>
  valued(flags, text, numbers(least, most));

const block = (name: keyof typeof BlockVerbs) => () =>
  import("./verbs/block.ts").then((verbs) => verbs[name]);

const dwordOptions = (): Option[] =>
  [2, 3, 10, 11, 12, 13, 14, 15].map((n, i) =>
    valued(`-${i + 2}, --cdw${n} <number>`, `command dword ${n}`, whole(0, DWORD_MAX)).default(0),
  );

const passthruOptions = (): Option[] => [
  valued("--opcode <number>", "opcode", whole(0, 255)).makeOptionMandatory(),
  valued("-f, --flags <number>", "the second byte: FUSE", whole(0, 255)).default(0),
  valued("-p, --prefill <byte>", "what the buffer holds before", whole(0, 255)).default(0),
  valued(
    "-R, --rsvd <number>",
    "taken and not used: the transport has these bytes",
    whole(0, 65_535),
  ).default(0),
  valued("--data-len <bytes>", "bytes of data", size).default(0),
  ...dwordOptions(),
  new Option("--input-file <file>", "data to send, or where to put what is received"),
  new Option("-r, --read", "the data comes from the controller"),
  new Option("-w, --write", "the data goes to the controller"),
  new Option("--show-command", "print the command on stderr before it is sent"),
  dryRunOption("-d, --dry-run"),
  new Option("-T, --latency", "tell how long it took"),
  ...anyNamespaceOption("NSID of the command; default: 0, or that of the address"),
];

const passthruDetails = `
The data goes where the two lowest bits of the opcode say, or --read or --write. What could change
something, which is all but reading, asks before it is sent.`;

/** compare, flush, dsm, write-zeroes, write-uncor, verify, copy and the passthru commands. */
export const ioCommands: readonly CommandSpec[] = [
  verb({
    name: "compare",
    summary: "Compare blocks with what a file or stdin has; 10 tells that they differ",
    examples: ["--start-block 8 -d block.bin"],
    takes: "namespace",
    own: () => [
      ...transferOptions(),
      new Option("-d, --data <file>", "read the bytes from this file; default: stdin"),
    ],
    load: block("compare"),
  }),
  verb({
    name: "flush",
    summary: "Have everything that was written put on stable media",
    takes: "namespace",
    own: () => showOptions(),
    load: block("flush"),
  }),
  verb({
    name: "dsm",
    summary: "Dataset Management: deallocate ranges of blocks, or tell how they will be used",
    details: `
--slbs and --blocks are lists as long as each other: a range each. Without --ad it is a hint only.`,
    examples: ["--ad --slbs 0,4096 --blocks 8,1024 --yes"],
    takes: "namespace",
    consents: true,
    own: () => [
      listed(
        "--slbs <lbas>",
        "first block of each range, with commas",
        LBA_MAX,
      ).makeOptionMandatory(),
      listed(
        "-b, --blocks <counts>",
        "blocks of each range, with commas",
        DWORD_MAX,
        1,
      ).makeOptionMandatory(),
      listed("--ctx-attrs <numbers>", "context attributes of each range, with commas", DWORD_MAX),
      new Option("-d, --ad", "deallocate"),
      new Option("-w, --idw", "they will be written as a whole"),
      new Option("-r, --idr", "they will be read as a whole"),
      valued(
        "-c, --cdw11 <number>",
        "all of CDW11, in place of the three above",
        whole(0, DWORD_MAX),
      ),
      ...showOptions(),
    ],
    load: block("dsm"),
  }),
  verb({
    name: "write-zeroes",
    summary: "Have blocks set to zero, without sending zeroes",
    examples: ["--start-block 0 --blocks 1024 --yes"],
    takes: "namespace",
    consents: true,
    own: () => [
      ...transferOptions(),
      new Option("-d, --deac", "deallocate them, where they read as zeroes then"),
    ],
    load: block("writeZeroes"),
  }),
  verb({
    name: "write-uncor",
    summary: "Make blocks unreadable until they are written again",
    examples: ["--start-block 7 --yes"],
    takes: "namespace",
    consents: true,
    own: () => [...rangeOptions(), ...showOptions()],
    load: block("writeUncorrectable"),
  }),
  verb({
    name: "verify",
    summary: "Have the controller check that blocks can be read; no data moves",
    examples: ["--start-block 0 --blocks 1048576"],
    takes: "namespace",
    own: transferOptions,
    load: block("verify"),
  }),
  verb({
    name: "copy",
    summary: "Have the controller copy blocks within the namespace",
    details: `
--slbs and --blocks are lists as long as each other: a range each. They come one after another, from
--sdlba on. Counts are counts: 8 is eight blocks. For copies between namespaces and files use cp.`,
    examples: ["--sdlba 4096 --slbs 0,64 --blocks 8,8 --yes"],
    takes: "namespace",
    consents: true,
    own: () => [
      valued(
        "-d, --sdlba <lba>",
        "first block of the destination",
        whole(0, LBA_MAX),
      ).makeOptionMandatory(),
      listed(
        "--slbs <lbas>",
        "first block of each range, with commas",
        LBA_MAX,
      ).makeOptionMandatory(),
      listed(
        "--blocks <counts>",
        "blocks of each range, with commas",
        65_536,
        1,
      ).makeOptionMandatory(),
      ...flagOptions(),
      ...showOptions(),
    ],
    load: block("copy"),
  }),
  verb({
    name: "admin-passthru",
    summary: "Send any admin command, given by its dwords",
    details: passthruDetails,
    examples: ["--opcode 6 --cdw10 1 --data-len 4096 --read"],
    takes: "any-namespace",
    consents: true,
    own: passthruOptions,
    formats: ["normal", "json", "binary"],
    schema: "passthru",
    load: () => import("./verbs/passthru.ts").then(({ adminPassthru }) => adminPassthru),
  }),
  verb({
    name: "io-passthru",
    summary: "Send any command to an I/O queue, given by its dwords",
    details: passthruDetails,
    examples: ["--opcode 2 --data-len 4096 --read --cdw12 7"],
    takes: "any-namespace",
    consents: true,
    own: passthruOptions,
    formats: ["normal", "json", "binary"],
    schema: "passthru",
    load: () => import("./verbs/passthru.ts").then(({ ioPassthru }) => ioPassthru),
  }),
];
