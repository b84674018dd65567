// When two namespaces are one: field by field, and what is given as zeroes is not given.
// Read first: identity.ts.

import {
  IdentifyNamespace,
  type NamespaceIdentifiers,
  encodeNamespaceDescriptors,
  encoded,
  uuidBytes,
} from "@nvmeof/codec";
import { type NamespaceFacts, decodeNamespace } from "@nvmeof/core";
import { expect, test } from "vitest";
import {
  type NamespaceIdentity,
  hasIdentity,
  identityDifference,
  identityOf,
  identityText,
} from "./identity.ts";

const UUID = "0e4a1c9c-98a3-4a0f-8c9e-0f6f6b7e1d22";
const nobody: NamespaceIdentity = { eui64: undefined, nguid: undefined, uuid: undefined, csi: 0 };
const full: NamespaceIdentity = { eui64: "01", nguid: "02", uuid: UUID, csi: 0 };

/** A namespace whose controller lists these descriptors. */
function described(
  identify: Partial<{ eui64: Uint8Array; nguid: Uint8Array }>,
  descriptors: NamespaceIdentifiers = {},
): NamespaceFacts {
  const page = encoded(IdentifyNamespace, { nsze: 64n, ncap: 64n, ...identify });
  // LBA format 0: 512 bytes.
  page[130] = 9;
  return decodeNamespace(1, page, encodeNamespaceDescriptors(descriptors));
}

test("namespaces differ by the first field that differs, given or not", () => {
  expect(identityDifference(full, { ...full })).toBeUndefined();
  expect(identityDifference(nobody, { ...nobody })).toBeUndefined();
  for (const field of ["uuid", "nguid", "eui64"] as const) {
    expect(identityDifference(full, { ...full, [field]: "other" })).toBe(field);
    expect(identityDifference(full, { ...full, [field]: undefined })).toBe(field);
    expect(identityDifference(nobody, { ...nobody, [field]: "other" })).toBe(field);
  }
  expect(identityDifference(full, { ...full, csi: 2 })).toBe("csi");
  expect(identityDifference(full, { eui64: "x", nguid: "x", uuid: "x", csi: 1 })).toBe("uuid");
});

test("to differ is mutual", () => {
  const some: NamespaceIdentity[] = [full, nobody];
  for (const field of ["uuid", "nguid", "eui64"] as const) {
    some.push({ ...full, [field]: undefined }, { ...nobody, [field]: "z" });
  }
  for (const a of some) {
    for (const b of some) expect(identityDifference(a, b)).toBe(identityDifference(b, a));
  }
});

test("without any identifier a namespace cannot be told from others; a command set is none", () => {
  expect(hasIdentity(nobody)).toBe(false);
  expect(hasIdentity({ ...nobody, csi: 2 })).toBe(false);
  for (const field of ["uuid", "nguid", "eui64"] as const) {
    expect(hasIdentity({ ...nobody, [field]: "x" })).toBe(true);
  }
});

test("descriptors go before Identify, and zeroes stand for nothing", () => {
  const nguid = new Uint8Array(16).fill(0xab);
  const zeroes = new Uint8Array(16);
  expect(identityOf(described({}))).toEqual(nobody);
  expect(identityOf(described({ nguid }))).toEqual({ ...nobody, nguid: "ab".repeat(16) });
  const other = new Uint8Array(16).fill(0xcd);
  expect(identityOf(described({ nguid }, { nguid: other })).nguid).toBe("cd".repeat(16));
  expect(identityOf(described({ nguid }, { nguid: zeroes })).nguid).toBe("ab".repeat(16));
  expect(identityOf(described({}, { uuid: uuidBytes(UUID) })).uuid).toBe(UUID);
  expect(identityOf(described({ eui64: new Uint8Array(8) })).eui64).toBeUndefined();
});

test("people see the best name that there is", () => {
  expect(identityText(full)).toBe(`uuid ${UUID}`);
  expect(identityText({ ...full, uuid: undefined })).toBe("nguid 02");
  expect(identityText({ ...nobody, eui64: "01" })).toBe("eui64 01");
  expect(identityText(nobody)).toBe("no identity");
});
