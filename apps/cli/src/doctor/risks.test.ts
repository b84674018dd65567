// Each risk has its fact: none where all is well, and one for each thing that is not.

import { expect, test } from "vitest";
import { redacted } from "./bundle.ts";
import { type Facts, risksOf } from "./risks.ts";

const well: Facts = {
  isLocal: false,
  isSecure: true,
  headerDigest: false,
  dataDigest: false,
  keepAliveTimeoutMs: 10_000,
  stallMs: 20,
  h2cDataBytesMax: 131_072,
  transferBytesMax: 1_048_576,
  ioQueues: 4,
  ioQueuesAsked: 4,
  paths: 2,
  isHostIdBorrowed: false,
};

test("there is none where all is well, over TLS or on this machine", () => {
  expect(risksOf(well)).toEqual([]);
  expect(risksOf({ ...well, isSecure: false, isLocal: true, paths: 1 })).toEqual([]);
  expect(risksOf({ ...well, h2cDataBytesMax: undefined, paths: undefined })).toEqual([]);
});

test.each<[changed: Partial<Facts>, risks: RegExp[]]>([
  [{ ioQueues: 1 }, [/gives 1 I\/O queues, and 4 were asked for/]],
  [{ transferBytesMax: 65_536 }, [/transfers are small: 65\.54 kB at most \(MDTS\)/]],
  [{ h2cDataBytesMax: 4_096 }, [/at most 4\.10 kB \(MAXH2CDATA\)/]],
  [{ isSecure: false }, [/not encrypted/, /digests are off/]],
  [{ isSecure: false, headerDigest: true, dataDigest: true }, [/not encrypted/]],
  [{ isSecure: false, headerDigest: true }, [/not encrypted/, /digests are off/]],
  [{ keepAliveTimeoutMs: 0, stallMs: 9_000 }, [/there is no keep-alive/]],
  [{ keepAliveTimeoutMs: 1_000 }, [/keep-alive of 1\.00 s is shorter/]],
  [{ stallMs: 5_001 }, [/stalled for 5\.00 s: more than half of the keep-alive of 10\.00 s/]],
  [{ paths: 1 }, [/a single path/]],
  [{ isHostIdBorrowed: true }, [/one ID with two NQNs/]],
])("%j", (changed, expected) => {
  const risks = risksOf({ ...well, ...changed });
  expect(risks).toHaveLength(expected.length);
  for (const [i, text] of expected.entries()) expect(risks[i]).toMatch(text);
});

test.each([
  ["lab.example is 192.0.2.7, fe80::1:2:3:4", "(host) is (address), (address)"],
  [
    "controller 1 of nqn.2024-01.org.example:disk1, serial SN7",
    "controller 1 of (nqn), serial (serial)",
  ],
  ["host 0b5e1a6e-7c0b-4d5a-9c8f-3f1d6f0a2b11", "host (uuid)"],
  ["DHHC-1:01:c2VjcmV0IHNlY3JldA==:", "DHHC-1:(hidden)"],
  ["a loopback, 127.0.0.1:4420, is everybody's", "a loopback, 127.0.0.1:4420, is everybody's"],
])("a bundle has no names: %s", (text, shown) => {
  expect(
    redacted(
      text,
      new Map([
        ["lab.example", "host"],
        ["SN7", "serial"],
        ["", "x"],
      ]),
    ),
  ).toBe(shown);
});
