// Addresses in somebody's log that mean another place here than there.
import { expect, test } from "vitest";
import { outOfScope, scopeOf } from "./referral-scope.ts";

test.each([
  ["127.0.0.1", "loopback"],
  ["127.9.9.9", "loopback"],
  ["localhost", "loopback"],
  ["a.localhost", "loopback"],
  ["::1", "loopback"],
  ["[::1]", "loopback"],
  ["0:0:0:0:0:0:0:1", "loopback"],
  ["::ffff:127.0.0.1", "loopback"],
  ["169.254.169.254", "link-local"],
  ["fe80::1", "link-local"],
  ["FEBF::1", "link-local"],
  ["0.0.0.0", "unspecified"],
  ["::", "unspecified"],
  ["224.0.0.1", "multicast"],
  ["255.255.255.255", "multicast"],
  ["ff02::1", "multicast"],
  ["192.0.2.1", undefined],
  ["10.0.0.1", undefined],
  ["2001:db8::1", undefined],
  ["fd00::1", undefined],
  ["storage.example", undefined],
  ["nn-0x1:pn-0x2", undefined],
  ["", undefined],
])("%s is %s", (traddr, scope) => {
  expect(scopeOf(traddr)).toBe(scope);
});

const from = (traddr: string) => ({ trtype: "tcp", traddr, trsvcid: "8009" });

test.each([
  ["192.0.2.1", "127.0.0.1"],
  ["192.0.2.1", "localhost"],
  ["192.0.2.1", "169.254.169.254"],
  ["storage.example", "::1"],
  ["127.0.0.1", "169.254.169.254"],
])("[D8] a referral of %s to %s is not followed, and says why", (asked, traddr) => {
  const error = outOfScope(from(asked), { traddr });
  expect(error).toMatchObject({ code: "NVME_ERR_REFERRAL", phase: "discovery" });
  expect(error?.message).toContain(traddr);
  expect(error?.hint).toContain("anywhere");
});

test.each([
  ["192.0.2.1", "198.51.100.7"],
  ["127.0.0.1", "127.0.0.2"],
  ["localhost", "::1"],
  ["127.0.0.1", "192.0.2.1"],
])("one of %s to %s is", (asked, traddr) => {
  expect(outOfScope(from(asked), { traddr })).toBeUndefined();
});
