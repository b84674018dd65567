// Hash functions and Diffie-Hellman groups of DH-HMAC-CHAP: identifiers, names and sizes.
// Read first: Base 2.0 §8.13.5 "DH-HMAC-CHAP Protocol", tables of hash functions and DH groups.

/** Hash function identifiers. */
export const AuthHash = { Sha256: 1, Sha384: 2, Sha512: 3 } as const;
export type AuthHash = (typeof AuthHash)[keyof typeof AuthHash];

/** Diffie-Hellman group identifiers; `Null` is none: then the secrets alone are what counts. */
export const DhGroup = {
  Null: 0,
  Ffdhe2048: 1,
  Ffdhe3072: 2,
  Ffdhe4096: 3,
  Ffdhe6144: 4,
  Ffdhe8192: 5,
} as const;
export type DhGroup = (typeof DhGroup)[keyof typeof DhGroup];

/** Names as SPDK and the kernel's configuration write them. */
export const authHashNames = {
  sha256: AuthHash.Sha256,
  sha384: AuthHash.Sha384,
  sha512: AuthHash.Sha512,
} as const;
/** What people call a hash: "sha256". */
export type AuthHashName = keyof typeof authHashNames;

/** Names of groups. */
export const dhGroupNames = {
  null: DhGroup.Null,
  ffdhe2048: DhGroup.Ffdhe2048,
  ffdhe3072: DhGroup.Ffdhe3072,
  ffdhe4096: DhGroup.Ffdhe4096,
  ffdhe6144: DhGroup.Ffdhe6144,
  ffdhe8192: DhGroup.Ffdhe8192,
} as const;
/** What people call a group: "ffdhe2048". */
export type DhGroupName = keyof typeof dhGroupNames;

const nameIn = (names: Readonly<Record<string, number>>, id: number): string =>
  Object.entries(names).find(([, each]) => each === id)?.[0] ?? `unknown (${id})`;

/** Name of a hash; "unknown (n)" for what is none. */
export const authHashName = (id: number): string => nameIn(authHashNames, id);
/** Name of a group; "unknown (n)" for what is none. */
export const dhGroupName = (id: number): string => nameIn(dhGroupNames, id);

/** Whether a number from a peer is a hash that is known here. */
export const isAuthHash = (id: number): id is AuthHash => id >= 1 && id <= 3;
/** Whether a number from a peer is a group that is known here. */
export const isDhGroup = (id: number): id is DhGroup => id >= 0 && id <= 5;

/** Bytes of a hash, and so of challenges and responses. */
export const authHashBytes = (hash: AuthHash): number => [0, 32, 48, 64][hash]!;

/** Bytes of a group's prime, and so of its public values; 0 for the null group. */
export const dhGroupBytes = (group: DhGroup): number => [0, 256, 384, 512, 768, 1024][group]!;
