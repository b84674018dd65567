// What the project's own checks share: the repository's files, and programs run under a deadline.
export { chromium, chromiumArgs } from "./chromium.ts";
export { type Example, examples, outputOf } from "./examples.ts";
export { execute, type Outcome } from "./execute.ts";
export { after, every } from "./timer.ts";
export { numberOption } from "./number-option.ts";
export { manifests, read, root, trackedFiles, type Manifest } from "./repository.ts";
