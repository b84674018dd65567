// The packages as they will be published: packed, looked over, installed elsewhere and used. Needs a
// build (`npm run build`) and no network.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Manifest, examples, execute, manifests, read, root } from "@nvmeof/tooling-support";

const slow = { timeout: 120_000 };
const deadlineMs = 60_000;
const all = manifests();
const libraries = all.filter(({ dir }) => dir.startsWith("packages/"));

const temporary = mkdtempSync(join(tmpdir(), "nvmeof-packaging-"));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

const tarball = (name: string): string => {
  const version = all.find((manifest) => manifest.name === name)?.version ?? "";
  return join(temporary, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
};

/** Runs to success and gives stdout; a failure is told with all that the program said. */
async function succeed(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { code, output, stdout } = await execute(command, args, { cwd, deadlineMs });
  expect(code, `${command} ${args.join(" ")}\n${output}`).toBe(0);
  return stdout;
}

/** Tarballs of what the packages need of others, packed from what is installed here. By name. */
const foreign = new Map<string, string>();

async function packForeign(from: string, names: string[]): Promise<void> {
  for (const name of names.filter((each) => !foreign.has(each) && !each.startsWith("@nvmeof/"))) {
    // A package lies beside what it needs.
    const dir = realpathSync(join(from, name));
    const folder = mkdtempSync(join(temporary, "foreign-"));
    cpSync(dir, join(folder, "package"), { recursive: true });
    await succeed(folder, "tar", "-czf", "foreign.tgz", "package");
    foreign.set(name, `file:${join(folder, "foreign.tgz")}`);
    const { dependencies = {} } = JSON.parse(
      readFileSync(join(dir, "package.json"), "utf8"),
    ) as Pick<Manifest, "dependencies">;
    const beside = dir.slice(0, -name.length);
    await packForeign(beside, Object.keys(dependencies));
  }
}

/** An empty project with these packages, installed from their tarballs and from nothing else. */
async function install(folder: string, names: string[]): Promise<string> {
  const dir = join(temporary, folder);
  mkdirSync(dir);
  const own = Object.fromEntries(names.map((name) => [name, `file:${tarball(name)}`]));
  const peers = libraries
    .filter(({ name }) => names.includes(name))
    .flatMap(({ peerDependencies = {} }) => Object.keys(peerDependencies));
  const dependencies = {
    ...own,
    ...Object.fromEntries(peers.map((peer) => [peer, foreign.get(peer)])),
  };
  // What the packages need of each other is not in any registry yet, and there may be no network.
  const overrides = { ...Object.fromEntries(foreign), ...dependencies };
  const manifest = { private: true, type: "module", dependencies, overrides };
  writeFileSync(join(dir, "package.json"), JSON.stringify(manifest));
  await succeed(dir, "npm", "install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund");
  return dir;
}

/** Typechecks files of a project as its owner would, against the declarations that are installed. */
async function typecheck(dir: string, files: string[]): Promise<void> {
  const compilerOptions = {
    noEmit: true,
    strict: true,
    module: "nodenext",
    target: "es2023",
    lib: ["es2023", "esnext.disposable"],
    types: ["node"],
    typeRoots: [`${root}node_modules/@types`],
    allowImportingTsExtensions: true,
  };
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  await succeed(dir, process.execPath, `${root}node_modules/typescript/bin/tsc`, "-p", ".");
}

const specifiers = libraries.flatMap(({ name, exports = {} }) =>
  Object.keys(exports)
    .filter((subpath) => subpath !== "./package.json")
    .map((subpath) => name + subpath.slice(1)),
);

beforeAll(async () => {
  const pnpm = (JSON.parse(read("package.json")) as { packageManager: string }).packageManager;
  const filters = "--filter './packages/*' --filter './apps/*'";
  const line = `pnpm -r ${filters} pack --pack-destination ${temporary}`;
  await succeed(root, "npx", "--yes", "--prefer-offline", "--package", pnpm, "-c", line);
  for (const { dir, dependencies = {}, peerDependencies = {} } of libraries) {
    const names = Object.keys({ ...dependencies, ...peerDependencies });
    await packForeign(`${root}${dir}/node_modules`, names);
  }
}, 120_000);

test("there is a tarball for every package", () => {
  expect(all.filter(({ name }) => !existsSync(tarball(name)))).toEqual([]);
});

const bin = (name: string): string =>
  fileURLToPath(new URL(`./node_modules/.bin/${name}`, import.meta.url));

test.each(all)("publint finds nothing in $name", slow, async ({ name }) => {
  await succeed(temporary, bin("publint"), "run", tarball(name), "--strict");
});

test.each(libraries)("the types of $name are not wrong", slow, async ({ name }) => {
  const said = await succeed(temporary, bin("attw"), "--profile", "esm-only", tarball(name));
  expect(said).not.toContain("does not contain types"); // which attw accepts
});

test("publint and attw would notice an entry point that is not there", slow, async () => {
  const dir = join(temporary, "package");
  mkdirSync(dir);
  writeFileSync(join(dir, "here.js"), "export const a = 1;");
  writeFileSync(join(dir, "here.d.ts"), "export declare const a: number;");
  const exports = {
    ".": { types: "./here.d.ts", default: "./here.js" },
    "./absent": { types: "./absent.d.ts", default: "./absent.js" },
  };
  const manifest = { name: "absent", version: "1.0.0", type: "module", exports };
  writeFileSync(join(dir, "package.json"), JSON.stringify(manifest));
  await succeed(temporary, "tar", "-czf", "absent.tgz", "package");
  const options = { cwd: temporary, deadlineMs };
  const publint = await execute(bin("publint"), ["run", "absent.tgz", "--strict"], options);
  const attw = await execute(bin("attw"), ["--profile", "esm-only", "absent.tgz"], options);
  expect([publint.code, attw.code], publint.output + attw.output).toEqual([1, 1]);
});

test("all packages install together; every entry point loads and typechecks", slow, async () => {
  const names = libraries.map(({ name }) => name);
  const dir = await install("together", names);
  const loads = specifiers.map((name) => `await import("${name}");\n`);
  writeFileSync(join(dir, "load.mjs"), loads.join(""));
  await succeed(dir, process.execPath, "load.mjs");

  const uses = specifiers.map((name, i) => `import * as m${i} from "${name}";\nvoid m${i};\n`);
  writeFileSync(join(dir, "use.ts"), uses.join(""));
  await typecheck(dir, ["use.ts"]);
});

/** Runs an example in an installed project, as plain JavaScript, and holds it to its word. */
async function runExample(dir: string, name: string): Promise<void> {
  const example = examples().find((each) => each.name === name);
  for (const path of [`examples/${name}.ts`, "examples/message-ports.ts"]) {
    const { code } = await transform(read(path), { loader: "ts", target: "node20" });
    // The one import of a neighbour; all others are of packages.
    writeFileSync(join(dir, path.slice(9, -2) + "mjs"), code.replace("ports.ts", "ports.mjs"));
  }
  expect(await succeed(dir, process.execPath, `${name}.mjs`)).toMatch(example!.output);
}

test("examples typecheck and run with what is installed", slow, async () => {
  const dir = await install(
    "examples",
    libraries.map(({ name }) => name),
  );
  const files = readdirSync(`${root}examples`).filter((file) => /^[a-z-]+\.ts$/.test(file));
  for (const file of files) copyFileSync(`${root}examples/${file}`, join(dir, file));
  await typecheck(dir, files);
  for (const name of ["read-one-block", "multipath-failover", "own-transport", "test-with-faults"])
    await runExample(dir, name);
});

test("codec stands alone", slow, async () => {
  const dir = await install("alone", ["@nvmeof/codec"]);
  await runExample(dir, "decode-a-capture");
  const installed = readdirSync(join(dir, "node_modules")).filter((name) => !name.startsWith("."));
  expect(installed).toEqual(["@nvmeof"]);
  expect(readdirSync(join(dir, "node_modules/@nvmeof"))).toEqual(["codec"]);
  writeFileSync(join(dir, "load.mjs"), `await import("@nvmeof/codec");`);
  await succeed(dir, process.execPath, "load.mjs");
});

test("the command is one file that runs anywhere", slow, async () => {
  const dir = join(temporary, "command");
  mkdirSync(dir);
  copyFileSync(`${root}apps/cli/dist/nvmeof.js`, join(dir, "nvmeof.js"));
  const { version } = JSON.parse(read("apps/cli/package.json")) as { version: string };
  const said = await succeed(dir, process.execPath, "nvmeof.js", "--version");
  expect(said.trim()).toBe(version);
});

test("the command installs as one package, and `nvmeof` is on the path", slow, async () => {
  const dir = await install("installed", ["nvmeof"]);
  await succeed(dir, join(dir, "node_modules/.bin/nvmeof"), "--version");
});

test("a tarball holds the licence, and nothing that only we need", slow, async () => {
  for (const { name, exports = {} } of all) {
    const files = (await succeed(temporary, "tar", "-tzf", tarball(name))).split("\n");
    expect(files).toEqual(expect.arrayContaining(["package/README.md", "package/LICENSE"]));
    // What tests of ours stand on, unless it is there to be imported.
    const helps = "./testing" in exports ? /^package\/\w+\/.+\/testing\// : /\/testing\//;
    const ours = files.filter(
      (file) => helps.test(file) || /\.test\.|tsbuildinfo|turbo/.test(file),
    );
    expect(ours, name).toEqual([]);
  }
});
