// Who the host is: one pair of names per user, made on first use and kept, as targets know hosts by it.
// Read first: Base 2.0 §5.21.1.25 "Host Identifier": one host ID goes with one host NQN.

import { link, mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { checkNqn, parseNqn, uuidBytes, uuidNqn, uuidText } from "@nvmeof/codec";
import type { HostIdentity } from "@nvmeof/core";
import { CliError, errnoIn } from "./errors.ts";
import { readWholeFile } from "./files.ts";
import type { Io } from "./io.ts";

/** Where the pair of this user is kept. */
export function identityFile(env: Io["env"]): string {
  const given = env["XDG_CONFIG_HOME"];
  const config =
    given !== undefined && given !== "" ? given : join(env["HOME"] ?? homedir(), ".config");
  return join(config, "nvmeof", "host.json");
}

export function newIdentity(): HostIdentity {
  const hostId = crypto.randomUUID();
  return { hostNqn: uuidNqn(hostId), hostId };
}

/**
 * The host ID that goes with a host NQN: the UUID in it, or one made of it. A target refuses a host
 * ID that it knows with another NQN, so the user's own cannot be combined with a foreign NQN.
 */
export async function hostIdFor(hostNqn: string): Promise<string> {
  try {
    const parsed = parseNqn(hostNqn);
    if (parsed.kind === "uuid") return parsed.uuid;
  } catch {
    // Outside the grammar, which a target may accept all the same.
  }
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(hostNqn));
  const bytes = new Uint8Array(digest.slice(0, 16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x80; // version 8: made by a rule of our own
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return uuidText(bytes);
}

/** The user's own pair. Made on first use; `warn` is told if it cannot be kept. */
export async function userIdentity(
  env: Io["env"],
  warn: (text: string) => void,
): Promise<HostIdentity> {
  const file = identityFile(env);
  const known = await readIdentity(file);
  if (known !== undefined) return known;
  const made = newIdentity();
  try {
    return (await keep(file, made)) ?? made;
  } catch (error) {
    if (error instanceof CliError) throw error;
    warn(`the host identity is for this run only: ${(error as Error).message}`);
    return made;
  }
}

/** What `options` say, filled up with what belongs to it. */
export async function hostIdentity(
  options: { readonly hostnqn?: string | undefined; readonly hostid?: string | undefined },
  env: Io["env"],
  warn: (text: string) => void,
): Promise<HostIdentity> {
  const { hostnqn, hostid } = options;
  if (hostnqn !== undefined)
    return { hostNqn: hostnqn, hostId: hostid ?? (await hostIdFor(hostnqn)) };
  if (hostid !== undefined) return { hostNqn: uuidNqn(hostid), hostId: hostid };
  return userIdentity(env, warn);
}

/** Two names take a few hundred bytes. */
const FILE_BYTES_MAX = 64 * 1024;

async function readIdentity(file: string): Promise<HostIdentity | undefined> {
  let text: string;
  try {
    // With or without a byte order mark, which some editors write.
    text = new TextDecoder().decode(await readWholeFile(file, FILE_BYTES_MAX));
  } catch (error) {
    const { cause } = error as Error;
    if (errnoIn(cause) === "ENOENT" || errnoIn(cause) === "ENOTDIR") return undefined;
    throw unreadable(file, cause ?? error);
  }
  try {
    const { hostNqn, hostId } = JSON.parse(text) as Record<string, unknown>;
    if (typeof hostNqn !== "string" || typeof hostId !== "string") {
      throw new TypeError("it does not hold hostNqn and hostId");
    }
    uuidBytes(hostId);
    return { hostNqn: checkNqn(hostNqn), hostId };
  } catch (error) {
    throw unreadable(file, error);
  }
}

const unreadable = (file: string, cause: unknown): CliError =>
  new CliError("NVME_ERR_IDENTITY", `cannot read ${file}: ${(cause as Error).message}`, {
    hint: "Correct it, remove it, or give --hostnqn and --hostid.",
    cause,
  });

/** Writes the pair; where somebody else was first, theirs is returned. */
async function keep(file: string, identity: HostIdentity): Promise<HostIdentity | undefined> {
  await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
  const draft = `${file}.${crypto.randomUUID()}`;
  const text = `${JSON.stringify(identity, undefined, 2)}\n`;
  await writeFile(draft, text, { mode: 0o600, flag: "wx" });
  try {
    // A link appears whole or not at all, and never replaces what is there.
    await link(draft, file);
    return undefined;
  } catch (error) {
    if (errnoIn(error) === "EEXIST") return await readIdentity(file);
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}
