// Short names for addresses: @lab stands for nvme+tcp://…. Kept in a file of the user's, which `alias` writes.
// Read first: identity.ts, which keeps its file beside this one.

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseAddress } from "./address.ts";
import { CliError, errnoIn, usage } from "./errors.ts";
import { identityFile } from "./identity.ts";
import type { Io } from "./io.ts";

/** Names and the addresses that they stand for. */
export type Aliases = Readonly<Record<string, string>>;

/** What a name may be: it stands after an @. */
const namePattern = /^[a-z\d][\w.-]{0,63}$/i;

export const aliasFile = (env: Io["env"]): string =>
  join(dirname(identityFile(env)), "aliases.json");

/** @throws CliError NVME_ERR_USAGE for what is no name. */
export function checkAliasName(text: string): string {
  const name = text.replace(/^@/, "");
  if (namePattern.test(name)) return name;
  throw usage(
    `"${text}" is no name for an address`,
    "Letters, digits, dots, dashes, _; 64 at most.",
  );
}

/** All that there are. @throws CliError NVME_ERR_CONFIG for a file that cannot be understood. */
export async function readAliases(env: Io["env"]): Promise<Aliases> {
  const file = aliasFile(env);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (errnoIn(error) === "ENOENT" || errnoIn(error) === "ENOTDIR") return {};
    throw unreadable(file, error);
  }
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== "object" || found === null || Array.isArray(found)) {
      throw new TypeError("it is no object of names and addresses");
    }
    for (const [name, address] of Object.entries(found)) {
      checkAliasName(name);
      if (typeof address !== "string") throw new TypeError(`${name} is no address`);
      parseAddress(address);
    }
    return found as Aliases;
  } catch (error) {
    throw unreadable(file, error);
  }
}

const unreadable = (file: string, cause: unknown): CliError =>
  new CliError("NVME_ERR_CONFIG", `cannot read ${file}: ${(cause as Error).message}`, {
    hint: "Correct it, or remove it.",
    cause,
  });

/**
 * The address that an argument stands for; any other argument stays as it is. A query behind the name
 * (`@lab?nsid=2`) is added.
 */
export async function expandAlias(argument: string, env: Io["env"]): Promise<string> {
  const [, name, query = ""] = /^@([^?]+)(\?.*)?$/.exec(argument) ?? [];
  if (name === undefined || !namePattern.test(name)) return argument;
  const aliases = await readAliases(env);
  const address = Object.hasOwn(aliases, name) ? aliases[name] : undefined;
  if (address === undefined) {
    const known = Object.keys(aliases).map((each) => `@${each}`);
    throw new CliError("NVME_ERR_ALIAS", `there is no address called @${name}`, {
      hint: known.length === 0 ? "`nvmeof alias set` makes one." : `There are ${known.join(", ")}.`,
    });
  }
  if (query === "") return address;
  return address.includes("?") ? `${address}&${query.slice(1)}` : `${address}${query}`;
}
