// `alias …`: names for addresses. Read first: ../aliases.ts.

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { parseAddress } from "../address.ts";
import { type Aliases, aliasFile, checkAliasName, readAliases } from "../aliases.ts";
import type { Context, Verb } from "../context.ts";
import { CliError } from "../errors.ts";
import { replaceFile } from "../files.ts";
import { type Column, table } from "../table.ts";

/** More names than this are not a list that anybody knows by heart. */
const ALIASES_MAX = 1_000;

async function keep({ io }: Context, aliases: Aliases): Promise<void> {
  const file = aliasFile(io.env);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const sorted = Object.fromEntries(Object.entries(aliases).sort(([a], [b]) => (a < b ? -1 : 1)));
  await replaceFile(file, `${JSON.stringify(sorted, undefined, 2)}\n`);
}

/** `alias set`. */
export const set: { readonly run: Verb } = {
  run: async (context, _options, name = "", uri = "") => {
    const checked = checkAliasName(name);
    // Refuses what is no address, and secrets in it.
    parseAddress(uri);
    const aliases = { ...(await readAliases(context.io.env)), [checked]: uri };
    if (Object.keys(aliases).length > ALIASES_MAX) {
      throw new CliError("NVME_ERR_CONFIG", `there are ${ALIASES_MAX} names already`);
    }
    await keep(context, aliases);
    context.notes.say(`@${checked} stands for ${uri}`);
    return { data: { name: checked, uri }, text: () => "" };
  },
};

const columns: readonly Column<{ readonly name: string; readonly uri: string }>[] = [
  { title: "Name", value: ({ name }) => `@${name}` },
  { title: "Address", value: ({ uri }) => uri },
];

/** `alias list`. */
export const list: { readonly run: Verb } = {
  run: async ({ io }) => {
    const rows = Object.entries(await readAliases(io.env)).map(([name, uri]) => ({ name, uri }));
    return {
      data: { aliases: rows },
      text: (style) => (rows.length === 0 ? "no names\n" : table(columns, rows, style)),
    };
  },
};

/** `alias remove`. */
export const remove: { readonly run: Verb } = {
  run: async (context, _options, name = "") => {
    const checked = checkAliasName(name);
    const { [checked]: gone, ...rest } = await readAliases(context.io.env);
    if (typeof gone !== "string") {
      throw new CliError("NVME_ERR_ALIAS", `there is no address called @${checked}`, {
        hint: "`nvmeof alias list` shows those that there are.",
      });
    }
    await keep(context, rest);
    return { data: { name: checked, uri: gone }, text: () => "" };
  },
};
