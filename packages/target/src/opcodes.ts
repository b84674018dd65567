// Admin commands that our controllers take: one list for dispatch and for the log of effects.
// Read first: Base 2.0 §5 "Admin Command Set"; Fabrics commands are apart, in admin.ts.

import { AdminOpcode } from "@nvmeof/codec";
import type { Controller } from "./controller.ts";

/** Admin commands of a controller of an NVM subsystem. */
const adminOpcodes: readonly number[] = [
  AdminOpcode.GetLogPage,
  AdminOpcode.Identify,
  AdminOpcode.Abort,
  AdminOpcode.SetFeatures,
  AdminOpcode.GetFeatures,
  AdminOpcode.AsyncEventRequest,
  AdminOpcode.KeepAlive,
];

/** What only some subsystems have, and whether one has it. */
const optional: readonly (readonly [opcode: number, has: (controller: Controller) => boolean])[] = [
  [AdminOpcode.DeviceSelfTest, () => true],
  // With a source of chance, and unless the owner forbids it.
  [AdminOpcode.CrossControllerReset, ({ takesResets }) => takesResets],
  [AdminOpcode.NamespaceManagement, ({ subsystem }) => subsystem.manager !== undefined],
  [AdminOpcode.NamespaceAttachment, ({ subsystem }) => subsystem.manager !== undefined],
  [AdminOpcode.FormatNvm, ({ subsystem }) => subsystem.erase !== "none"],
  [AdminOpcode.Sanitize, ({ subsystem }) => subsystem.erase === "all"],
];

/** Optional opcodes of all controllers, found out once each. */
const known = new WeakMap<Controller, readonly number[]>();

/** Admin commands of a discovery controller. Base 2.0 §3.1.2.3 "Discovery Controller". */
const discoveryOpcodes: readonly number[] = adminOpcodes.filter(
  (opcode) => opcode !== AdminOpcode.Abort,
);

/** Admin commands that a controller takes. */
export function adminOpcodesOf(controller: Controller): readonly number[] {
  if (controller.subsystem.kind === "discovery") return discoveryOpcodes;
  let opcodes = known.get(controller);
  if (opcodes === undefined) {
    const more = optional.filter(([, has]) => has(controller)).map(([opcode]) => opcode);
    opcodes = [...adminOpcodes, ...more];
    known.set(controller, opcodes);
  }
  return opcodes;
}
