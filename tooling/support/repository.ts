// The repository as data: its files and the manifests of its packages.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Absolute path of the repository, with a slash at the end. */
export const root: string = fileURLToPath(new URL("../../", import.meta.url));

export const read = (path: string): string => readFileSync(root + path, "utf8");

/** Paths of all files that are, or would be, committed. */
export function trackedFiles(): string[] {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const list = execFileSync("git", args, { cwd: root, encoding: "utf8" });
  return [...new Set(list.split("\0"))].filter((path) => path !== "" && existsSync(root + path));
}

export interface Manifest {
  /** `packages/codec` */
  dir: string;
  name: string;
  version: string;
  description?: string;
  keywords?: string[];
  files?: string[];
  repository?: { type: string; url: string; directory?: string };
  license?: string;
  private?: boolean;
  sideEffects?: boolean;
  type?: string;
  engines?: Record<string, string>;
  exports?: Record<string, string | Record<string, string>>;
  publishConfig?: { access?: string; exports?: Record<string, string | Record<string, string>> };
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

/** Manifests of the packages that are published. */
export function manifests(): Manifest[] {
  return trackedFiles()
    .filter((path) => /^(packages|apps)\/[^/]+\/package\.json$/.test(path))
    .map((path) => {
      const manifest = JSON.parse(read(path)) as Omit<Manifest, "dir">;
      return { ...manifest, dir: path.replace("/package.json", "") };
    })
    .filter((manifest) => manifest.private !== true);
}
