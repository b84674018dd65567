// What hosts may do to a subsystem of `serve` beyond reading and writing: make namespaces, and erase.
// Read first: @nvmeof/target namespace-management.ts and erasure.ts; device-provider.ts.

import type { ErasePermission } from "@nvmeof/target";
import { Option } from "commander";
import { size, valued } from "./options.ts";

/** What was said about it. */
export interface ManageOptions {
  readonly manageNamespaces?: number;
  readonly erase: ErasePermission;
}

export const manageOptions = (): Option[] =>
  [
    valued(
      "--manage-namespaces <size>",
      "let hosts create and delete namespaces in memory, of so many bytes altogether (1G)",
      size,
    ),
    new Option("--erase <what>", "let hosts erase at one blow: format; all is sanitize as well")
      .choices(["none", "format", "all"])
      .default("none"),
  ].map((option) => option.helpGroup("What hosts may do:"));
