// Who a host says it is: names that Connect carries, and that are a claim, not a proof.
// Read first: Base 2.0 §6.3 "Connect Command and Response"; connect.ts checks them.

/** Who a host says it is; a claim, not a proof. */
export interface HostIdentity {
  readonly nqn: string;
  /** Host Identifier, 16 bytes. */
  readonly id: Uint8Array;
}

/** Whether two identifiers are the same. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.every((byte, i) => byte === b[i]);

/** Whether two claims are of one host: both names are the same. */
export const sameHost = (a: HostIdentity, b: HostIdentity): boolean =>
  a.nqn === b.nqn && sameBytes(a.id, b.id);
