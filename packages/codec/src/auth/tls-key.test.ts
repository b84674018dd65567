// Keys of TLS are read as the specification, nvme-cli and people write them, and show nowhere.

import { inspect } from "node:util";
import { expect, test } from "vitest";
import { hexBytes, hexText } from "../nqn.ts";
import { TlsKey, TlsKeyError, TlsKeyHash, TlsPsk, isTlsKey, tlsSecret } from "./tls-key.ts";

const key32 = "5512dbb6737d0106f65975b773dfb011ffc344bcf442e2dd6d8bc4870b5d5b03";
const key48 = `${key32}ffc344bcf442e2dd6d8bc4870b5d5b03`;
const text32 = "NVMeTLSkey-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:";
const identity = "NVMe0R01 nqn.2024-01.com.example:host nqn.2024-01.com.example:disk1";

test.each([
  ["the example of NVMe/TCP 1.0 §3.6.1.5", 1, key32, text32],
  [
    "libnvme's, without a transform",
    0,
    key32,
    "NVMeTLSkey-1:00:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:",
  ],
  [
    "libnvme's, SHA-384",
    2,
    key48,
    "NVMeTLSkey-1:02:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwP/w0S89ELi3W2LxIcLXVsDn8kXZQ==:",
  ],
] as const)("%s is read, and written again", (_name, hash, secret, text) => {
  const key = TlsKey.parse(text);
  expect([key.hash, key.length, hexText(key.reveal())]).toEqual([hash, secret.length / 2, secret]);
  expect(key.revealText()).toBe(text);
  expect(new TlsKey(hexBytes(secret), hash).revealText()).toBe(text);
});

test.each([
  ["", "no-prefix"],
  [`x${text32}`, "no-prefix"],
  ["DHHC-1:01:VRLbtnN9AQb2WXW3c9+wEf/DRLz0QuLdbYvEhwtdWwNf9LrZ:", "no-prefix"],
  [text32.replace("-1:", "-2:"), "unknown-version"],
  [text32.replace(":01:", ":1:"), "no-prefix"],
  [text32.replace(":01:", ":03:"), "unknown-hash"],
  [text32.slice(0, -1), "no-end"],
  ["NVMeTLSkey-1:01:", "no-end"],
  [`${text32}\n`, "white-space"],
  [text32.replace("VRL", "VR "), "white-space"],
  [text32.replace("VRL", "VR-"), "not-base64"],
  [text32.replace("VRLb", "VRL"), "not-base64"],
  [`${text32}x:`, "not-base64"],
  ["NVMeTLSkey-1:01:AAAA:", "bad-length"],
  ["NVMeTLSkey-1:01::", "bad-length"],
  [text32.replace("VRLb", "VRLbVRLb"), "bad-length"],
  [text32.replace(":01:", ":02:"), "hash-length"],
  [text32.replace("VRLb", "VRLc"), "bad-crc"],
  [text32.replace("f9LrZ:", "f9LrY:"), "bad-crc"],
])("%s is refused: %s", (text, fault) => {
  const refuse = (): unknown => TlsKey.parse(text);
  expect(refuse).toThrow(expect.objectContaining({ fault, code: "NVME_ERR_TLS_KEY" }));
  // The text is not repeated: it may be a key in all but a character.
  expect(refuse).toThrow(/^(?!.*(RLb|VRLc|LrZ|LrY))/s);
});

test("a key has the length of its hash", () => {
  expect(() => new TlsKey(new Uint8Array(32), TlsKeyHash.Sha384)).toThrow(TlsKeyError);
  expect(() => new TlsKey(new Uint8Array(48))).toThrow(/hash/);
  expect(() => new TlsKey(new Uint8Array(33), TlsKeyHash.None)).toThrow(/32 or 48 bytes/);
  expect(new TlsKey(new Uint8Array(48), TlsKeyHash.None).length).toBe(48);
});

test("a line of nvme-cli's key file is read, and written again", () => {
  // What `nvme tls-key --export` of nvme-cli 2.13 prints.
  const line = `${identity} NVMeTLSkey-0:01:qssNnpEmnA0ZLotF6vojJnxrEfDQKLQUB48/YMJw51KXCwUj:`;
  const psk = TlsPsk.parseLine(line);
  expect([psk.identity, psk.hash]).toEqual([identity, TlsKeyHash.Sha256]);
  expect(hexText(psk.reveal())).toBe(
    "aacb0d9e91269c0d192e8b45eafa23267c6b11f0d028b414078f3f60c270e752",
  );
  expect(psk.revealLine()).toBe(line);
  expect(() => TlsPsk.parseLine(identity)).toThrow(/does not begin/);
  expect(() => TlsPsk.parseLine(`${text32} ${text32} ${text32}`)).toThrow(/does not begin/);
  expect(() => TlsPsk.parseLine(line.replace(":01:", ":00:"))).toThrow(/two digits/);
  expect(() => TlsPsk.parseLine(line.slice(0, -1))).toThrow(/colon at its end/);
  expect(() => TlsPsk.parseLine(line.replace("qss", "qst"))).toThrow(/checksum/);
});

test("a key and a PSK show their secret in no text that is not asked for by name", () => {
  const secret = hexBytes(key32);
  const all = [new TlsKey(secret), new TlsPsk(identity, 1, secret)];
  for (const each of all) {
    const shown = [
      String(each),
      JSON.stringify({ each }),
      inspect(each, { depth: 9, showHidden: true }),
      JSON.stringify(Object.assign({}, each)),
      Object.values(each).join(),
    ].join("\n");
    expect(shown).not.toMatch(/VRLbtn|5512dbb6|85, ?18/i);
  }
  expect(String(all[0])).toBe("NVMeTLSkey-1:01:(key of 32 bytes):");
  // Neither is changed by what becomes of the bytes that it was given, or gave.
  secret.fill(0);
  all[0]!.reveal().fill(0);
  expect(hexText(all[0]!.reveal())).toBe(key32);
});

test("a secret is an object, or the text of a key or of a line, with what a file has around it", () => {
  const key = TlsKey.parse(text32);
  const psk = new TlsPsk(identity, TlsKeyHash.Sha256, hexBytes(key32));
  expect(tlsSecret(key)).toBe(key);
  expect(tlsSecret(psk)).toBe(psk);
  const read = tlsSecret(`${text32}\n`);
  expect([isTlsKey(read), hexText(read.reveal())]).toEqual([true, key32]);
  const line = tlsSecret(` ${psk.revealLine()}\n`);
  expect([isTlsKey(line), hexText(line.reveal())]).toEqual([false, key32]);
  expect(() => tlsSecret("neither")).toThrow(TlsKeyError);
});

test("what is revealed is a copy: who clears it clears nothing else", () => {
  for (const secret of [TlsKey.parse(text32), new TlsPsk(identity, 1, hexBytes(key32))]) {
    secret.reveal().fill(0);
    expect(hexText(secret.reveal())).toBe(key32);
  }
});

test("in text and in JSON a secret says what it is, and nothing of itself", () => {
  const key = TlsKey.parse(text32);
  const psk = new TlsPsk(identity, 1, hexBytes(key32));
  expect(JSON.stringify({ key, psk })).toBe(
    `{"key":"NVMeTLSkey-1:01:(key of 32 bytes):","psk":"${identity} (PSK of 32 bytes)"}`,
  );
  expect(String(psk)).toBe(`${identity} (PSK of 32 bytes)`);
});
