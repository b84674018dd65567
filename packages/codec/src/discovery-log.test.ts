// The discovery log as bytes, and hostile ones.

import { expect, test } from "vitest";
import {
  Adrfam,
  DiscoveryLogEntry,
  DiscoveryLogHeader,
  Eflag,
  RdmaTsas,
  Sectype,
  SecureChannel,
  Subtype,
  TSAS_OFFSET,
  Trtype,
  adrfamName,
  decodeDiscoveryEntry,
  decodeDiscoveryHeader,
  decodeDiscoveryLog,
  sectypeName,
  subtypeName,
  trtypeName,
} from "./discovery-log.ts";
import { encode, encoded, viewOf } from "./layout.ts";
import { hexBytes } from "./nqn.ts";

const subnqn = "nqn.2024-01.com.example:disk";

/** An entry of bytes: what is at the offsets given, zeroes elsewhere. */
function entryOf(parts: Readonly<Record<number, string>>): Uint8Array {
  const bytes = new Uint8Array(1024);
  for (const [offset, hex] of Object.entries(parts)) bytes.set(hexBytes(hex), Number(offset));
  return bytes;
}

const ascii = (text: string): string =>
  Array.from(text, (c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("");

const parts = {
  0: "03 01 02 05  01 00  ff ff  20 00  02 00",
  32: ascii("4420".padEnd(32)),
  256: ascii(subnqn),
  512: ascii("192.0.2.10".padEnd(256)),
  768: "02",
};

test("an entry for a subsystem on TCP with TLS 1.3", () => {
  const meaning = {
    trtype: Trtype.Tcp,
    adrfam: Adrfam.IPv4,
    subtype: Subtype.Nvm,
    tsc: SecureChannel.Required,
    sqfcd: 1,
    portid: 1,
    cntlid: 0xffff,
    asqsz: 32,
    eflags: Eflag.Persistent,
    trsvcid: "4420",
    subnqn,
    traddr: "192.0.2.10",
    sectype: Sectype.Tls13,
  };
  expect(decodeDiscoveryEntry(viewOf(entryOf(parts)))).toEqual(meaning);
  expect(encoded(DiscoveryLogEntry, meaning)).toEqual(entryOf(parts));
});

test("addresses padded with zeroes read like those padded with spaces", () => {
  const zeroes = {
    ...parts,
    32: ascii("4420").padEnd(64, "0"),
    512: ascii("::1").padEnd(512, "0"),
  };
  expect(decodeDiscoveryEntry(viewOf(entryOf(zeroes)))).toMatchObject({
    trsvcid: "4420",
    traddr: "::1",
  });
});

test("SECTYPE is read of TCP entries only; RDMA has something else in its place", () => {
  const rdma = viewOf(entryOf({ ...parts, 0: "01 01 02", 768: "01 04 01 00 00 00 00 00 ff ff" }));
  expect(decodeDiscoveryEntry(rdma).sectype).toBeUndefined();
  expect(RdmaTsas.prtype.get(rdma, TSAS_OFFSET)).toBe(4);
  expect(RdmaTsas.pkey.get(rdma, TSAS_OFFSET)).toBe(0xffff);
});

test("values that are not assigned stay numbers, and are shown as such [D5]", () => {
  const odd = viewOf(entryOf({ ...parts, 0: "09 63 07 ff" }));
  expect(decodeDiscoveryEntry(odd)).toMatchObject({ trtype: 9, adrfam: 0x63, subtype: 7, tsc: 3 });
  expect(trtypeName(9)).toBe("unknown (09h)");
  expect(adrfamName(0x63)).toBe("unknown (63h)");
  expect([trtypeName(3), adrfamName(2), subtypeName(3), sectypeName(2)]).toEqual([
    "TCP",
    "IPv6",
    "Current Discovery",
    "TLS 1.3",
  ]);
});

test("text without an end, with line ends and escapes is cut and replaced [D6]", () => {
  const hostile = {
    ...parts,
    32: "41".repeat(32),
    256: `${"42".repeat(255)} 0a`,
    512: `${ascii("a\r\nb")} 1b 5b 32 4a`,
  };
  const { trsvcid, subnqn, traddr } = decodeDiscoveryEntry(viewOf(entryOf(hostile)));
  expect(trsvcid).toBe("A".repeat(32));
  expect(subnqn).toBe(`${"B".repeat(255)}\ufffd`);
  expect(traddr).toBe("a\ufffd\ufffdb\ufffd[2J");
});

/** A log of this header and so many entries. */
function logOf(header: Partial<{ genctr: bigint; numrec: bigint; recfmt: number }>, count: number) {
  const log = new Uint8Array(1024 * (count + 1));
  encode(DiscoveryLogHeader, viewOf(log), 0, header);
  for (let i = 1; i <= count; i++) log.set(entryOf(parts), 1024 * i);
  return log;
}

test("a log is a header of 1024 bytes and its entries", () => {
  const log = logOf({ genctr: 7n, numrec: 2n }, 2);
  expect(log.subarray(0, 18)).toEqual(hexBytes("0700000000000000 0200000000000000 0000"));
  expect(decodeDiscoveryHeader(log)).toEqual({ genctr: 7n, numrec: 2n, recfmt: 0 });
  const { genctr, entries } = decodeDiscoveryLog(log);
  expect(genctr).toBe(7n);
  expect(entries.map((entry) => entry.subnqn)).toEqual([subnqn, subnqn]);
});

test("a log longer than its records has the rest ignored", () => {
  expect(decodeDiscoveryLog(logOf({ numrec: 1n }, 3)).entries).toHaveLength(1);
  expect(decodeDiscoveryLog(logOf({}, 0)).entries).toEqual([]);
});

test.each([
  ["claims 2^64 - 1 records [D1]", logOf({ numrec: 2n ** 64n - 1n }, 1), 8],
  ["claims one record more than it has [D4]", logOf({ numrec: 2n }, 1), 8],
  ["is cut within a record [D4]", logOf({ numrec: 1n }, 1).subarray(0, 2047), 8],
  ["is cut within its header [D4]", logOf({}, 0).subarray(0, 1023), 1023],
  ["has records of another format [D2]", logOf({ recfmt: 1 }, 0), 16],
])("a log that %s is refused", (_what, log, offset) => {
  expect.assertions(1);
  try {
    decodeDiscoveryLog(log);
  } catch (error) {
    expect(error).toMatchObject({ code: "NVME_ERR_PARSE", offset });
  }
});
