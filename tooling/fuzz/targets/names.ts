// What people and files give as text: addresses, names, sizes, durations, limits.
// Read first: parser.ts; apps/cli/src/address.ts. Whatever is read must be read again as it is written.

import { checkNqn, parseNqn } from "@nvmeof/codec";
import { scopeOf } from "@nvmeof/core";
// @boundaries-ignore what no package exports is tried as well
import { formatAddress, parseAddress, parseListen } from "../../../apps/cli/src/address.ts";
// @boundaries-ignore what no package exports is tried as well
import { parseLimit } from "../../../apps/cli/src/limit-options.ts";
// @boundaries-ignore what no package exports is tried as well
import { parseDuration, parseSize, parseWhole } from "../../../apps/cli/src/units.ts";
import { Broken, type FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";
import { type Choice, parsers } from "./parser.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const text =
  (parse: (text: string) => unknown) =>
  (input: Uint8Array): unknown =>
    parse(decoder.decode(input.subarray(0, 8_192)));

const some =
  (...all: readonly string[]) =>
  (random: Random): Uint8Array =>
    encoder.encode(random.pick(all));

const uuid = "6d1f9c1e-0b5a-4f5e-9c39-0d8a4c0b7e11";
const nqn = "nqn.2024-01.org.example:disk1";

function address(given: string): unknown {
  const parsed = parseAddress(given);
  const written = formatAddress({ ...parsed, host: parsed.host });
  const again = parseAddress(written);
  for (const part of ["transport", "host", "port", "subsystemNqn", "nsid"] as const) {
    if (again[part] !== parsed[part]) {
      throw new Broken(
        `${part} of ${JSON.stringify(given)}: written as ${JSON.stringify(written)}`,
      );
    }
  }
  return parsed;
}

const uris = some(
  "nvme+tcp://192.0.2.10:4420/nqn.2024-01.org.example:disk1?nsid=1",
  "nvme+tcp://[2001:db8::1]:4420/nqn.2014-08.org.nvmexpress.discovery",
  "nvme+fc://127.0.0.1:1/x?hostnqn=nqn.2024-01.x:y&hostid=" + uuid,
  "nvme+tcp://a%20b/%00?nsid=4294967295",
  "nvme+tcp://me:secret@h/#x",
);

const choices: readonly Choice[] = [
  { valid: uris, decode: text(address) },
  {
    valid: some(nqn, `nqn.2014-08.org.nvmexpress:uuid:${uuid}`, "nqn.1999-13.x", "a".repeat(223)),
    decode: text((each) => [checkNqn(each), parseNqn(each)]),
  },
  { valid: some("127.0.0.1:4420", "[::1]:0", "::1:4420", "x:99999"), decode: text(parseListen) },
  { valid: some("64M", "1.5GiB", "10 kB", "9000P", "0"), decode: text(parseSize) },
  { valid: some("500ms", "2s", "1.5m", "999999h"), decode: text((each) => parseDuration(each)) },
  { valid: some("0x1f", "31", "-1"), decode: text((each) => parseWhole(each, 0, 2 ** 32)) },
  { valid: some("connectionsMax=4", "linger-ms=2s", "__proto__=1"), decode: text(parseLimit) },
  {
    valid: some("127.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0", "localhost"),
    decode: text(scopeOf),
  },
];

export const names: FuzzTarget = parsers(
  "names",
  "addresses, names, sizes, durations and limits, as text",
  choices,
  3_000,
);
