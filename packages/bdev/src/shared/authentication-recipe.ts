// What a controller authenticates with, as plain data: another thread makes the same of it.
// Read first: @nvmeof/core auth/options.ts. It holds secrets: it goes from thread to thread and nowhere else.

import { type AuthHashName, type DhGroupName, authHashName, dhGroupName } from "@nvmeof/codec/auth";
import type { ResolvedOptions } from "@nvmeof/core";

/** Secrets as text (`DHHC-1:…`), and what is accepted, by name. */
export interface AuthenticationRecipe {
  readonly hostKey: string;
  readonly controllerKey: string | undefined;
  readonly hashes: readonly AuthHashName[];
  readonly groups: readonly DhGroupName[];
  readonly timeoutMs: number;
  readonly repeatMs: number;
}

export function authenticationRecipe({
  authentication,
}: Pick<ResolvedOptions, "authentication">): AuthenticationRecipe | undefined {
  if (authentication === undefined) return undefined;
  const { hostKey, controllerKey, hashes, groups, timeoutMs, repeatMs } = authentication;
  return {
    hostKey: hostKey.revealText(),
    controllerKey: controllerKey?.revealText(),
    hashes: hashes.map((hash) => authHashName(hash) as AuthHashName),
    groups: groups.map((group) => dhGroupName(group) as DhGroupName),
    timeoutMs,
    repeatMs,
  };
}
