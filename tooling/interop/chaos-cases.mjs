// What is done to the kernel by `nvmeof chaos proxy`, and what has to come of it.
// Read first: docs/chaos.md for faults and selectors; chaos.mjs, which does it.
//
// A case has its plan, options of `nvme connect`, the load of fio, what the kernels must say of it, and what
// `nvmeof decode` must find in what the proxy has recorded: rules that are broken, and commands without answer.

const size = "--iodepth=8 --bsrange=4k-64k";
const nothing = { rules: [], open: "none" };
/** A host that gives a connection up may do so in the middle of a PDU. */
const excused = ["end-inside"];

export const chaosCases = [
  {
    id: "pass",
    title: "all passes",
    faults: [],
    load: `${size} --size=4m`,
    complaints: {},
    isQuiet: true,
    finds: nothing,
  },
  {
    id: "slow",
    title: "latency, jitter, and bytes in slices",
    faults: [
      { kind: "latency", latencyMs: 15, jitterMs: 5 },
      { kind: "slicer", averageBytes: 700, variationBytes: 300 },
    ],
    load: `${size} --size=2m`,
    complaints: {},
    isQuiet: true,
    finds: nothing,
  },
  {
    id: "resets",
    title: "connections are reset after 2 s, for 15 s",
    faults: [{ kind: "reset_peer", timeoutMs: 2000, select: { untilMs: 15_000 } }],
    // Slowly, so that there are several resets.
    load: `${size} --size=8m --rate=1m`,
    atLeast: 2,
    complaints: { host: [/starting error recovery|Reconnecting/] },
    // What is in flight then is chance.
    finds: { rules: [], open: "any", excused },
  },
  {
    id: "flips",
    title: "bits flip in data, with data digests",
    faults: [
      {
        kind: "flip-bit",
        name: "read",
        where: "data",
        digests: "left",
        select: { queue: "io", pdu: "C2HData", opcode: "read", every: 25, count: 3 },
      },
      {
        kind: "flip-bit",
        name: "write",
        where: "data",
        digests: "left",
        select: { queue: "io", direction: "upstream", pdu: "H2CData", nth: 40 },
      },
    ],
    options: ["--data-digest"],
    load: `${size} --size=4m`,
    atLeast: 3,
    complaints: { host: [/data digest error/], target: [/data digest error/] },
    finds: { rules: ["data-digest"], open: "any", excused },
  },
  {
    // Which proves that fio would have seen it in the others.
    id: "silent",
    title: "bits flip in data, without digests",
    faults: [{ kind: "flip-bit", where: "data", select: { queue: "io", opcode: "read", nth: 60 } }],
    load: `${size} --size=4m`,
    corrupts: true,
    complaints: {},
    finds: { rules: [], open: "any", excused },
  },
  {
    id: "drops",
    title: "the answers to a write and to a read are lost",
    faults: [
      {
        kind: "drop-pdu",
        name: "write",
        select: { queue: "io", pdu: "CapsuleResp", opcode: "write", nth: 30 },
      },
      {
        kind: "drop-pdu",
        name: "read",
        select: { queue: "io", pdu: "CapsuleResp", opcode: "read", nth: 90 },
      },
    ],
    ioTimeout: 4,
    load: `${size} --size=4m`,
    atLeast: 2,
    complaints: { host: [/timeout/, /starting error recovery/] },
    finds: { rules: [], open: "some", excused },
  },
];
