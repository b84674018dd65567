// Whether two namespaces are one: what controllers say of a namespace, compared field by field.
// Read first: Base 2.0 §4.5.1 "Unique Identifier"; spdk-bdev-nvme.md §2.2, §6.1 row 16.

import { hexText, uuidText } from "@nvmeof/codec";
import type { NamespaceFacts } from "@nvmeof/core";

/** What tells a namespace from all others. Fields that the controller leaves out are undefined. */
export interface NamespaceIdentity {
  readonly eui64: string | undefined;
  readonly nguid: string | undefined;
  readonly uuid: string | undefined;
  /** Command Set Identifier; 0, the NVM command set, where it is not given. */
  readonly csi: number;
}

const given = (bytes: Uint8Array | undefined): Uint8Array | undefined =>
  bytes?.some((byte) => byte !== 0) === true ? bytes : undefined;

/** The identifiers themselves. A controller gives some of them in two places, or as zeroes. */
export function identifiersOf({ identify, identifiers }: NamespaceFacts): {
  readonly eui64: Uint8Array | undefined;
  readonly nguid: Uint8Array | undefined;
  readonly uuid: Uint8Array | undefined;
} {
  return {
    eui64: given(identifiers.eui64) ?? given(identify.eui64),
    nguid: given(identifiers.nguid) ?? given(identify.nguid),
    uuid: given(identifiers.uuid),
  };
}

/** Identity as Identify and the namespace's descriptors give it. */
export function identityOf(facts: NamespaceFacts): NamespaceIdentity {
  const { eui64, nguid, uuid } = identifiersOf(facts);
  return {
    eui64: eui64 && hexText(eui64),
    nguid: nguid && hexText(nguid),
    uuid: uuid && uuidText(uuid),
    csi: facts.identifiers.csi ?? 0,
  };
}

/**
 * The first field in which two namespaces differ; undefined when they are the same. A field that only
 * one of them has is a difference: paths to one namespace report one identity.
 */
export function identityDifference(
  a: NamespaceIdentity,
  b: NamespaceIdentity,
): keyof NamespaceIdentity | undefined {
  for (const field of ["uuid", "nguid", "eui64", "csi"] as const) {
    if (a[field] !== b[field]) return field;
  }
  return undefined;
}

/** A namespace that is not identified at all cannot be told from another one. */
export const hasIdentity = (identity: NamespaceIdentity): boolean =>
  identity.uuid !== undefined || identity.nguid !== undefined || identity.eui64 !== undefined;

/** Identity in one line, for people. */
export function identityText(identity: NamespaceIdentity): string {
  if (identity.uuid !== undefined) return `uuid ${identity.uuid}`;
  if (identity.nguid !== undefined) return `nguid ${identity.nguid}`;
  if (identity.eui64 !== undefined) return `eui64 ${identity.eui64}`;
  return "no identity";
}
