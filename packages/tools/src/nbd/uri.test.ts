// URIs of exports, as the format of NBD URIs has them.

import { expect, test } from "vitest";
import { nbdUri } from "./uri.ts";

test.each([
  [{ host: "127.0.0.1", port: 10_809 }, "disk", "nbd://127.0.0.1/disk"],
  [{ host: "127.0.0.1", port: 4000 }, "", "nbd://127.0.0.1:4000/"],
  [{ host: "::1", port: 4000 }, "/disk", "nbd://[::1]:4000//disk"],
  [{ host: "disks.example", port: 1 }, "hello world?", "nbd://disks.example:1/hello%20world%3F"],
  [{ socket: "/run/nbd.sock" }, "disk", "nbd+unix:///disk?socket=/run/nbd.sock"],
  [{ socket: "/run/a b&c" }, "", "nbd+unix:///?socket=/run/a%20b%26c"],
])("%j with %j is %s", (address, name, uri) => {
  expect(nbdUri(address, name)).toBe(uri);
});

test("TLS is in the scheme", () => {
  expect(nbdUri({ host: "::1", port: 10_809 }, "a", true)).toBe("nbds://[::1]/a");
  expect(nbdUri({ socket: "/s" }, "a", true)).toBe("nbds+unix:///a?socket=/s");
});
