// One test run for the repository: tests stand beside their sources, and the packages import each
// other's sources, so nothing has to be built first (the tests in tooling/ excepted).
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { chromium, chromiumArgs } from "./tooling/support/chromium.ts";
import { ClosingLine } from "./scripts/closing-line.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

type Exports = Record<string, string | Record<string, string>>;

// An alias and not a resolve condition: Vitest would hand the condition on to Node, and a worker
// thread would then load a .ts file, which Node 20 cannot.
const alias = readdirSync(at("./packages")).flatMap((dir) => {
  const file = at(`./packages/${dir}/package.json`);
  if (!existsSync(file)) return [];
  const { name, exports } = JSON.parse(readFileSync(file, "utf8")) as {
    name: string;
    exports: Exports;
  };
  return Object.entries(exports).flatMap(([subpath, entry]) => {
    const source = typeof entry === "string" ? undefined : entry["@nvmeof/source"];
    if (source === undefined) return [];
    const find = new RegExp(`^${name}${subpath.slice(1)}$`);
    return [{ find, replacement: at(`./packages/${dir}/${source}`) }];
  });
});

const node = {
  extends: true as const,
  test: {
    name: "node",
    include: ["{packages,apps}/*/src/**/*.test.ts", "tooling/*/**/*.test.ts", "examples/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**", "**/*.browser.test.ts"],
  },
};

/** The scenarios once more, over FC; some are about bytes, some go over both by themselves. */
const overFc = {
  extends: true as const,
  test: {
    name: "over fc",
    include: ["tooling/scenarios/*.test.ts"],
    exclude: [
      "**/races-*.test.ts",
      "**/fc-faults.test.ts",
      "**/discovery-referrals.test.ts",
      "**/protocol-faults.test.ts",
    ],
    env: { SCENARIOS_OVER: "fc" },
    // The heaviest of them send a million frames.
    testTimeout: 60_000,
  },
};

const browser = {
  extends: true as const,
  test: {
    name: "browser",
    include: ["{packages,apps}/*/src/**/*.browser.test.ts"],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      instances: [{ browser: "chromium" as const }],
      provider: playwright({
        launchOptions: { executablePath: chromium ?? "", args: [...chromiumArgs] },
      }),
    },
  },
};

if (chromium === undefined) console.warn("No Chromium found: the browser tests are skipped.");

export default defineConfig({
  resolve: { alias },
  test: {
    projects: chromium === undefined ? [node, overFc] : [node, overFc, browser],
    // Tests over real sockets wait for events; on a busy machine those may take their time.
    testTimeout: 20_000,
    reporters: ["default", new ClosingLine()],
    // `npm run coverage`: by their own tests, of the packages that everything else stands on.
    coverage: {
      provider: "v8",
      include: ["packages/{codec,transport,core}/src/**/*.ts"],
      exclude: ["**/*.test.ts", "**/testing/**", "**/conformance/**"],
      reporter: [["text", { skipFull: true }]],
      thresholds: {
        "packages/codec/src/**": { lines: 99, branches: 97 },
        "packages/transport/src/**": { lines: 95, branches: 90 },
        "packages/core/src/**": { lines: 95, branches: 90 },
      },
    },
  },
});
