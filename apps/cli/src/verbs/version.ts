// `version`: of the command, and of what it runs on.

import type { Verb } from "../context.ts";
import { version } from "../version.ts";

export const run: Verb = () => {
  const { node, v8, openssl } = process.versions;
  const platform = `${process.platform} ${process.arch}`;
  const text = (): string => `nvmeof ${version}\nnode ${node} (${platform})\n`;
  return Promise.resolve({ data: { version, node, v8, openssl, platform }, text });
};
