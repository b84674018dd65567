// `npm run bench`: runs the benchmarks, all or those named, one after the other.
import { spawnSync } from "node:child_process";
import { bundle, quietHeap } from "./bundle.mjs";

const benchmarks = ["receive-allocations"];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !benchmarks.includes(name));
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(", ")}; there are: ${benchmarks.join(", ")}`);
  process.exit(2);
}
for (const name of asked.length > 0 ? asked : benchmarks) {
  const file = await bundle(name);
  const { status } = spawnSync(process.execPath, [...quietHeap, file], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
