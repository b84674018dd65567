// Which package may import which. DESIGN: "each package imports only from those above it".
import { posix } from "node:path";
import { importsOf } from "./syntax.ts";
import type { Rule } from "./rule.ts";

/** From the bottom up. */
export const order: readonly string[] = [
  "codec",
  "transport",
  "core",
  "bdev",
  "target",
  "telemetry",
  "sim",
  "tools",
];

/** What an app embeds; an app not named here may use every package. */
const apps: Readonly<Record<string, readonly string[]>> = { inspector: ["codec", "sim"] };

export const direction: Rule = {
  says: "a package imports only from the layers below it",
  holdsFor: (path) => /^(packages|apps)\/[^/]+\/src\/.*\.ts$/.test(path),
  complaints(path, text) {
    const [kind = "", own = ""] = path.split("/");
    const below = kind === "apps" ? (apps[own] ?? order) : order.slice(0, order.indexOf(own));
    return importsOf(path, text).flatMap(({ specifier, line }) => {
      const layer = /^@nvmeof\/([^/]+)/.exec(specifier)?.[1];
      if (layer !== undefined && !below.includes(layer))
        return [`${line}: ${own} must not import ${specifier}`];
      const file = posix.join(posix.dirname(path), specifier);
      if (specifier.startsWith(".") && !file.startsWith(`${kind}/${own}/`))
        return [`${line}: ${specifier} is in another package; import it by its name`];
      return [];
    });
  },
};
