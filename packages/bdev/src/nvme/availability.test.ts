// What becomes of requests without a path, for every combination of outlooks.
// Read first: availability.ts.

import { expect, test } from "vitest";
import { type PathOutlook, decideNoPath } from "./availability.ts";

const controllers = ["here", "may-come-back", "given-up", "ending"] as const;
const anas = ["accessible", "for-a-while", "for-good"] as const;
const outlooks: readonly PathOutlook[] = controllers.flatMap((controller) =>
  anas.map((ana) => ({ controller, ana })),
);

function* situations(): Generator<{ paths: PathOutlook[]; frozen: boolean }> {
  for (const frozen of [false, true]) {
    yield { paths: [], frozen };
    for (const a of outlooks) {
      yield { paths: [a], frozen };
      for (const b of outlooks) {
        yield { paths: [a, b], frozen };
        for (const c of outlooks) yield { paths: [a, b, c], frozen };
      }
    }
  }
}

const isHopeful = ({ controller, ana }: PathOutlook): boolean =>
  (controller === "here" || controller === "may-come-back") && ana !== "for-good";

test("requests wait exactly where some path may come back and the device is not frozen", () => {
  for (const { paths, frozen } of situations()) {
    const waits = decideNoPath(paths, frozen).do === "wait";
    expect(waits).toBe(!frozen && paths.some(isHopeful));
  }
});

test("the order of the paths changes nothing but what is waited for", () => {
  for (const { paths, frozen } of situations()) {
    const [one, other] = [decideNoPath(paths, frozen), decideNoPath(paths.toReversed(), frozen)];
    expect(other.do).toBe(one.do);
    if (one.do === "fail") expect(other).toEqual(one);
  }
});

test("the reason for a failure is the one that a person can act upon", () => {
  for (const { paths, frozen } of situations()) {
    const decision = decideNoPath(paths, frozen);
    if (decision.do !== "fail") continue;
    const staying = paths.filter(({ controller }) => controller !== "ending");
    const expected =
      staying.length === 0
        ? "no-paths"
        : frozen
          ? "frozen"
          : staying.every(({ ana }) => ana === "for-good")
            ? "ana-loss"
            : "fast-fail";
    expect(decision.because).toBe(expected);
  }
});

test("a wait names what it is for", () => {
  expect(decideNoPath([{ controller: "here", ana: "for-a-while" }], false)).toEqual({
    do: "wait",
    for: "ana",
  });
  expect(decideNoPath([{ controller: "may-come-back", ana: "accessible" }], false)).toEqual({
    do: "wait",
    for: "controller",
  });
});
