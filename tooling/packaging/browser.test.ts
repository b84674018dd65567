// The codec in a browser: bundled and minified as an application would, then run in Chromium.
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium as playwright } from "playwright";
import { expect, test } from "vitest";
import { chromium, chromiumArgs } from "@nvmeof/tooling-support";

/** As much as a page may be asked to load for it. */
const gzippedBytesMax = 20 * 1024;

/** Stands where code refers to a global of Node's; a string that says "Buffer" is not touched. */
const mark = "NODE_GLOBAL";
const nodeGlobals = ["Buffer", "process", "global", "setImmediate", "__dirname"];

async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    platform: "browser", // an import of Node's own modules does not resolve
    target: "es2022",
    conditions: ["@nvmeof/source"],
    define: Object.fromEntries(nodeGlobals.map((name) => [name, mark])),
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

/** All of it, so that the size is that of the whole package. */
const wholeCodec = `import * as codec from "@nvmeof/codec"; globalThis.codec = codec;`;

test("codec bundles for a browser, without a trace of Node, and small", async () => {
  const text = await bundle(wholeCodec);
  const gzippedBytes = gzipSync(text).length;
  console.log(`codec for a browser: ${gzippedBytes} bytes gzipped, ${gzippedBytesMax} allowed`);
  expect(text.includes(mark), "codec uses a global of Node's").toBe(false);
  expect(gzippedBytes).toBeLessThanOrEqual(gzippedBytesMax);
});

test("the example that decodes a capture needs no Node either", async () => {
  const text = await bundle(`import "../../examples/decode-a-capture.ts";`);
  expect(text).toContain("CID");
  expect(text.includes(mark), "it uses a global of Node's").toBe(false);
});

test("a trace of Node would be noticed", async () => {
  expect(await bundle(`console.log(Buffer.from("a"));`)).toContain(mark);
  await expect(bundle(`import { connect } from "node:net"; connect(1);`)).rejects.toThrow(
    "node:net",
  );
});

if (chromium === undefined) console.warn("No Chromium found: codec is not run in a browser.");

test.skipIf(chromium === undefined)("codec decodes in Chromium", { timeout: 60_000 }, async () => {
  const browser = await playwright.launch({
    executablePath: chromium ?? "",
    args: ["--headless", ...chromiumArgs],
  });
  try {
    const page = await browser.newPage();
    await page.addScriptTag({ content: await bundle(wholeCodec) });
    const decoded: unknown = await page.evaluate(inPage);
    expect(decoded).toEqual({ cid: 0x2a, sct: 3, sc: 2, dnr: 0 });
  } finally {
    await browser.close();
  }
});

/** A CapsuleResp with ANA Inaccessible (SCT 3h, SC 02h); the CQE follows the 8-byte common header. */
const inPage = `(() => {
  const hex = "0500180018000000" + "0000000000000000" + "0c0001002a000406";
  const bytes = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  const view = new DataView(bytes.buffer);
  const { Cqe } = globalThis.codec;
  const read = (field) => field.get(view, 8);
  return { cid: read(Cqe.cid), sct: read(Cqe.sct), sc: read(Cqe.sc), dnr: read(Cqe.dnr) };
})()`;
