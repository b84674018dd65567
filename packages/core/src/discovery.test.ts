// The discovery log: read whole and unchanged, and followed through referrals, within bounds.

import {
  Adrfam,
  DISCOVERY_NQN,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  GetLogPageCommand,
  Subtype,
  Trtype,
  encode,
  viewOf,
} from "@nvmeof/codec";
import type { Transport } from "@nvmeof/transport";
import { VirtualClock } from "@nvmeof/transport/testing";
import { describe, expect, test } from "vitest";
import { discover, discoverAll } from "./discovery.ts";
import { type Reply, ScriptedController } from "./testing/index.ts";

interface Record {
  readonly subtype: Subtype;
  readonly traddr: string;
  readonly subnqn?: string;
}

interface Log {
  genctr?: bigint;
  numrec?: bigint;
  recfmt?: number;
  records: readonly Record[];
}

const subsystem = (traddr: string, subnqn = `nqn.2024-01.org.example:${traddr}`): Record => ({
  subtype: Subtype.Nvm,
  traddr,
  subnqn,
});
const referral = (traddr: string): Record => ({ subtype: Subtype.Referral, traddr });

/** The bytes of a log. */
function bytesOf({ genctr = 1n, recfmt = 0, records, ...rest }: Log): Uint8Array {
  const numrec = rest.numrec ?? BigInt(records.length);
  const bytes = new Uint8Array(DiscoveryLogHeader.size * (records.length + 1));
  encode(DiscoveryLogHeader, viewOf(bytes), 0, { genctr, numrec, recfmt });
  for (const [i, { subtype, traddr, subnqn = DISCOVERY_NQN }] of records.entries()) {
    const at = DiscoveryLogHeader.size + i * DiscoveryLogEntry.size;
    const where = { trtype: Trtype.Loop, adrfam: Adrfam.Loop, traddr, trsvcid: "" };
    encode(DiscoveryLogEntry, viewOf(bytes), at, { subtype, subnqn, ...where });
  }
  return bytes;
}

/** Answers Get Log Page with a piece of `log`, as it is at that moment; zeroes after its end. */
const piecesOf =
  (log: () => Uint8Array): Reply =>
  ({ sqe, transferBytes }) => {
    const offset = GetLogPageCommand.lpo.get(sqe);
    const data = new Uint8Array(transferBytes);
    data.set(log().subarray(offset, offset + transferBytes));
    return { data };
  };

/** Discovery controllers by name, each with its log. */
function setup(logs: { readonly [name: string]: Log }) {
  const clock = new VirtualClock();
  const peers = new Map<string, ScriptedController>();
  for (const [name, log] of Object.entries(logs)) {
    const peer = new ScriptedController({
      clock,
      name,
      subsystemNqn: DISCOVERY_NQN,
      cap: { ncss: 0, noiocss: 1 },
    });
    const bytes = bytesOf(log);
    peer.on(
      "log",
      piecesOf(() => bytes),
    );
    peers.set(name, peer);
  }
  const opened: string[] = [];
  const open = ({ traddr }: { traddr: string }): Transport | undefined => {
    opened.push(traddr);
    return peers.get(traddr)?.transport();
  };
  const first = [...peers.values()].at(0)!;
  const { hostNqn, hostId } = first.hostOptions();
  const options = { hostNqn, hostId, transport: first.transport() };
  return { clock, peers, first, opened, open, options };
}

/** Lets promises and virtual time go on together, until `promise` is settled. */
async function outcome<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let pending = true;
  const over = (): void => {
    pending = false;
  };
  promise.then(over, over);
  for (let turn = 0; pending && turn < 100_000; turn++) {
    clock.settle();
    await Promise.resolve();
    if (turn % 50 === 49) clock.advance(10);
  }
  return promise;
}

const traddrs = ({ entries }: { entries: readonly { traddr: string }[] }): string[] =>
  entries.map(({ traddr }) => traddr);

describe("one log", () => {
  test("is read whole, without keep-alive or I/O queues, and the controller is left", async () => {
    const records = Array.from({ length: 10 }, (_, i) => subsystem(`a${i}`));
    const { clock, first, options } = setup({ d: { records } });
    const log = await outcome(clock, discover(options));
    expect(traddrs(log)).toEqual(records.map(({ traddr }) => traddr));
    expect(first.seenOf("connect-io")).toEqual([]);
    expect(first.seenOf("connect").at(0)!.sqe.getUint32(48, true)).toBe(0);
    expect([first.queueCount, clock.armed]).toEqual([0, 0]);
  });

  test("counts as seen only when it has been read to its end, unchanged", async () => {
    const { clock, first, options } = setup({ d: { records: [subsystem("a")] } });
    await outcome(clock, discover(options));
    const rae = first.seenOf("log").map(({ sqe }) => GetLogPageCommand.rae.get(sqe));
    expect(rae).toEqual([1, 1, 0]);
  });

  test("K15: that changes between its pieces is read again", async () => {
    const log: Log = { genctr: 1n, records: [subsystem("old")] };
    const { clock, first, options } = setup({ d: log });
    let reads = 0;
    first.on("log", (command, usual) => {
      if (++reads === 2) Object.assign(log, { genctr: 2n, records: [subsystem("new")] });
      return piecesOf(() => bytesOf(log))(command, usual);
    });
    expect(traddrs(await outcome(clock, discover(options)))).toEqual(["new"]);
    expect(reads).toBe(6);
  });

  test("D3: that changes at each read is given up after ten", async () => {
    const log: Log = { genctr: 0n, records: [subsystem("a")] };
    const { clock, first, options } = setup({ d: log });
    first.on("log", (command, usual) => {
      log.genctr!++;
      return piecesOf(() => bytesOf(log))(command, usual);
    });
    await expect(outcome(clock, discover(options))).rejects.toMatchObject({
      code: "NVME_ERR_DISCOVERY_UNSTABLE",
      hint: expect.any(String) as unknown,
    });
    expect(first.seenOf("log")).toHaveLength(30);
    expect([first.queueCount, clock.armed]).toEqual([0, 0]);
  });

  test.each([4_097n, 2n ** 64n - 1n])(
    "D1: that claims %i records is refused, before anything is allocated for them",
    async (numrec) => {
      const { clock, first, options } = setup({ d: { records: [], numrec } });
      await expect(outcome(clock, discover(options))).rejects.toMatchObject({
        code: "NVME_ERR_DISCOVERY_TOO_LARGE",
      });
      expect(first.seenOf("log")).toHaveLength(1);
    },
  );

  test("D2: of an unknown format is refused", async () => {
    const { clock, options } = setup({ d: { records: [], recfmt: 1 } });
    await expect(outcome(clock, discover(options))).rejects.toMatchObject({
      code: "NVME_ERR_PARSE",
    });
  });

  test("D4: whose records grow between the header and the rest, at the same generation, is refused", async () => {
    const log: Log = { records: [subsystem("a")] };
    const { clock, first, options } = setup({ d: log });
    let reads = 0;
    first.on("log", (command, usual) => {
      if (++reads === 2) log.numrec = 5n;
      return piecesOf(() => bytesOf(log))(command, usual);
    });
    await expect(outcome(clock, discover(options))).rejects.toMatchObject({
      code: "NVME_ERR_PARSE",
    });
  });

  test("that is not answered is given up after a bound", async () => {
    const { clock, first, options } = setup({ d: { records: [] } });
    first.drop("log");
    await expect(outcome(clock, discover(options))).rejects.toMatchObject({
      code: "NVME_ERR_TIMEOUT",
      afterMs: 10_000,
    });
    expect([first.queueCount, clock.armed]).toEqual([0, 0]);
  });

  test("that is not answered is given up when the signal aborts, with its reason", async () => {
    const { clock, first, options } = setup({ d: { records: [] } });
    first.drop("log");
    const abort = new AbortController();
    const discovering = discover({ ...options, signal: abort.signal });
    const result = outcome(clock, discovering);
    clock.at(100, () => abort.abort(new Error("changed my mind")));
    await expect(result).rejects.toThrow("changed my mind");
    expect(clock.nowMs()).toBeLessThan(5_000);
    expect([first.queueCount, clock.armed]).toEqual([0, 0]);
  });

  test("of nobody is an error", async () => {
    const { clock, first, options } = setup({ d: { records: [] } });
    first.refuseConnections();
    await expect(outcome(clock, discover(options))).rejects.toMatchObject({
      code: "NVME_ERR_UNREACHABLE",
    });
  });
});

describe("referrals", () => {
  test("are followed, and what they lead to is merged", async () => {
    const { clock, options, open } = setup({
      d: { records: [subsystem("a"), referral("e")] },
      e: { records: [subsystem("b"), subsystem("a")] },
    });
    const found = await outcome(clock, discoverAll(options, open));
    expect(traddrs(found)).toEqual(["a", "b"]);
    expect(found.unreachable).toEqual([]);
  });

  test("D7: to itself, and in circles, are followed once each", async () => {
    const { clock, options, open, opened, peers } = setup({
      d: { records: [referral("d"), referral("e")] },
      e: { records: [referral("d"), referral("e"), referral("f"), subsystem("a")] },
      f: { records: [referral("e"), referral("d")] },
    });
    const found = await outcome(clock, discoverAll(options, open));
    expect(opened).toEqual(["e", "f"]);
    expect(traddrs(found)).toEqual(["a"]);
    for (const peer of peers.values()) expect(peer.seenOf("connect")).toHaveLength(1);
  });

  test("D7: in a long chain are followed to a depth of four, and the rest is named", async () => {
    const names = Array.from({ length: 12 }, (_, i) => `d${i}`);
    const logs = Object.fromEntries(
      names.map((name, i) => [name, { records: [referral(`d${i + 1}`), subsystem(`a${i}`)] }]),
    );
    const { clock, options, open, opened } = setup(logs);
    const found = await outcome(clock, discoverAll(options, open));
    expect(opened).toEqual(["d1", "d2", "d3", "d4"]);
    expect(traddrs(found).toSorted()).toEqual(["a0", "a1", "a2", "a3", "a4"]);
    expect(found.unreachable).toMatchObject([
      { address: "loop d5", error: { code: "NVME_ERR_DISCOVERY_TOO_LARGE" } },
    ]);
  });

  test("D7: in a fan of a thousand are followed to a bound, and the rest is named", async () => {
    const records = Array.from({ length: 1_000 }, (_, i) => referral(`e${i}`));
    const { clock, options, opened } = setup({ d: { records } });
    const open = ({ traddr }: { traddr: string }): undefined => void opened.push(traddr);
    const found = await outcome(clock, discoverAll(options, open));
    expect(opened).toHaveLength(255);
    expect(found.unreachable).toHaveLength(745);
  });

  test("that do not answer are named with the reason, and the others are followed", async () => {
    const { clock, options, open, peers } = setup({
      d: { records: [referral("e"), referral("f")] },
      e: { records: [] },
      f: { records: [subsystem("a")] },
    });
    peers.get("e")!.refuseConnections();
    const found = await outcome(clock, discoverAll(options, open));
    expect(traddrs(found)).toEqual(["a"]);
    expect(found.unreachable).toMatchObject([
      { address: "loop e", error: { code: "NVME_ERR_UNREACHABLE" } },
    ]);
  });

  test("D6: that make no address are named, and the others are followed", async () => {
    const { clock, options, open } = setup({
      d: { records: [referral("port 99999"), referral("e")] },
      e: { records: [subsystem("a")] },
    });
    const strict = (entry: { traddr: string }): Transport | undefined => {
      if (entry.traddr.includes(" ")) throw new TypeError("no address");
      return open(entry);
    };
    const found = await outcome(clock, discoverAll(options, strict));
    expect(traddrs(found)).toEqual(["a"]);
    expect(found.unreachable).toMatchObject([{ error: new TypeError("no address") }]);
  });

  test("are left alone where the caller says so", async () => {
    const { clock, options } = setup({ d: { records: [referral("e"), subsystem("a")] } });
    const found = await outcome(
      clock,
      discoverAll(options, () => undefined),
    );
    expect(found).toMatchObject({ unreachable: [] });
    expect(traddrs(found)).toEqual(["a"]);
  });

  test("are not followed any more when the signal aborts, which is an error and not a result", async () => {
    const { clock, options, open, peers, opened } = setup({
      d: { records: [referral("e"), referral("f")] },
      e: { records: [] },
      f: { records: [] },
    });
    peers.get("e")!.drop("log");
    const abort = new AbortController();
    const discovering = discoverAll({ ...options, signal: abort.signal }, open);
    const result = outcome(clock, discovering);
    clock.at(2_000, () => abort.abort(new Error("changed my mind")));
    await expect(result).rejects.toThrow("changed my mind");
    expect(opened).toEqual(["e"]);
  });

  test("D8: are not followed into this machine or its link, unless they may lead anywhere", async () => {
    const suspects = ["127.0.0.1", "169.254.169.254", "::1", "localhost"];
    const logs = {
      d: { records: [...suspects.map((traddr) => referral(traddr)), subsystem("a")] },
      ...Object.fromEntries(suspects.map((traddr) => [traddr, { records: [] }])),
    };
    const { clock, options, open, opened } = setup(logs);
    const found = await outcome(clock, discoverAll(options, open));
    expect(traddrs(found)).toEqual(["a"]);
    expect(found.unreachable.map(({ error }) => error.code)).toEqual(
      suspects.map(() => "NVME_ERR_REFERRAL"),
    );
    const connected = setup(logs);
    const anywhere = { ...connected.options, referralsAnywhere: true };
    const all = await outcome(connected.clock, discoverAll(anywhere, connected.open));
    expect(all.unreachable).toEqual([]);
    expect(connected.opened).toEqual(suspects);
    expect(opened).toEqual(suspects);
  });

  test("D9: the same NQN as a subsystem and as a discovery controller is two records", async () => {
    const both = "nqn.2024-01.org.example:both";
    const { clock, options, open } = setup({
      d: {
        records: [
          subsystem("a", both),
          { subtype: Subtype.CurrentDiscovery, traddr: "a", subnqn: both },
          subsystem("a", both),
        ],
      },
    });
    const found = await outcome(clock, discoverAll(options, open));
    expect(found.entries.map(({ subtype, traddr }) => [subtype, traddr])).toEqual([
      [Subtype.Nvm, "a"],
      [Subtype.CurrentDiscovery, "a"],
    ]);
  });
});
