// A network of two ends that can vanish without a word: a namespace of the kernel and a pair of links.
// Needs Linux, `ip` and the right to use them; where they are not, its tests are skipped, and say so.

import { spawnSync } from "node:child_process";

const ip = (...args: string[]): boolean => spawnSync("ip", args).status === 0;

/** Names and addresses of one network: of this process, and out of a range for tests. */
let networks = 0;
function names() {
  const number = networks++;
  const id = `${process.pid % 100_000}x${number}`;
  // 198.18.0.0/15 is for benchmarks: nobody is reached by it.
  const prefix = `198.${18 + (process.pid & 1)}.${(process.pid >> 1) & 255}`;
  const first = (number * 4) % 252;
  return {
    namespace: `nvmeof-${id}`,
    near: { link: `nn${id}`, address: `${prefix}.${first + 1}` },
    far: { link: `nf${id}`, address: `${prefix}.${first + 2}` },
  };
}

/** Two ends; the far one is reached only by programs that run under `inside`. */
export interface VanishingNetwork extends AsyncDisposable {
  /** Address of the far end. */
  readonly far: string;
  /** Command in front of one that is to run at the far end. */
  readonly inside: readonly string[];
  /** From now on no packet arrives, and nobody is told. */
  vanish(): void;
  comeBack(): void;
}

/** Makes a network. Disposing takes it away. */
export function vanishingNetwork(): VanishingNetwork {
  const { namespace, near, far } = names();
  const inside = ["ip", "netns", "exec", namespace];
  const made =
    ip("netns", "add", namespace) &&
    ip("link", "add", near.link, "type", "veth", "peer", "name", far.link) &&
    ip("link", "set", far.link, "netns", namespace) &&
    ip("addr", "add", `${near.address}/30`, "dev", near.link) &&
    ip("link", "set", near.link, "up") &&
    ip("-n", namespace, "addr", "add", `${far.address}/30`, "dev", far.link) &&
    ip("-n", namespace, "link", "set", far.link, "up");
  const remove = (): void => {
    ip("link", "del", near.link);
    ip("netns", "del", namespace);
  };
  if (!made) {
    remove();
    throw new Error("no network namespace could be made");
  }
  return {
    far: far.address,
    inside,
    vanish: () => void ip("-n", namespace, "link", "set", far.link, "down"),
    comeBack: () => void ip("-n", namespace, "link", "set", far.link, "up"),
    async [Symbol.asyncDispose]() {
      remove();
    },
  };
}

/** Whether this process may make such networks. */
export const canVanish: boolean = (() => {
  try {
    void vanishingNetwork()[Symbol.asyncDispose]();
    return true;
  } catch {
    console.warn("No network namespaces here: the tests of a network that vanishes are skipped.");
    return false;
  }
})();
