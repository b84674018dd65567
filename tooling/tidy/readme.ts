// The code in READMEs is code: every ```ts block typechecks and, unless it says `no-run`, runs; every
// ```sh run block runs against the built command.
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { execute, root, type Outcome } from "@nvmeof/tooling-support";

export interface Block {
  /** `packages/codec/README.md` */
  path: string;
  /** The line of the opening fence. */
  line: number;
  language: string;
  /** What follows the language: `no-run`, `run` or nothing. */
  flags: string;
  code: string;
}

/** All fenced blocks, whatever their language. */
export function blocksOf(path: string, text: string): Block[] {
  const blocks: Block[] = [];
  let open: { block: Block; fence: string } | undefined;
  for (const [i, line] of text.split("\n").entries()) {
    if (open === undefined) {
      const [, fence, language = "", flags = ""] = /^ *(`{3,})(\S*) *(.*)$/.exec(line) ?? [];
      if (fence === undefined) continue;
      open = { fence, block: { path, line: i + 1, language, flags: flags.trim(), code: "" } };
      blocks.push(open.block);
    } else if (line.trim() === open.fence) {
      open = undefined;
    } else {
      open.block.code += `${line}\n`;
    }
  }
  return blocks;
}

/**
 * A folder in which blocks are files. It lies in this package's node_modules, so that a block's
 * imports resolve as they do for whoever depends on the packages.
 */
export class Workshop {
  readonly #dir: string;

  constructor(name: string) {
    this.#dir = fileURLToPath(new URL(`./node_modules/.cache/readme/${name}/`, import.meta.url));
    rmSync(this.#dir, { recursive: true, force: true });
    mkdirSync(this.#dir, { recursive: true });
    writeFileSync(`${this.#dir}package.json`, `{ "type": "module" }`);
  }

  /** Typechecks all blocks at once; the complaints name the line in the README. */
  async typecheck(blocks: Block[]): Promise<string[]> {
    const files = blocks.map((block) => this.#write(block));
    const compilerOptions = { rootDir: root, moduleDetection: "force" };
    const config = { extends: `${root}tsconfig.check.json`, compilerOptions, include: [], files };
    writeFileSync(`${this.#dir}tsconfig.json`, JSON.stringify(config));
    const tsc = `${root}node_modules/typescript/bin/tsc`;
    const args = [tsc, "--pretty", "false", "-p", "."];
    const { code, output } = await execute(process.execPath, args, {
      cwd: this.#dir,
      deadlineMs: 60_000,
    });
    if (code === 0) return [];
    return output
      .trim()
      .split("\n")
      .map((complaint) => {
        const [, file, line, rest] = /^([\w-]+\.ts)\((\d+),\d+\): (.*)/.exec(complaint) ?? [];
        const block = blocks[files.indexOf(file ?? "")];
        return block === undefined
          ? complaint
          : `${block.path}:${block.line + Number(line)}: ${rest}`;
      });
  }

  async run(block: Block, deadlineMs: number): Promise<Outcome> {
    return block.language === "sh" ? this.#shell(block, deadlineMs) : this.#node(block, deadlineMs);
  }

  #write(block: Block): string {
    const name = `${block.path.replace(/\W+/g, "-")}-${block.line}.ts`;
    writeFileSync(this.#dir + name, block.code);
    return name;
  }

  async #node(block: Block, deadlineMs: number): Promise<Outcome> {
    const file = this.#dir + this.#write(block);
    const outfile = file.replace(/ts$/, "mjs");
    await build({
      entryPoints: [file],
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      conditions: ["@nvmeof/source"],
      logLevel: "silent",
      // CommonJS dependencies call `require` for Node's own modules, which ESM does not have.
      banner: {
        js: `import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);`,
      },
    });
    return execute(process.execPath, [outfile], { cwd: this.#dir, deadlineMs });
  }

  #shell(block: Block, deadlineMs: number): Promise<Outcome> {
    const cli = `${root}apps/cli/dist/nvmeof.js`;
    const command = `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`;
    // Stands in for the registry: `npx nvmeof` is the built command, anything else a mistake.
    const npx = `#!/bin/sh\n[ "$1" = nvmeof ] || exit 127\nshift\nexec nvmeof "$@"\n`;
    for (const [name, text] of Object.entries({ nvmeof: command, npx })) {
      writeFileSync(this.#dir + name, text);
      chmodSync(this.#dir + name, 0o755);
    }
    return execute("bash", ["-euo", "pipefail", "-c", block.code], {
      cwd: this.#dir,
      deadlineMs,
      env: { PATH: `${this.#dir}:${process.env["PATH"] ?? ""}` },
    });
  }
}
