// Admin commands that our controllers take: one list for dispatch and for the log of effects.
// Read first: Base 2.0 §5 "Admin Command Set"; Fabrics commands are apart, in admin.ts.

import { AdminOpcode } from "@nvmeof/codec";

/** Admin commands of a controller of an NVM subsystem. */
export const adminOpcodes: readonly number[] = [
  AdminOpcode.GetLogPage,
  AdminOpcode.Identify,
  AdminOpcode.Abort,
  AdminOpcode.SetFeatures,
  AdminOpcode.GetFeatures,
  AdminOpcode.AsyncEventRequest,
  AdminOpcode.KeepAlive,
];

/** Admin commands of a discovery controller. Base 2.0 §3.1.2.3 "Discovery Controller". */
export const discoveryOpcodes: readonly number[] = adminOpcodes.filter(
  (opcode) => opcode !== AdminOpcode.Abort,
);
