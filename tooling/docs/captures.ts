// docs/captures.md, printed from the table of rules: what a verdict can be about.

import { format } from "prettier";
import { type RuleId, rules } from "../../packages/tools/src/capture/nvme/rules.ts";

const HEAD = `# Captures

The rules are printed from \`tools/src/capture/nvme/rules.ts\` by \`tooling/docs/captures.ts\`: do not edit.
\`npm run docs\` prints them again, and a test fails while they are stale.

\`nvmeof decode\` reads a capture in three steps: frames out of a file (\`tools/src/capture/file/reader.ts\`),
bytes out of TCP segments (\`tools/src/capture/net/lane.ts\`), PDUs and commands out of bytes
(\`tools/src/capture/nvme/conversation.ts\`). Field names are Wireshark's; \`tools/src/capture/tshark.test.ts\`
compares the values with those of tshark.

## What is read

| layer | what                                                                                                    |
| ----- | ------------------------------------------------------------------------------------------------------- |
| file  | pcap of both byte orders, in µs and ns; pcapng with sections, interfaces, SPB, EPB and the old packet block; gzip by the command |
| link  | Ethernet with VLAN tags, Linux cooked 1 and 2, BSD and OpenBSD loopback, raw IP                         |
| IP    | IPv4, IPv6 with extension headers; fragments are counted, and not put together                          |
| TCP   | any order, retransmissions, overlaps, wrap of numbers, port reuse, cut frames, middles                  |

A connection counts at ports 4420 and 8009 and those that are named, and at any other where the capture has its
beginning and that is an ICReq.

## What was not captured

Is held against nobody. A hole in TCP is a gap once the other end has acknowledged what lies behind it, or
too much waits behind it. Inside the data of a PDU it costs the digest; else the next PDU is looked for, and commands
of before are in doubt: no verdict is given on what nobody can know, and none of them counts as open.

## Limits

| what                                             | default | option of \`CaptureDecoder\` |
| ------------------------------------------------ | ------- | -------------------------- |
| a frame, or a block that matters                 | 16 MiB  |                            |
| TCP connections at a time                        | 16,384  | \`flowsMax\`                 |
| bytes behind a hole, of one direction            | 8 MiB   | \`waitingBytesMax\`          |
| segments behind a hole                           | 8,192   | \`waitingPiecesMax\`         |
| bytes that retransmissions are compared with     | 64 KiB  | \`historyBytes\`             |
| data that is kept of a command that is no I/O    | 64 KiB  |                            |
| controllers that are remembered                  | 4,096   |                            |
| an answer that is late                           | 30 s    | \`lateMs\`                   |
| a file that \`CaptureWriter\` and \`--trace\` write  | 4 GiB   | \`bytesMax\`                 |

## Rules

A verdict names its rule, who broke it, and what a receiver that keeps to the specification answers: a TermReq with
Fatal Error Status and Information, or a status. For this project's own host and controller
\`tools/src/capture/nvme/agreement.test.ts\` compares.
`;

const rowsOf = (severity: "violation" | "warning"): string[] =>
  (Object.keys(rules) as RuleId[])
    .filter((rule) => rules[rule].severity === severity)
    .map((rule) => `| \`${rule}\` | ${rules[rule].text} |`);

/** The page. */
export function captures(): Promise<string> {
  const table = (title: string, rows: readonly string[]): string[] => [
    title,
    "",
    "| rule | what it demands |",
    "| --- | --- |",
    ...rows,
    "",
  ];
  const text = [
    HEAD,
    ...table("### Violations", rowsOf("violation")),
    ...table("### Warnings", rowsOf("warning")),
  ].join("\n");
  return format(text, { parser: "markdown", printWidth: 100 });
}
