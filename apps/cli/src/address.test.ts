// Addresses are read as people write them, and refused with a reason.

import { expect, test } from "vitest";
import { formatAddress, isUri, parseAddress, parseListen } from "./address.ts";

const nqn = "nqn.2024-01.com.example:disk1";
const nothing = {
  transport: "tcp",
  port: undefined,
  subsystemNqn: undefined,
  nsid: undefined,
  hostNqn: undefined,
  hostId: undefined,
};

test.each([
  ["nvme+tcp://192.0.2.10", { host: "192.0.2.10" }],
  ["NVMe+FC://192.0.2.10:4421", { transport: "fc", host: "192.0.2.10", port: 4421 }],
  ["nvme+tcp://192.0.2.10:8009/", { host: "192.0.2.10", port: 8009 }],
  [`nvme+tcp://target.example/${nqn}`, { host: "target.example", subsystemNqn: nqn }],
  [`NVMe+TCP://h:4420/${nqn}?nsid=3`, { host: "h", port: 4420, subsystemNqn: nqn, nsid: 3 }],
  [`nvme+tcp://h?nsid=0x10&hostnqn=${nqn}`, { host: "h", nsid: 16, hostNqn: nqn }],
  ["nvme+tcp://[::1]:4420", { host: "::1", port: 4420 }],
  ["nvme+tcp://[fe80::1%25eth0]", { host: "fe80::1%eth0" }],
  ["nvme+tcp://h/nqn.2024-01.x:a%3Fb%2Fc/d", { host: "h", subsystemNqn: "nqn.2024-01.x:a?b/c/d" }],
])("%s is understood", (text, expected) => {
  expect(parseAddress(text)).toEqual({ ...nothing, ...expected });
});

test.each([
  ["192.0.2.10:4420", "does not begin with nvme+tcp://"],
  ["http://192.0.2.10", "http is not a transport that is known"],
  ["nvme+rdma://192.0.2.10", "nvme+rdma is not a transport that is known"],
  ["nvme+fc://nn-0x1:pn-0x2", '"pn-0x2" is not a port'],
  ["nvme+fc://[::1", "it is not host[:port]"],
  ["nvme+tcp://", "the host is missing"],
  ["nvme+tcp://h:0", '"0" is not a port'],
  ["nvme+tcp://h:65536", '"65536" is not a port'],
  ["nvme+tcp://h:x", '"x" is not a port'],
  ["nvme+tcp://::1", "is not a port"],
  ["nvme+tcp://[::1", "it is not host[:port]"],
  ["nvme+tcp://[not-six]", "is not an IPv6 address"],
  ["nvme+tcp://h/%zz", "a % is not followed by two hexadecimal digits"],
  ["nvme+tcp://h/a%00b", "control character"],
  ["nvme+tcp://h?nsid=0", '"0" is not a namespace ID'],
  ["nvme+tcp://h?nsid=4294967295", "is not a namespace ID"],
  ["nvme+tcp://h?color=red", '"color" is not known'],
  ["nvme+tcp://h#here", "# has no meaning"],
])("%s is refused", (text, reason) => {
  expect(() => parseAddress(text)).toThrow(reason);
});

test.each([
  "nvme+tcp://user:sesame@h/x",
  "nvme+tcp://h?dhchap-secret=sesame",
  "nvme+tcp://h?psk=sesame",
])("%s is refused without the secret being repeated", (text) => {
  expect(() => parseAddress(text)).toThrow(/^(?!.*sesame)/s);
  expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: "NVME_ERR_ADDRESS" }));
});

test.each([
  { host: "192.0.2.10" },
  { host: "::1", port: 4420, subsystemNqn: nqn, nsid: 7 },
  { host: "fe80::1%eth0", port: 1 },
  { host: "h", subsystemNqn: "nqn.2024-01.x:a?b#c%d/é" },
  { transport: "fc" as const, host: "::1", port: 4421, subsystemNqn: nqn },
])("what is formatted is read back: %o", (address) => {
  expect(parseAddress(formatAddress(address))).toEqual({ ...nothing, ...address });
});

test("a path is no address, whatever it is called", () => {
  expect(["disk.img", "-", "./nvme+tcp", "/nvme/tcp"].filter(isUri)).toEqual([]);
  expect(isUri("nvme+tcp://h")).toBe(true);
});

test("an address to listen on has a host and a port, 0 for any", () => {
  expect(parseListen("127.0.0.1:0")).toEqual({ host: "127.0.0.1", port: 0 });
  expect(parseListen("[::1]:4420")).toEqual({ host: "::1", port: 4420 });
  for (const wrong of ["4420", ":4420", "::1:4420", "h:65536", "h:"]) {
    expect(() => parseListen(wrong)).toThrow("is not HOST:PORT");
  }
});
