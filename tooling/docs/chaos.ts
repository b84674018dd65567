// docs/chaos.md, printed from the tables of faults, examples and limits of the fault proxy.

import { format } from "prettier";
import { chaosExampleNames, chaosExamples } from "../../packages/tools/src/chaos/examples.ts";
import { type FaultKind, faultKinds, isByteKind } from "../../packages/tools/src/chaos/kinds.ts";
import type { Param } from "../../packages/tools/src/chaos/param.ts";

const HEAD = `# Faults on purpose

The tables are printed from \`tools/src/chaos/kinds.ts\` and its neighbours by \`tooling/docs/chaos.ts\`: do not
edit. \`npm run docs\` prints them again, and a test fails while they are stale.

\`nvmeof chaos proxy\` stands between any host and any target, and does to their connections what a plan says:

\`\`\`sh
nvmeof chaos proxy --to 192.0.2.10:4420 --listen 127.0.0.1:4421 --plan plan.json --seed 42 --trace chaos.pcapng
\`\`\`

The host connects to \`--listen\`. Each fault is a line when it is carried out; Ctrl-C ends the proxy with how often
each one was. The same seed, plan and traffic give the same faults: every fault has a source of chance of its own
for each connection and direction, so that leaving one out moves no other. \`--trace\` records both sides of each
connection, and \`nvmeof decode --fail-on verdict\` says which rules were broken.

## A plan

\`\`\`json
{
  "version": 1,
  "seed": 42,
  "faults": [
    { "kind": "latency", "latencyMs": 50, "jitterMs": 10, "select": { "direction": "downstream" } },
    {
      "kind": "drop-pdu",
      "name": "a read without an answer",
      "select": { "queue": "io", "pdu": "CapsuleResp", "opcode": "read", "nth": 3 }
    },
    { "kind": "status", "sct": 0, "sc": 130, "select": { "opcode": "write", "probability": 0.01 } }
  ]
}
\`\`\`

\`version\` is 1; \`seed\` decides all chance (0 to 2^32 - 1, \`--seed\` overrides it); \`description\` is for people.
\`faults\` act in their order, each on what those before it have left. A fault has its \`kind\`, the values of the kind,
a \`name\` for the log (default: the kind) and a \`select\`. \`nvmeof chaos plan --check plan.json\` checks a plan; what
is not known is refused with its place.

## Selectors

Faults of bytes take the first five. All that is said has to be true; what is not said is true of everything.
\`connection\`, \`queue\`, \`pdu\`, \`opcode\`, \`nsid\` and \`nth\` take a value or a list of them.

| in \`select\`            | meaning                                                                                     |
| ---------------------- | ------------------------------------------------------------------------------------------- |
| \`connection\`           | by number: 1 is the first that the proxy took                                               |
| \`queue\`                | \`"admin"\`, \`"io"\` or a QID; known from the Connect command on                               |
| \`direction\`            | \`"upstream"\`: from the host; \`"downstream"\`: to it; default: both                           |
| \`afterMs\`, \`untilMs\`   | since the proxy began                                                                       |
| \`pdu\`                  | \`"CapsuleCmd"\`, \`"CapsuleResp"\`, \`"H2CData"\`, \`"C2HData"\`, \`"R2T"\`, \`"ICReq"\`, …                  |
| \`opcode\`               | of the command that the PDU is of: \`"read"\`, \`"keep-alive"\`, \`"connect"\`, \`"0x02"\`, 2         |
| \`nsid\`                 | of that command                                                                             |
| \`lba\`                  | \`{ "first": 0, "last": 7 }\`: commands that touch one of these blocks                        |
| \`nth\`                  | only these of those that fit, counted from 1                                                |
| \`every\`                | each so manieth of those that fit                                                           |
| \`count\`                | no more than so many                                                                        |
| \`per\`                  | what is counted: PDUs of the \`"run"\` (default), or of each \`"connection"\`                   |
| \`probability\`          | of those that all else is true of, 0 to 1                                                   |

A name of an opcode says the kind of queue as well: \`read\` is 02h on I/O queues, and not Get Log Page.

## Digests and TLS

After a change both digests of the PDU are computed again, so that only its meaning tells that it is wrong. The
faults that are about digests (\`bad-hdgst\`, \`bad-ddgst\`, \`flip-bit\` with \`"digests": "left"\`) leave them. They
need a connection that has agreed on digests, and do nothing on another.

Under TLS the proxy sees no PDUs. It says so once for each connection, and only faults of bytes act. The same holds
for what does not begin with an ICReq, and from a PDU on that makes no sense.
`;

const TAIL = `## A capture played again

\`nvmeof chaos replay capture.pcapng --to HOST:PORT\` sends what the host of the capture sent. All connections are
played, or those that \`--connection\` names, in the order of the capture and without its pauses: before each PDU
it waits for what the host had heard by then, at most \`--wait\`. PDUs go as they were, broken ones too, but for what
is the target's to choose: the controller ID in the Connect command of an I/O queue, and transfer tags.

What is compared: digests, CPDA and MAXH2CDATA of ICResp, the status of each answer and how many bytes of data came
with it, what each R2T asks for, and a C2HTermReq. The data itself is not. With other digests, another CPDA or another
R2T nothing more can be sent on that connection, and that is said.

## Limits

Nothing grows with a peer that does not read: beyond \`bufferBytesMax\` the sender is not read from.

| limit | default | what follows |
| --- | --- | --- |
| \`connectionsMax\` | 1,024 | more are reset |
| \`bufferBytesMax\` | 1 MiB | of each direction; the sender is asked to wait |
| \`pduBytesMax\` | 8 MiB | a longer PDU passes as it comes, and no fault befalls it |
| \`heldBytesMax\` | 4 MiB | of each direction; \`hold-response\` and \`reorder\` hold no more |
| \`heldPdusMax\` | 1,024 | the same in PDUs |
| \`connectTimeoutMs\` | 3 s | the host's connection is reset |
| \`lingerMs\` | 2 s | an orderly end becomes a reset |

The proxy listens on the loopback unless \`--allow-any-host\` says otherwise: it does not ask who connects.
`;

const cell = (text: string): string => text.replaceAll("|", "\\|");

function valueText([name, param]: readonly [string, Param<unknown>]): string {
  const { fallback, need } = param;
  const isOpen = fallback === undefined && need === "optional";
  const or = isOpen ? "" : fallback === undefined ? ", required" : ` (${JSON.stringify(fallback)})`;
  return `\`${name}\`${or}`;
}

function rowsOf(layer: "bytes" | "pdu"): string[] {
  return (Object.keys(faultKinds) as FaultKind[])
    .filter((kind) => isByteKind(kind) === (layer === "bytes"))
    .map((kind) => {
      const fault = faultKinds[kind];
      const params = Object.entries(fault.params as Record<string, Param<unknown>>);
      const values = params.filter(([name]) => name !== "toxicity").map(valueText);
      const acts = "acts" in fault && fault.acts.length > 0 ? fault.acts.join(", ") : "all";
      const cells = [`\`${kind}\``, values.join(", "), ...(layer === "pdu" ? [acts] : [])];
      return `| ${[...cells, fault.does, ...(layer === "pdu" ? [fault.breaks] : [])].map(cell).join(" | ")} |`;
    });
}

/** The page. */
export function chaosPage(): Promise<string> {
  const examples = chaosExampleNames.map((name) => `| \`${name}\` | ${chaosExamples[name].asks} |`);
  const text = [
    HEAD,
    "## Faults of bytes",
    "",
    "By the names of Toxiproxy. `toxicity` (1) is the share of connections that each befalls.",
    "",
    "| kind | values (default) | what it does |",
    "| --- | --- | --- |",
    ...rowsOf("bytes"),
    "",
    "## Faults of PDUs",
    "",
    "| kind | values (default) | acts on | what it does | which rule that breaks |",
    "| --- | --- | --- | --- | --- |",
    ...rowsOf("pdu"),
    "",
    "## Examples",
    "",
    "`nvmeof chaos plan --example NAME` prints one, `nvmeof chaos proxy --example NAME` runs it.",
    "",
    "| name | what it asks |",
    "| --- | --- |",
    ...examples,
    "",
    TAIL,
  ].join("\n");
  return format(text, { parser: "markdown", printWidth: 100 });
}
