// `config …`: the files of nvme-cli as we understand them. Read first: ../config.ts.

import { type Configuration, configFiles, ownConfig, readConfig } from "../config.ts";
import type { Report, Verb } from "../context.ts";
import { CliError } from "../errors.ts";
import type { CommonOptions } from "../options.ts";
import { type Column, table } from "../table.ts";
import { DISCOVERY_PORT, IO_PORT } from "../target-options.ts";

type Way = Configuration["ways"][number];

const portOf = ({ kind, options }: Way): number =>
  options.trsvcid ?? (kind === "discovery" ? DISCOVERY_PORT : IO_PORT);

const columns: readonly Column<Way>[] = [
  { title: "Kind", value: ({ kind }) => kind },
  { title: "Transport", value: ({ options }) => options.transport ?? "tcp", drop: 2 },
  { title: "Address", value: ({ options }) => options.traddr ?? "" },
  { title: "Service", value: (way) => String(portOf(way)) },
  { title: "Subsystem", value: ({ options }) => options.nqn ?? "-" },
  { title: "From", value: ({ place }) => place, drop: 1 },
];

function report(found: Configuration): Report {
  return {
    data: { file: found.file, ways: found.ways, warnings: found.warnings },
    text: (style) =>
      `${found.file}\n${found.ways.length === 0 ? "no addresses\n" : table(columns, found.ways, style)}`,
  };
}

/** `config show`. */
export const show: { readonly run: Verb } = {
  run: async ({ io, warn }, _options, file?: string) => {
    const found = file === undefined ? await ownConfig(io.env) : await readConfig(file);
    if (found === undefined) {
      throw new CliError("NVME_ERR_FILE_NOT_FOUND", "there is no file of configuration", {
        hint: `It would be ${configFiles(io.env).join(" or ")}.`,
      });
    }
    for (const warning of found.warnings) warn(warning);
    return report(found);
  },
};

interface ValidateOptions extends CommonOptions {
  readonly strict?: boolean;
}

/** `config validate`. */
export const validate: { readonly run: Verb<ValidateOptions> } = {
  run: async ({ warn }, { strict }, file = "") => {
    const found = await readConfig(file);
    const [first] = found.warnings;
    if (strict === true && first !== undefined) {
      throw new CliError("NVME_ERR_CONFIG", `${file}, ${first}`);
    }
    for (const warning of found.warnings) warn(warning);
    const { ways, warnings } = found;
    return {
      data: { file, addresses: ways.length, warnings },
      text: () => `${file}: ${ways.length} addresses, ${warnings.length} warnings\n`,
    };
  },
};
