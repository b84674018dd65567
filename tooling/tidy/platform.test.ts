// The platform rule catches what it is there for, and leaves ports and tests alone.
import { expect, test } from "vitest";
import { platform } from "./platform.ts";

const check = (text: string): string[] => platform.complaints("packages/core/src/a.ts", text);

test.each([
  `import { connect } from "node:net";`,
  `import net from "net";`,
  `import { tcp } from "@nvmeof/transport/node";`,
  `import { tcp } from "./node/tcp.ts";`,
  `import { tcp } from "../node.ts";`,
  `const m = await import("node:tls");`,
  `const b = Buffer.alloc(1);`,
  `let b: Buffer;`,
  `setTimeout(f, 1);`,
  `globalThis.setTimeout(f, 1);`,
  `const later = setInterval;`,
  `const now = Date.now();`,
  `const now = performance.now();`,
  `const x = Math.random();`,
  `const x = Math["random"]();`,
  `const id = crypto.randomUUID();`,
  `const signal = AbortSignal.timeout(5);`,
  `if (process.env.DEBUG) f();`,
  `console.log(1);`,
])("a library must not contain %s", (text) => {
  expect(check(text)).toHaveLength(1);
});

test.each([
  `interface Clock { setTimeout(run: () => void): void; now(): number }`,
  `clock.setTimeout(f); x.process = { Date: 1 };`,
  `// setTimeout in a comment\nconst s = "Math.random()";`,
  `import { nodes } from "./nodes.ts"; import type { Node } from "./node-list.ts";`,
  `const x = Math.floor(1); queue.process(x);`,
])("a port, a name, a comment or a string is none: %s", (text) => {
  expect(check(text)).toEqual([]);
});

test("it holds for codec whole, for the others outside their node folder, and not for tests", () => {
  const holds = (path: string): boolean => platform.holdsFor(`packages/${path}`);
  expect(["codec/src/node/a.ts", "core/src/a.ts", "bdev/src/nvme/a.ts"].every(holds)).toBe(true);
  expect(["transport/src/node/a.ts", "bdev/src/node.ts", "core/src/a.test.ts"].some(holds)).toBe(
    false,
  );
});
