// `format`, `sanitize` and `device-self-test`: what a controller does to, or with, all of its data.
// Read first: Base 2.0 §5.14 "Format NVM command", §8.20 "Sanitize Operations", §5.9.

import { IdentifyNamespace, Lid, NSID_ALL, decode, lbaFormat, nameIn, viewOf } from "@nvmeof/codec";
import {
  SELF_TEST_LOG_BYTES,
  SanitizeAction,
  SanitizeLog,
  SanitizeState,
  SelfTest,
  SelfTestOutcome,
  decodeSelfTestLog,
} from "@nvmeof/codec/management";
import {
  type AdminCommand,
  type ControllerHandle,
  formatCommand,
  sanitizeCommand,
  selfTestCommand,
} from "@nvmeof/core";
import { ask, namespaceMeant } from "../ask.ts";
import { confirm } from "../confirm.ts";
import type { Context, Verb } from "../context.ts";
import { type DryRunOptions, dryRun } from "../dry-run.ts";
import { CliError, usage } from "../errors.ts";
import type {
  ConsentOptions,
  NamespaceOptions,
  ProgressOptions,
  TargetOptions,
} from "../options.ts";
import { type Progress, startProgress } from "../progress.ts";

interface FormatOptions extends NamespaceOptions, ConsentOptions, DryRunOptions {
  readonly lbaf?: number;
  readonly ses: number;
  readonly pi: number;
  readonly pil: number;
  readonly ms: number;
  readonly blockSize?: number;
  readonly reset?: boolean;
  readonly force?: boolean;
}

/** The format that is asked for; the one in use where nobody asks for another. */
async function formatMeant(
  handle: ControllerHandle,
  nsid: number,
  { lbaf, blockSize }: FormatOptions,
): Promise<number> {
  if (lbaf !== undefined && blockSize !== undefined) {
    throw usage("--lbaf and --block-size say the same", "Give one of them.");
  }
  if (lbaf !== undefined) return lbaf;
  const first = nsid === NSID_ALL ? (await handle.namespaceIds(1))[0] : nsid;
  if (first === undefined) throw usage("there is no namespace to format");
  const facts = await handle.namespace(first);
  if (blockSize === undefined) return facts.format.index;
  const view = viewOf(facts.identifyBytes);
  for (let i = 0; i < IdentifyNamespace.nlbaf.get(view); i++) {
    if (2 ** lbaFormat(view, i).lbads === blockSize) return i;
  }
  throw usage(`the namespace has no format with blocks of ${blockSize} bytes`);
}

/** `format`: all data of a namespace is gone when it is done. */
export const format: { readonly run: Verb<FormatOptions> } = {
  run: async (context, options, uri?: string) => {
    const { ses, pi, pil, ms: mset } = options;
    return ask(context, uri, options, "admin", async (handle, endpoint) => {
      const nsid = await namespaceMeant(handle, endpoint);
      const formatIndex = await formatMeant(handle, nsid, options);
      // It is answered when it is done, which is as long as it takes; --timeout bounds it.
      const request = { formatIndex, secureErase: ses, pi, pil, mset };
      const command = formatCommand(nsid, request, Infinity);
      if (options.dryRun === true) return dryRun("admin", [command]);
      const what = nsid === NSID_ALL ? "all namespaces" : `namespace ${nsid}`;
      const agreed = options.yes === true || options.force === true;
      await confirm(context, `this erases all data of ${what}`, agreed);
      const startMs = performance.now();
      context.io.status?.waitFor(`formatting ${what}`);
      await handle.admin(command);
      const tookMs = performance.now() - startMs;
      if (options.reset === true) await handle.reset();
      return {
        data: { nsid, lbaf: formatIndex, ses, tookMs },
        text: () => `Success formatting namespace:${nsid}\n`,
      };
    });
  },
};

interface SanitizeOptions extends TargetOptions, ConsentOptions, ProgressOptions, DryRunOptions {
  readonly sanact: number;
  readonly ause?: boolean;
  readonly owpass: number;
  readonly oipbp?: boolean;
  readonly dealloc: boolean;
  readonly ovrpat: number;
  readonly wait?: boolean;
}

/** How often a log is looked at that tells of progress. */
const LOOK_MS = 250;

/** Waits, unless the command is to end. */
const pause = ({ signal }: Context, ms: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });

/** Progress in percent, as logs tell it. */
const percentage = (context: Context, options: ProgressOptions, label: string): Promise<Progress> =>
  startProgress(context.io, {
    choice: options.progress,
    silent: context.common.silent === true,
    label,
    totalBytes: undefined,
    unit: "percent",
    text: (percent) => `${label}  ${percent} %`,
  });

async function untilSanitized(
  context: Context,
  handle: ControllerHandle,
  options: ProgressOptions,
) {
  const progress = await percentage(context, options, "sanitizing");
  try {
    for (;;) {
      const bytes = await handle.logPage(
        { lid: Lid.SanitizeStatus, nsid: NSID_ALL },
        SanitizeLog.size,
      );
      const log = decode(SanitizeLog, viewOf(bytes));
      if (log.sos !== SanitizeState.InProgress) return nameIn(SanitizeState, log.sos).toLowerCase();
      progress.update(Math.floor((100 * log.sprog) / 65_536));
      await pause(context, LOOK_MS);
    }
  } finally {
    progress.end();
  }
}

const sanitizeCommandOf = (options: SanitizeOptions): AdminCommand =>
  sanitizeCommand({
    action: options.sanact,
    allowUnrestrictedExit: options.ause === true,
    passes: options.owpass,
    invertPattern: options.oipbp === true,
    noDeallocate: !options.dealloc,
    pattern: options.ovrpat,
  });

/** What has become of it, once the command is answered. */
function sanitized(
  context: Context,
  handle: ControllerHandle,
  options: SanitizeOptions,
): Promise<string> {
  if (options.sanact === SanitizeAction.ExitFailureMode) {
    return Promise.resolve("failure mode left");
  }
  return options.wait === true
    ? untilSanitized(context, handle, options)
    : Promise.resolve("begun");
}

/** `sanitize`: all data of the subsystem is gone when it is done; the command itself returns at once. */
export const sanitize: { readonly run: Verb<SanitizeOptions> } = {
  run: async (context, options, uri?: string) => {
    const { sanact } = options;
    const command = sanitizeCommandOf(options);
    return ask(context, uri, options, "admin", async (handle) => {
      if (options.dryRun === true) return dryRun("admin", [command]);
      if (sanact !== SanitizeAction.ExitFailureMode) {
        const what = "this erases all data of the subsystem, in all its namespaces";
        await confirm(context, what, options.yes === true);
      }
      await handle.admin(command);
      const state = await sanitized(context, handle, options);
      if (state === "failed") {
        throw new CliError("NVME_ERR_ERASE_FAILED", "the sanitize operation has failed", {
          hint: "`nvmeof sanitize-log` says more.",
        });
      }
      return { data: { sanact, state }, text: () => `sanitize: ${state}\n` };
    });
  },
};

interface SelfTestOptions extends NamespaceOptions, ProgressOptions {
  readonly selfTestCode: number;
  readonly wait?: boolean;
}

async function untilTested(context: Context, handle: ControllerHandle, options: ProgressOptions) {
  const progress = await percentage(context, options, "testing");
  try {
    for (;;) {
      const bytes = await handle.logPage(
        { lid: Lid.DeviceSelfTest, nsid: NSID_ALL },
        SELF_TEST_LOG_BYTES,
      );
      const { operation, completion, results } = decodeSelfTestLog(bytes);
      if (operation === SelfTest.None) return results[0];
      progress.update(completion);
      await pause(context, LOOK_MS);
    }
  } finally {
    progress.end();
  }
}

/** `device-self-test`. */
export const selfTest: { readonly run: Verb<SelfTestOptions> } = {
  run: async (context, options, uri?: string) => {
    const { selfTestCode: code } = options;
    const result = await ask(context, uri, options, "admin", async (handle, endpoint) => {
      await handle.admin(selfTestCommand(code, endpoint.nsid ?? NSID_ALL));
      return options.wait === true ? untilTested(context, handle, options) : undefined;
    });
    const name = nameIn(SelfTest, code).toLowerCase();
    if (result === undefined) {
      const said = code === SelfTest.Abort ? "aborted" : "begun";
      return { data: { code, state: said }, text: () => `self-test (${name}): ${said}\n` };
    }
    const outcome = nameIn(SelfTestOutcome, result.result);
    if (result.result !== SelfTestOutcome.Passed) {
      throw new CliError(
        "NVME_ERR_ERASE_FAILED",
        `the self-test has ended: ${outcome.toLowerCase()}`,
        {
          hint: "`nvmeof self-test-log` says more.",
        },
      );
    }
    return {
      data: { code, state: "ended", result: { ...result, outcome } },
      text: () => `self-test (${name}): ${outcome.toLowerCase()}\n`,
    };
  },
};
