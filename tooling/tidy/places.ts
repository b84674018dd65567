// What is committed names no machine and no server: it means the same wherever it is cloned.
import { root } from "@nvmeof/tooling-support";
import type { Rule } from "./rule.ts";

const isText = (text: string): boolean => !text.includes("\0");

const complaintsAbout =
  (pattern: RegExp, what: string) =>
  (_path: string, text: string): string[] =>
    (isText(text) ? text.split("\n") : []).flatMap((line, i) =>
      pattern.test(line) || (what === "path" && line.includes(root))
        ? [`${i + 1}: names a ${what}: ${line.trim().slice(0, 80)}`]
        : [],
    );

/** Where the pattern is written down, it would find itself. */
const isThisRule = (path: string): boolean => path.startsWith("tooling/tidy/places");

export const noMachinePath: Rule = {
  says: "no file names a path of somebody's machine",
  holdsFor: (path) => !isThisRule(path),
  complaints: complaintsAbout(
    /(^|[^\w.$}/*-])(\/(home|Users)\/\w+|\/root\/\w|[A-Z]:\\Users\\)/,
    "path",
  ),
};

export const noRegistry: Rule = {
  says: "no file names a package registry or mirror",
  holdsFor: (path) => !isThisRule(path),
  complaints: complaintsAbout(
    /registry\.(npmjs|yarnpkg|npmmirror)|unpkg\.com|jsdelivr|_authToken|^\s*registry\s*=|(artifactory|verdaccio|nexus)[\w.-]*[:/]/i,
    "registry",
  ),
};

export const lockfile: Rule = {
  says: "the lockfile holds integrity hashes and no address",
  holdsFor: (path) => path === "pnpm-lock.yaml",
  complaints: complaintsAbout(/tarball:|https?:\/\//, "server"),
};
