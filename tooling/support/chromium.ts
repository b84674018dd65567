// Where the system keeps Chromium, for the tests that need a real browser.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const folders = (process.env["PATH"] ?? "").split(delimiter);

/** The executable, or `undefined` where there is none. `CHROMIUM` in the environment overrides. */
export const chromium: string | undefined =
  process.env["CHROMIUM"] ||
  folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((file) => existsSync(file));

/** Quiet, offline, and able to run as root in a container. */
export const chromiumArgs = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
] as const;
