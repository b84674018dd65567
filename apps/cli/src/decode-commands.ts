// The row of `decode` in the table of commands. Its words are those of tshark where it has any.
// Read first: command.ts for a row; commands.ts, of which this is a part.

import { Option } from "commander";
import type { CommandSpec } from "./command.ts";
import { findingKinds } from "./decode/findings.ts";
import {
  commonOptions,
  duration,
  port,
  progressOption,
  repeated,
  whole,
  valued,
} from "./options.ts";
import { usage } from "./errors.ts";

function findingsOf(text: string): readonly string[] {
  const kinds = text.split(",").map((kind) => kind.trim());
  const unknown = kinds.find((kind) => !(findingKinds as readonly string[]).includes(kind));
  if (unknown === undefined) return kinds;
  throw usage(`"${unknown}" is none of ${findingKinds.join(", ")}`);
}

const decode: CommandSpec = {
  name: "decode",
  args: [["<file>", "a pcap or pcapng file, also compressed with gzip; - for stdin"]],
  summary: "Read a capture: every PDU and command, and the rules that are broken",
  details: `
A line for each PDU, in the order in which they end; -v shows their fields, by Wireshark's names. Behind a
PDU that breaks a rule stands the verdict (!!): what is wrong, by whom, and the TermReq or status with which
a receiver that keeps to the specification answers. Digests are checked. A question mark stands before what
breaks no rule, such as late answers and commands that are left without one.

Connections to ports 4420 and 8009 count, those to --port, and any that begins with an ICReq. What was not
captured is not held against anybody. Connections under TLS are named, and not decoded.

With --json each event is an envelope on a line of its own: connection, pdu, verdict, gap, resumed, open, end,
and summary at last; with --summary that one alone.`,
  examples: [
    "nvmeof decode capture.pcapng",
    "nvmeof decode capture.pcap --errors -v",
    "nvmeof decode capture.pcapng --summary",
    "nvmeof decode capture.pcapng --opcode read,write --connection 2 --json",
    "nvmeof decode capture.pcapng --field frame.number --field nvme.cmd.slba",
    "tcpdump -i eth0 -w - port 4420 | nvmeof decode - --fail-on verdict,open",
  ],
  options: () => [
    repeated("--port <port>", "controllers listen there as well; repeat for more", port),
    repeated("--connection <number>", "only this connection; repeat for more", whole(1, 2 ** 31)),
    repeated(
      "--opcode <names>",
      "only commands of these names or opcodes: read,identify,0x7f",
      String,
    ),
    new Option("--errors", "only what went wrong"),
    new Option("--summary", "figures of each connection, and latencies by opcode"),
    repeated(
      "-e, --field <name>",
      "print this field of each PDU, as tshark -e does; repeat",
      String,
    ),
    repeated(
      "--fail-on <kinds>",
      `exit with 12 where there are such: ${findingKinds.join(", ")}`,
      findingsOf,
    ),
    valued("--late <duration>", "an answer that takes longer is late", duration).default(
      30_000,
      "30s",
    ),
    ...progressOption(),
    ...commonOptions(["normal", "json"]),
  ],
  formats: ["normal", "json"],
  timeoutMs: undefined,
  schema: "decode",
  load: () => import("./verbs/decode.ts"),
};

/** In the order of the help. */
export const decodeCommands: readonly CommandSpec[] = [decode];
