// Vitest reporter: the last line of a run is `N passed, N failed` (and `, N skipped` if any were).
import type { Reporter, TestModule } from "vitest/node";

export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    // Checks that ran before the tests (scripts/run.mjs) count as one failure each.
    const before = Number(process.env["FAILED_CHECKS"] ?? 0) + unhandledErrors.length;
    const count = { passed: 0, failed: before, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state]++;
      // A file that fails to load has no tests to count, and must not pass for that.
      count.failed += module.errors().length;
    }
    const skipped = count.skipped + count.pending;
    const line = `${count.passed} passed, ${count.failed} failed${skipped ? `, ${skipped} skipped` : ""}`;
    // On exit, because other reporters and the coverage table print after this hook.
    process.once("exit", () => process.stdout.write(`${line}\n`));
  }
}
