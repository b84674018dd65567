// Addresses as people write them, there and back.

import { expect, test } from "vitest";
import { addressBytes, addressText, endpointText } from "./address.ts";

test.each([
  "0.0.0.0",
  "192.0.2.255",
  "::",
  "::1",
  "2001:db8::7",
  "2001:db8:0:1:1:1:1:1",
  "fe80::1:0:0:1",
  "1:2:3:4:5:6:7:8",
])("%s reads back as it was written", (text) => {
  const bytes = addressBytes(text)!;
  expect(addressText(new DataView(bytes.buffer), 0, bytes.length)).toBe(text);
});

test("an IPv4 address in an IPv6 one, and a zone", () => {
  expect(addressBytes("::ffff:192.0.2.1")).toEqual(
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1),
  );
  expect(addressBytes("fe80::1%eth0")).toEqual(addressBytes("fe80::1"));
});

test.each([
  "",
  "1.2.3",
  "1.2.3.256",
  "1.2.3.4.5",
  ":::",
  "1::2::3",
  "1:2:3",
  "12345::",
  "g::",
  "host",
  "1:2:3:4:5:6:7::8",
])("%s is no address", (text) => {
  expect(addressBytes(text)).toBeUndefined();
});

test("an endpoint has brackets where it needs them", () => {
  expect(endpointText({ address: "192.0.2.1", port: 4420 })).toBe("192.0.2.1:4420");
  expect(endpointText({ address: "::1", port: 8009 })).toBe("[::1]:8009");
});
