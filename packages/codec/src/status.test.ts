// The status table: names and sentences, the overlap of Fabrics and NVM codes, unknown codes.

import { describe, expect, test } from "vitest";
import { crdOf, dnrOf, moreOf, scOf, sctOf, statusOf } from "./cqe.ts";
import {
  commandStatus,
  fabricsStatus,
  genericStatus,
  ioStatus,
  mediaStatus,
  pathStatus,
} from "./status-table.ts";
import { Status, codeOf, describeStatus } from "./status.ts";

test("a status is described with all its parts", () => {
  // SCT 3h, SC 02h, CRD 2, More, Do Not Retry
  expect(describeStatus(0x302 | (2 << 11) | 0x2000 | 0x4000)).toEqual({
    sct: 3,
    sc: 2,
    name: "Asymmetric Access Inaccessible",
    text: "The namespace cannot be reached on this path.",
    dnr: true,
    crd: 2,
    more: true,
  });
});

test("success is a status like any other", () => {
  expect(describeStatus(0)).toMatchObject({ sct: 0, sc: 0, name: "Successful Completion" });
});

test.each([
  ["180h", 0x180, "Conflicting Attributes", "Incompatible Format"],
  ["181h", 0x181, "Invalid Protection Information", "Controller Busy"],
  ["182h", 0x182, "Attempted Write to Read Only Range", "Connect Invalid Parameters"],
  ["183h", 0x183, "Command Size Limit Exceeded", "Connect Restart Discovery"],
  ["184h", 0x184, "Invalid Command ID", "Connect Invalid Host"],
  ["185h", 0x185, "Incompatible Namespace or Format", "Invalid Queue Type"],
])(
  "%s means one thing for NVM commands and another for Fabrics commands",
  (_hex, code, nvm, fabrics) => {
    expect(describeStatus(code).name).toBe(nvm);
    expect(describeStatus(code, { fabrics: false }).name).toBe(nvm);
    expect(describeStatus(code, { fabrics: true }).name).toBe(fabrics);
  },
);

test("any command may be answered with Authentication Required or Discover Restart", () => {
  for (const fabrics of [true, false, undefined]) {
    expect(describeStatus(Status.AuthRequired, { fabrics }).name).toBe("Authentication Required");
    expect(describeStatus(Status.DiscoverRestart, { fabrics }).name).toBe("Discover Restart");
  }
});

test("admin statuses do not depend on the family", () => {
  for (const fabrics of [true, false]) {
    const { name } = describeStatus(Status.CcrLimitExceeded, { fabrics });
    expect(name).toBe("Cross-Controller Reset Limit Exceeded");
  }
});

test.each([
  [statusOf(0, 0x7e), "Generic status 7Eh"],
  [statusOf(1, 0x5a), "Command specific status 5Ah"],
  [statusOf(2, 0x01), "Media error status 01h"],
  [statusOf(3, 0x05), "Path related status 05h"],
  [statusOf(3, 0xc1), "Vendor specific status C1h"],
  [statusOf(7, 0x05), "Vendor specific status 05h"],
  [statusOf(5, 0x05), "Reserved status 5h/05h"],
])("an unknown status (%i) is named by its range", (status, name) => {
  expect(describeStatus(status).name).toBe(name);
});

test("a received status is compared without its flags", () => {
  expect(codeOf(statusOf(3, 0x71, true))).toBe(Status.HostAborted);
  expect(codeOf(Status.NamespaceNotReady | (1 << 11))).toBe(Status.NamespaceNotReady);
});

const fabricsOnly = /^(Connect|Disconnect|Discover|Auth)/;

test.each(Object.entries(Status))("Status.%s is in the table", (key, status) => {
  const { name } = describeStatus(status, { fabrics: fabricsOnly.test(key) });
  expect(name).not.toMatch(/ status /);
});

describe("every entry", () => {
  const tables = { genericStatus, commandStatus, ioStatus, fabricsStatus, mediaStatus, pathStatus };
  const entries = Object.values(tables).flatMap((table) => Object.values(table));

  test("has a name without a full stop, and one sentence with one", () => {
    for (const [name, text] of entries) {
      expect(name).toMatch(/^[A-Z].*[^.]$/);
      if (text !== undefined) expect(text).toMatch(/^[A-Z][^.]*\.$/);
    }
  });

  test("is found by its code", () => {
    const typed = [genericStatus, { ...commandStatus, ...ioStatus }, mediaStatus, pathStatus];
    for (const [sct, table] of typed.entries()) {
      for (const [sc, [name]] of Object.entries(table)) {
        expect(describeStatus(statusOf(sct, Number(sc))).name).toBe(name);
      }
    }
    expect(entries.length).toBeGreaterThan(140);
  });
});

test("each part of a packed status is its own bits, and no others", () => {
  expect(statusOf(3, 2)).toBe(0x302);
  expect(statusOf(3, 2, true)).toBe(0x4302);
  const parts = (packed: number) =>
    [scOf, sctOf, crdOf, moreOf, dnrOf].map((part) => Number(part(packed)));
  expect(parts(0x00ff)).toEqual([0xff, 0, 0, 0, 0]);
  expect(parts(0x0700)).toEqual([0, 7, 0, 0, 0]);
  expect(parts(0x1800)).toEqual([0, 0, 3, 0, 0]);
  expect(parts(0x2000)).toEqual([0, 0, 0, 1, 0]);
  expect(parts(0x4000)).toEqual([0, 0, 0, 0, 1]);
});
