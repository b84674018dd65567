// Entry point of @nvmeof/core/testing: a controller that does what a test tells it.

export type { ScriptedFacts } from "./association.ts";
export { type Answer, type ScriptedStep, type SeenCommand, bringUpSteps } from "./command.ts";
export { type Reply, ScriptedController, type ScriptedOptions } from "./scripted-controller.ts";
