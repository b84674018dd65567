// Feature values and data.

import { expect, test } from "vitest";
import { decodeDwords, encodeDword } from "./dword.ts";
import {
  HostBehaviorSupport,
  HostIdentifier,
  KeepAliveTimer,
  NumberOfQueues,
  Timestamp,
  VolatileWriteCache,
} from "./feature.ts";
import { decode, encoded, viewOf } from "./layout.ts";
import { hexBytes, hexText, uuidBytes } from "./nqn.ts";

test("queues are counted from one, asked for and granted alike", () => {
  expect(encodeDword(NumberOfQueues, { nsq: 4, ncq: 8 })).toBe(0x0007_0003);
  expect(decodeDwords(NumberOfQueues, 0x0000_0000)).toEqual({ nsq: 1, ncq: 1 });
});

test("a grant of FFFFh is 65,536 queues, for the host to cap [H54]", () => {
  expect(decodeDwords(NumberOfQueues, 0xffff_ffff)).toEqual({ nsq: 65_536, ncq: 65_536 });
});

test("the write cache is one bit, the keep-alive timeout in milliseconds", () => {
  expect(encodeDword(VolatileWriteCache, { wce: 1 })).toBe(1);
  expect(decodeDwords(VolatileWriteCache, 0xffff_fffe)).toEqual({ wce: 0 });
  expect(decodeDwords(KeepAliveTimer, 120_000)).toEqual({ kato: 120_000 });
});

test("host behavior support enables retry delays", () => {
  const data = encoded(HostBehaviorSupport, { acre: 1, lbafee: 1 });
  expect(data).toHaveLength(512);
  expect(hexText(data.subarray(0, 6))).toBe("010001000000");
});

test("a host identifier has the byte order of its text", () => {
  const hostid = uuidBytes("00112233-4455-6677-8899-aabbccddeeff");
  expect(hexText(encoded(HostIdentifier, { hostid }))).toBe("00112233445566778899aabbccddeeff");
});

test("a timestamp has 48 bits, exact to the last", () => {
  const data = hexBytes("ff ff ff ff ff ff 03 00");
  const fields = { timestamp: 2 ** 48 - 1, sync: 1, to: 1 };
  expect(decode(Timestamp, viewOf(data))).toEqual(fields);
  expect(encoded(Timestamp, fields)).toEqual(data);
  expect(hexText(encoded(Timestamp, { timestamp: 2 ** 32 + 1 }))).toBe("0100000001000000");
});
