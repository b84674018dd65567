// `reset` and `subsystem-reset`. Read first: Base 2.0 §3.7 "Resets".

import { Cap, NSSR_RESET, Property, decodeDwords } from "@nvmeof/codec";
import { UnsupportedError, propertySetCommand } from "@nvmeof/core";
import { ask } from "../ask.ts";
import { confirm } from "../confirm.ts";
import type { Verb } from "../context.ts";
import type { ConsentOptions, TargetOptions } from "../options.ts";
import { formatMs } from "../units.ts";

/** `reset`: the connection is torn down and built again. */
export const reset: { readonly run: Verb<TargetOptions> } = {
  run: async (context, options, uri?: string) => {
    const done = await ask(context, uri, options, "admin", async (handle) => {
      const before = handle.facts.cntlid;
      const startMs = performance.now();
      await handle.reset();
      return { before, cntlid: handle.facts.cntlid, tookMs: performance.now() - startMs };
    });
    return {
      data: done,
      text: () =>
        `reset: live again after ${formatMs(done.tookMs)}, as controller ${done.cntlid}\n`,
    };
  },
};

interface SubsystemResetOptions extends TargetOptions, ConsentOptions {}

/** `subsystem-reset`: for controllers that say they can (CAP.NSSRS). */
export const subsystemReset: { readonly run: Verb<SubsystemResetOptions> } = {
  run: async (context, options, uri?: string) => {
    await ask(context, uri, options, "admin", async (handle) => {
      const { cap } = handle.facts;
      if (decodeDwords(Cap, cap.low, cap.high).nssrs === 0) {
        throw new UnsupportedError("the controller cannot reset its subsystem (CAP.NSSRS is 0)", {
          hint: "`nvmeof reset` resets the controller alone.",
        });
      }
      const what = "this resets the whole subsystem, with all controllers of all hosts";
      await confirm(context, what, options.yes === true);
      await handle.admin(propertySetCommand(Property.Nssr, NSSR_RESET));
    });
    return { data: { reset: "subsystem" }, text: () => "subsystem-reset: done\n" };
  },
};
