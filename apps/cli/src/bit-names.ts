// What the bits of fields mean, by the names of their tables in the codec: for -H.
// Read first: Base 2.0 §5.17.2.1 "Identify Controller data structure"; @nvmeof/codec identify.ts.

import {
  Anacap,
  AsyncEventBit,
  Cmic,
  CriticalWarning,
  Ctratt,
  Lpa,
  Nsfeat,
  Oacs,
  Oncs,
  Sgls,
} from "@nvmeof/codec";
import { Ocfs, Rescap, Sanicap } from "@nvmeof/codec/management";

type Bits = Readonly<Record<string, number>>;

/** Tables of the fields of Identify Controller. */
export const controllerBits: Readonly<Record<string, Bits>> = {
  cmic: Cmic,
  oaes: AsyncEventBit,
  ctratt: Ctratt,
  oacs: Oacs,
  lpa: Lpa,
  anacap: Anacap,
  oncs: Oncs,
  sgls: Sgls,
  sanicap: Sanicap,
  ocfs: Ocfs,
  fuses: { CompareAndWrite: 1 },
  vwc: { Present: 1 },
  ofcs: { Disconnect: 1 },
};

/** Tables of the fields of Identify Namespace, and of the one that is independent of command sets. */
export const namespaceBits: Readonly<Record<string, Bits>> = {
  nsfeat: Nsfeat,
  nmic: { Shared: 1 },
  rescap: Rescap,
  nsattr: { WriteProtected: 1 },
};

/** Tables of the fields of the SMART log. */
export const smartBits: Readonly<Record<string, Bits>> = { cw: CriticalWarning };

const words = (key: string): string => key.replace(/([a-z\d])(?=[A-Z])/g, "$1 ").toLowerCase();

/** Names of the bits that are set, and the numbers of those that have none: "compare, bit 9". */
export function bitNames(table: Bits, value: number): string {
  const named = Object.entries(table).filter(([, bit]) => (value & bit) >>> 0 === bit >>> 0);
  const covered = named.reduce((sum, [, bit]) => (sum | bit) >>> 0, 0);
  const rest = Array.from({ length: 32 }, (_, i) => i).filter(
    (i) => (((value & ~covered) >>> i) & 1) === 1,
  );
  const all = [...named.map(([name]) => words(name)), ...rest.map((i) => `bit ${i}`)];
  return all.length === 0 ? "none" : all.join(", ");
}
