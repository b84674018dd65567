// One target as metrics see it: what it counts by itself, and the events that it tells.
// Read first: @nvmeof/target counters.ts and events.ts.

import type { ControllerEnd, Target, TargetEvent } from "@nvmeof/target";

export class TargetSource {
  readonly name: string;
  readonly target: Target;
  /** Events by type; as many as there are types. */
  readonly events = new Map<TargetEvent["type"], number>();
  /** Controllers that ended, by why. */
  readonly ends = new Map<ControllerEnd, number>();
  readonly stop: () => void;

  constructor(name: string, target: Target) {
    this.name = name;
    this.target = target;
    this.stop = target.observe((event) => {
      add(this.events, event.type);
      if (event.type === "controller-removed") add(this.ends, event.reason);
    });
  }
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
