// What alerts and errors of TLS mean to a host and to a target: one row each.

import { expect, test } from "vitest";
import { hostError, printableIdentity, targetError } from "./tls-explain.ts";

const identity = "NVMe0R01 nqn.2024-01.com.example:host nqn.2024-01.com.example:disk1";
const remote = "192.0.2.1:4420";

/** An error as Node makes it of an alert. */
const alert = (number: number): Error =>
  new Error(`00:error:0A000410:SSL routines:ssl3_read_bytes:x:y.c:1:SSL alert number ${number}\n`);
const ssl = (code: string, reason: string): Error =>
  Object.assign(new Error(`00:error:0A0000FD:SSL routines:x:${reason}:y.c:1:`), { code, reason });

test.each([
  [40, "rejected", "handshake failure (alert 40)"],
  [47, "wrong-key", "illegal parameter (alert 47)"], // of OpenSSL before 3.2
  [51, "wrong-key", "decrypt error (alert 51)"],
  [70, "rejected", "protocol version (alert 70)"],
  [115, "unknown-identity", "unknown PSK identity (alert 115)"],
  [116, "rejected", "certificate required (alert 116)"],
  [250, "rejected", "alert (alert 250)"],
] as const)("a host that is sent alert %d", (number, failure, words) => {
  const error = hostError(alert(number), remote, identity);
  expect(error).toMatchObject({ failure, alert: number, identity, permanent: true, phase: "tls" });
  expect(error.message).toBe(`${remote} refused the TLS handshake: ${words}; identity ${identity}`);
  expect(error.hint).toMatch(/key/);
});

test.each([
  [ssl("ERR_SSL_WRONG_VERSION_NUMBER", "wrong version number"), "not-spoken", true],
  [ssl("ERR_SSL_HTTP_REQUEST", "http request"), "not-spoken", true],
  [ssl("ERR_SSL_SOMETHING_NEW", "something new"), "handshake", false],
  [new Error("read ECONNRESET"), "handshake", false],
  [undefined, "handshake", false],
] as const)("a host that is not answered in TLS: %s", (cause, failure, permanent) => {
  const error = hostError(cause, remote, identity);
  expect(error).toMatchObject({ failure, permanent, alert: undefined, identity });
  expect(error.message).toContain(remote);
  // Words, and not what is for those who debug OpenSSL.
  expect(error.message).not.toContain("SSL routines");
});

const none = { identity: undefined, known: false, cause: undefined };
const asked = { ...none, identity };
const found = { ...asked, known: true };

test.each([
  ["another key", found, ssl("ERR_SSL_BINDER_DOES_NOT_VERIFY", "binder"), "wrong-key"],
  ["no key", asked, ssl("ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM", "none"), "unknown-identity"],
  ["no PSK", none, ssl("ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM", "none"), "handshake"],
  ["an empty identity", { ...none, identity: "" }, undefined, "handshake"],
  ["no TLS", none, ssl("ERR_SSL_PACKET_LENGTH_TOO_LONG", "too long"), "not-spoken"],
  ["an alert of the host", found, alert(48), "rejected"],
  ["an end with a key", found, undefined, "handshake"],
  ["something else with a key", found, ssl("ERR_SSL_BAD_EXTENSION", "bad"), "handshake"],
] as const)("a target that meets %s", (_name, offer, cause, failure) => {
  const error = targetError(cause, offer);
  expect(error.failure).toBe(failure);
  expect(error.identity).toBe(offer.identity === "" ? undefined : offer.identity);
  expect(error.message).not.toContain("SSL routines");
});

test("an identity is told as far as it prints, and has a bound", () => {
  expect(printableIdentity("a\u0000b\u001b[2J\u202e")).toBe("a\ufffdb\ufffd[2J\ufffd");
  expect(printableIdentity("x".repeat(70_000))).toHaveLength(512);
});
