// `reset` and `subsystem-reset`. Read first: Base 2.0 §3.7 "Resets".

import {
  Cap,
  ConnectCommand,
  Fctype,
  NSSR_RESET,
  OPC_FABRICS,
  Property,
  decodeDwords,
} from "@nvmeof/codec";
import {
  type AdminCommand,
  type ControllerHandle,
  UnsupportedError,
  propertySetCommand,
} from "@nvmeof/core";
import { ask } from "../ask.ts";
import { confirm } from "../confirm.ts";
import type { Verb } from "../context.ts";
import { type DryRunOptions, dryRun } from "../dry-run.ts";
import type { ConsentOptions, TargetOptions } from "../options.ts";
import { formatMs } from "../units.ts";

interface ResetOptions extends TargetOptions, DryRunOptions {}

/** The first command of a controller made anew; its queues are closed before without one. */
const connectAgain = ({ controller }: ControllerHandle): AdminCommand => ({
  opcode: OPC_FABRICS,
  fill: (sqe) => {
    ConnectCommand.fctype.set(sqe, 0, Fctype.Connect);
    ConnectCommand.sqsize.set(sqe, 0, controller.options.adminQueueEntries);
    ConnectCommand.kato.set(sqe, 0, controller.options.keepAliveTimeoutMs);
  },
});

/** `reset`: the connection is torn down and built again. */
export const reset: { readonly run: Verb<ResetOptions> } = {
  run: (context, options, uri?: string) =>
    ask(context, uri, options, "admin", async (handle) => {
      const before = handle.facts.cntlid;
      if (options.dryRun === true) {
        context.notes.say(`the queues of controller ${before} would be closed, then this sent`);
        return dryRun("admin", [connectAgain(handle)]);
      }
      const startMs = performance.now();
      await handle.reset();
      const tookMs = performance.now() - startMs;
      const { cntlid } = handle.facts;
      return {
        data: { before, cntlid, tookMs },
        text: () => `reset: live again after ${formatMs(tookMs)}, as controller ${cntlid}\n`,
      };
    }),
};

interface SubsystemResetOptions extends TargetOptions, ConsentOptions, DryRunOptions {}

/** `subsystem-reset`: for controllers that say they can (CAP.NSSRS). */
export const subsystemReset: { readonly run: Verb<SubsystemResetOptions> } = {
  run: async (context, options, uri?: string) => {
    return ask(context, uri, options, "admin", async (handle) => {
      const { cap } = handle.facts;
      if (decodeDwords(Cap, cap.low, cap.high).nssrs === 0) {
        throw new UnsupportedError("the controller cannot reset its subsystem (CAP.NSSRS is 0)", {
          hint: "`nvmeof reset` resets the controller alone.",
        });
      }
      const command = propertySetCommand(Property.Nssr, NSSR_RESET);
      if (options.dryRun === true) return dryRun("admin", [command]);
      const what = "this resets the whole subsystem, with all controllers of all hosts";
      await confirm(context, what, options.yes === true);
      await handle.admin(command);
      return { data: { reset: "subsystem" }, text: () => "subsystem-reset: done\n" };
    });
  },
};
