// What the benches of both suites have: a world to wait in, and what went wrong inside events.
// Read first: case.ts.

import { ConformanceError, type Pace } from "./case.ts";

export abstract class Bench<World extends Pace> implements Pace {
  readonly world: World;
  /** Not thrown where they are found: it would be thrown at the implementation. */
  readonly faults: string[] = [];

  constructor(world: World) {
    this.world = world;
  }

  /** Leaves nothing open. */
  async run(body: (bench: this) => Promise<void>): Promise<void> {
    try {
      await body(this);
    } finally {
      this.leave();
    }
    await this.quiet();
  }

  /** @throws ConformanceError for what went wrong inside events. */
  check(): void {
    if (this.faults.length > 0) throw new ConformanceError(this.faults.join("; "));
  }

  async until(done: () => boolean): Promise<void> {
    await this.world.until(() => done() || this.faults.length > 0);
    this.check();
  }

  async quiet(): Promise<void> {
    await this.world.quiet();
    this.check();
  }

  /** Ends what a case has opened. */
  protected abstract leave(): void;
}
