// Claims: who may write to a device that several have open. Pure rules; registry.ts applies them.
// The kinds and what they allow are those of SPDK's generic block layer, so that they can be looked up.

/** How a handle claims its device. Everybody may read, always. */
export type ClaimKind =
  /** Nobody else may become a writer; those who write already go on (SPDK's legacy claim). */
  | "exclusive-write"
  /** The claimer is the only writer. */
  | "read-many-write-one"
  /** Nobody writes; any number of handles may hold this claim together. */
  | "read-many-write-none"
  /** Those who claim with the same key write together, and nobody else. */
  | "read-many-write-shared";

/** A claim as it is asked for and held. */
export interface Claim {
  readonly kind: ClaimKind;
  /** For "read-many-write-shared": what those who write together have in common. */
  readonly key: string | undefined;
}

interface ClaimRule {
  /** The claim makes its holder a writer. Otherwise the holder must not be one. */
  readonly writes: boolean;
  /** Handles that write without a claim may be open. */
  readonly toleratesWriters: boolean;
  /** Others may hold the same claim. */
  readonly isShared: boolean;
}

/** What each kind of claim means. */
export const claimRules: Readonly<Record<ClaimKind, ClaimRule>> = {
  "exclusive-write": { writes: true, toleratesWriters: true, isShared: false },
  "read-many-write-one": { writes: true, toleratesWriters: false, isShared: false },
  "read-many-write-none": { writes: false, toleratesWriters: false, isShared: true },
  "read-many-write-shared": { writes: true, toleratesWriters: false, isShared: true },
};

/** A handle as far as claims are concerned. */
export interface ClaimParty {
  /** Who it is, for messages. */
  readonly holder: string;
  readonly writes: boolean;
  readonly claim: Claim | undefined;
}

/** Why a handle may not be opened for writing next to `others`; `undefined` if it may. */
export function openRefusal(others: readonly ClaimParty[]): string | undefined {
  const claimer = others.find((each) => each.claim !== undefined);
  return claimer && `${claimer.holder} holds a ${claimer.claim!.kind} claim`;
}

/** Why `party` may not make `claim` next to `others`; `undefined` if it may. */
export function claimRefusal(
  party: ClaimParty,
  claim: Claim,
  others: readonly ClaimParty[],
): string | undefined {
  const rule = claimRules[claim.kind];
  if (party.claim !== undefined) return `it holds a ${party.claim.kind} claim already`;
  if (!rule.writes && party.writes) return "it is open for writing itself";
  for (const other of others) {
    if (other.claim === undefined) {
      if (other.writes && !rule.toleratesWriters) return `${other.holder} has it open for writing`;
      continue;
    }
    if (!rule.isShared || other.claim.kind !== claim.kind) {
      return `${other.holder} holds a ${other.claim.kind} claim`;
    }
    if (other.claim.key !== claim.key) return `${other.holder} shares it under another key`;
  }
  return undefined;
}
