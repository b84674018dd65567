// The table of a controller's life, looked at as a whole.
import { expect, test } from "vitest";
import {
  type ControllerEvent,
  type ControllerState,
  type Transition,
  controllerTable,
} from "./controller-state.ts";

const cells = Object.entries(controllerTable).flatMap(([from, row]) =>
  Object.entries(row).map(([event, cell]) => ({
    from: from as ControllerState,
    event: event as ControllerEvent,
    cell,
  })),
);

const transitions = cells.filter(
  (each): each is typeof each & { cell: Transition } => each.cell !== "ignore",
);

test("every state but the last can be left for good", () => {
  for (const { from, event, cell } of cells) {
    if (event !== "remove") continue;
    if (from === "gone") expect(cell).toBe("ignore");
    else expect(cell).toMatchObject({ to: "gone" });
  }
});

test("whoever goes drops all queues and gives back what it holds", () => {
  for (const { cell } of transitions.filter((each) => each.cell.to === "gone")) {
    expect(cell.run).toEqual(["dropAllQueues", "release"]);
  }
});

test("a controller that stops serving I/O drops its I/O queues", () => {
  for (const { from, cell } of transitions) {
    if (from !== "ready" && from !== "shutdown") continue;
    if (cell.to === "shutdown") continue; // what is in flight is finished
    expect(cell.run.some((effect) => effect.startsWith("drop"))).toBe(true);
  }
});

test("nothing leads out of gone, and only removal out of failed", () => {
  for (const { from, event } of transitions) {
    expect(from).not.toBe("gone");
    if (from === "failed") expect(event).toBe("remove");
  }
});
