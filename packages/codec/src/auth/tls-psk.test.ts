// PSKs and identities are those that libnvme and the Linux kernel derive, and those of HKDF written out.

import { createHmac, hkdfSync } from "node:crypto";
import { expect, test } from "vitest";
import { hexText } from "../nqn.ts";
import { TlsKey } from "./tls-key.ts";
import { type Hmac, TlsIdentityError, deriveTlsPsk, parseTlsIdentity } from "./tls-psk.ts";

const hmac: Hmac = (hash, key, ...data) => {
  const mac = createHmac(hash, key);
  for (const each of data) mac.update(each);
  return new Uint8Array(mac.digest());
};

const spec = TlsKey.parse("NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:");
const spec48 = TlsKey.parse(
  "NVMeTLSkey-1:02:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwP/w0S89ELi3W2LxIcLXVsDn8kXZQ==:",
);
const counted = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i);
const libnvme = { hostNqn: "nqn.psk-test-host", subsystemNqn: "nqn.psk-test-subsys" };
const ours = {
  hostNqn: "nqn.2014-08.org.nvmexpress:uuid:5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11",
  subsystemNqn: "nqn.2024-01.com.example:disk1",
};
const both = `${ours.hostNqn} ${ours.subsystemNqn}`;

test("identity version 0 is the example of NVMe/TCP 1.0 §3.6.1.3", () => {
  const uuid = "nqn.2014-08.org.nvmexpress:uuid:";
  const names = {
    hostNqn: `${uuid}f81d4fae-7dec-11d0-a765-00a0c91e6bf6`,
    subsystemNqn: `${uuid}36ebf5a9-1df9-47b3-a6d0-e9ba32e428a2`,
  };
  expect(deriveTlsPsk(hmac, spec, names, { version: 0 }).identity).toBe(
    `NVMe0R01 ${names.hostNqn} ${names.subsystemNqn}`,
  );
});

test.each([
  ["SHA-256", spec, false, "NVMe1R01", "iSbjiStwJ/1TrTvDlt2fjFmzvsytOJelidNnA+X5lEU="],
  ["SHA-256, compat", spec, true, "NVMe1R01", "66GuqV08TsAGII39teWUfwQwizjv06Jy8jOcX3NAAzM="],
  [
    "SHA-384",
    spec48,
    false,
    "NVMe1R02",
    "QhW2+Rp6RzHlNtCslyRxMnwJ11tKKhz8JCAQpQ+XUD8f9td1VeH5h53yz2wKJG1a",
  ],
  [
    "SHA-384, compat",
    spec48,
    true,
    "NVMe1R02",
    "RsKmYJ3nAn1ApjjMloJFbAkLPivONDAX/xW327YBUsn2eGShXSjCZvBaOxscLqmz",
  ],
] as const)(
  "identity version 1 is that of libnvme's tests: %s",
  (_name, key, compat, head, digest) => {
    const { identity } = deriveTlsPsk(hmac, key, libnvme, { version: 1, compat });
    expect(identity).toBe(`${head} nqn.psk-test-host nqn.psk-test-subsys ${digest}`);
  },
);

// `nvme check-tls-key --insert` and `nvme tls-key --export` of nvme-cli 2.13 with libnvme 1.13.
test.each([
  [1, 32, 0, `NVMe0R01 ${both} NVMeTLSkey-0:01:qssNnpEmnA0ZLotF6vojJnxrEfDQKLQUB48/YMJw51KXCwUj:`],
  [
    1,
    32,
    1,
    `NVMe1R01 ${both} SflR9398+z0W9Nu4OrNjiPEnATL9+UFPxcxhS6KbdEA= ` +
      "NVMeTLSkey-1:01:vT+h0wblfkoXnRw63+bi+9YYZxdcv7Xmo12NowY3Sz48pIHJ:",
  ],
  [
    0,
    32,
    1,
    `NVMe1R01 ${both} sPFM5xtZMJ/UKrUnITol7J0J4nqhP/gDCjOWSpu8X0g= ` +
      "NVMeTLSkey-1:01:4O8CDjNz2R4+PeUEt/OsvDCK7CZGh4FxRU6687NUrMneCCfc:",
  ],
] as const)("hash 0%d, %d bytes, version %d: the line that nvme-cli 2.13 exports", (...row) => {
  const [hash, bytes, version, line] = row;
  const key = new TlsKey(counted(bytes), hash);
  expect(deriveTlsPsk(hmac, key, ours, { version, compat: true }).revealLine()).toBe(line);
});

/** HKDF-Expand-Label by the platform's HKDF, with the label written out. */
function expanded(hash: string, secret: Uint8Array, label: string, context: string): Uint8Array {
  const length = secret.length;
  const text = `tls13 ${label}`;
  const info = Buffer.concat([
    Buffer.from([length >> 8, length & 0xff, text.length]),
    Buffer.from(text),
    Buffer.from([Buffer.byteLength(context)]),
    Buffer.from(context),
  ]);
  return new Uint8Array(hkdfSync(hash, secret, new Uint8Array(0), info, length));
}

test.each([
  [1, 32, "sha256", 0],
  [1, 32, "sha256", 1],
  [2, 48, "sha384", 0],
  [2, 48, "sha384", 1],
  [0, 32, "sha256", 1],
  [0, 48, "sha384", 0],
] as const)(
  "hash 0%d, %d bytes, %s, version %d: HKDF of RFC 5869, labels of RFC 8446",
  (...row) => {
    const [hash, bytes, name, version] = row;
    const secret = counted(bytes);
    // A name that is not ASCII takes part as UTF-8.
    const names = { ...ours, subsystemNqn: "nqn.2024-01.com.example:größe" };
    const psk = deriveTlsPsk(hmac, new TlsKey(secret, hash), names, { version });
    const retained = hash === 0 ? secret : expanded(name, secret, "HostNQN", names.hostNqn);
    const said = `${names.hostNqn} ${names.subsystemNqn}`;
    const digest = createHmac(name, retained).update(`${said} NVMe-over-Fabrics`).digest("base64");
    const hh = bytes === 32 ? "01" : "02";
    const context = version === 0 ? `NVMe0R${hh} ${said}` : `${hh} ${digest}`;
    expect(psk.identity).toBe(version === 0 ? context : `NVMe1R${hh} ${said} ${digest}`);
    expect(hexText(psk.reveal())).toBe(hexText(expanded(name, retained, "nvme-tls-psk", context)));
  },
);

test("other names, another key, another version: each gives another PSK", () => {
  const key = new TlsKey(counted(32));
  const psks = [
    deriveTlsPsk(hmac, key, ours),
    deriveTlsPsk(hmac, key, ours, { version: 0 }),
    deriveTlsPsk(hmac, key, ours, { compat: true }),
    deriveTlsPsk(hmac, key, libnvme),
    deriveTlsPsk(hmac, key, { ...ours, hostNqn: libnvme.hostNqn }),
    deriveTlsPsk(hmac, spec, ours),
  ];
  expect(new Set(psks.map((psk) => hexText(psk.reveal()))).size).toBe(psks.length);
});

test("S3: an identity that has no room in a label is refused with its length", () => {
  const long = { hostNqn: `nqn.${"h".repeat(120)}`, subsystemNqn: `nqn.${"s".repeat(117)}` };
  const version = 0;
  expect(deriveTlsPsk(hmac, spec, long, { version }).identity).toHaveLength(255);
  const longer = { ...long, subsystemNqn: `${long.subsystemNqn}s` };
  const derive = (): unknown => deriveTlsPsk(hmac, spec, longer, { version });
  expect(derive).toThrow(TlsIdentityError);
  expect(derive).toThrow("the PSK identity has 256 bytes; 255 is the limit");
  expect(() => deriveTlsPsk(hmac, spec, { ...ours, hostNqn: "a\nb" })).toThrow(/control/);
});

test("an identity is taken apart", () => {
  const { identity } = deriveTlsPsk(hmac, spec, ours);
  expect(parseTlsIdentity(identity)).toEqual({
    version: 1,
    type: "retained",
    hash: 1,
    ...ours,
    digest: identity.split(" ")[3],
  });
  expect(parseTlsIdentity(`NVMe0G02 ${both}`)).toEqual({
    version: 0,
    type: "generated",
    hash: 2,
    ...ours,
    digest: "",
  });
});

test.each([
  ["", "nothing"],
  ["Client_identity", "another program's"],
  [`NVMe0R01 ${ours.hostNqn}`, "one name only"],
  [`NVMe0R01 ${both} `, "a space at its end"],
  [`NVMe0R01  ${both}`, "two spaces"],
  [`NVMe0R03 ${both}`, "a hash that is none"],
  [`NVMe2R01 ${both}`, "a version of the future"],
  [`NVMe0X01 ${both}`, "a type that is none"],
  [`NVMe0R01 ${both} AAAA`, "version 0 with a digest"],
  [`NVMe1R01 ${both}`, "version 1 without one"],
  [`NVMe1R01 ${both} A A`, "five parts"],
  [`NVMe0R01 ${both}\0`, "a zero byte"],
  [`NVMe0R01 ${"h".repeat(224)} ${ours.subsystemNqn}`, "a name that is too long"],
])("S3: %j is no identity: %s", (text) => {
  expect(parseTlsIdentity(text)).toBeUndefined();
});
