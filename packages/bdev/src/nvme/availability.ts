// What to do with a request when no path can take it: wait, or fail and say why. A pure function.
// Read first: spdk-bdev-nvme.md §3.1, §3.3; ux-anchors.md §1.4 (nobody waits without a bound).

/** What is known of one path that cannot carry a request now. */
export interface PathOutlook {
  /**
   * - `here`: connected, and takes commands.
   * - `may-come-back`: connecting, or about to try again, and fast-fail has not passed.
   * - `given-up`: fast-fail has passed, or nobody tries any more.
   * - `ending`: the controller is being closed.
   */
  readonly controller: "here" | "may-come-back" | "given-up" | "ending";
  /** What ANA says: not now, or not at all (persistent loss, or ANATT is over). */
  readonly ana: "accessible" | "for-a-while" | "for-good";
}

/** What becomes of a request that has no path now. */
export type NoPathDecision =
  | { readonly do: "wait"; readonly for: "controller" | "ana" }
  | { readonly do: "fail"; readonly because: NoPathReason };

/** Why a request fails for want of a path; `patience` is decided by who waits. */
export type NoPathReason =
  | "no-paths" // the device has none left, or the last ones are being closed
  | "fast-fail" // controllers may come back, but not in the time that was given
  | "ana-loss" // connected, and the data is not to be had there
  | "frozen" // a reset of the device fails what it cannot send
  | "patience"; // none of what was hoped for came true for a long time

/** Decides for a request that found all paths unusable. `frozen`: the device is being reset. */
export function decideNoPath(paths: readonly PathOutlook[], frozen: boolean): NoPathDecision {
  const staying = paths.filter(({ controller }) => controller !== "ending");
  if (staying.length === 0) return { do: "fail", because: "no-paths" };
  if (frozen) return { do: "fail", because: "frozen" };
  const hopeful = staying.filter(({ ana }) => ana !== "for-good");
  if (hopeful.length === 0) return { do: "fail", because: "ana-loss" };
  const back = hopeful.find(({ controller }) => controller !== "given-up");
  if (back === undefined) return { do: "fail", because: "fast-fail" };
  return { do: "wait", for: back.ana === "for-a-while" ? "ana" : "controller" };
}
