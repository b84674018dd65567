// What a control socket tells of: hosts, targets, servers and devices, in the order in which they came.
// Read first: snapshot.ts; the views beside this file are made here.

import type { MeasuredDevice } from "@nvmeof/bdev";
import type { NvmeGroup, NvmeHost } from "@nvmeof/bdev/nvme";
import type { Target } from "@nvmeof/target";
import { NbdServer } from "../nbd/server.ts";
import { deviceView, nbdView } from "./device-view.ts";
import { hostView } from "./host-view.ts";
import type { SubsystemView } from "./snapshot.ts";
import { targetViews } from "./target-view.ts";
import { Ids, RowBudget, type ViewContext } from "./view-context.ts";

/**
 * A host (`connect`), a group of controllers, a target (`serve(…).target`), an NBD server, or a block
 * device that counts (`measuring`).
 */
export type ControlSource = NvmeHost | NvmeGroup | Target | NbdServer | MeasuredDevice;

/** What there is to tell of subsystems. */
export interface SubsystemViews {
  readonly subsystems: readonly SubsystemView[];
  readonly leftOut: number;
}

/** The sources of one control socket. Nothing is looked at before somebody asks. */
export class ControlSources {
  readonly #sources = new Set<{ readonly source: ControlSource }>();
  readonly #ids = new Ids();
  readonly #rowsMax: number;

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax;
  }

  /** Tells of `source` from now on, until the returned function is called. */
  add(source: ControlSource): () => void {
    const entry = { source };
    this.#sources.add(entry);
    return () => void this.#sources.delete(entry);
  }

  views(): SubsystemViews {
    const budget = new RowBudget(this.#rowsMax);
    const context = { ids: this.#ids, budget };
    const subsystems = [...this.#sources].flatMap(({ source }) => viewsOf(source, context));
    return { subsystems: budget.take(subsystems), leftOut: budget.leftOut };
  }
}

function viewsOf(source: ControlSource, context: ViewContext): SubsystemView[] {
  if (source instanceof NbdServer) return [nbdView(source, context)];
  // By what they have: a program may have loaded a package twice.
  if ("group" in source) return [hostView(source.group, context)];
  if ("subsystems" in source) return targetViews(source, context);
  if ("controllers" in source) return [hostView(source, context)];
  return [deviceView(source, context)];
}
