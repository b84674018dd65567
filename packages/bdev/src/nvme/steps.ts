// Admin commands of a live controller as steps of a sequence, and the scans made of them.
// Read first: @nvmeof/core sequence.ts; Base 2.0 §5.17 "Identify command", §5.16 "Get Log Page command".

import {
  type AnaLog,
  Cns,
  type Decoded,
  IdentifyControllerNvm,
  Lid,
  NSID_LIST_MAX,
  NvmeofError,
  Status,
  anaLogBytesMax,
  codeOf,
  decode,
  decodeAnaLog,
  decodeChangedNamespaces,
  decodeNsidList,
  viewOf,
} from "@nvmeof/codec";
import {
  type AdminCommand,
  type Controller,
  type NamespaceFacts,
  type Sequence,
  decodeNamespace,
  describesNamespace,
  identifyBuffer,
  identifyCommand,
  logPageCommand,
  step,
} from "@nvmeof/core";

/** Namespaces beyond this many are not looked at. */
const NAMESPACES_MAX = 65_536;
/** An ANA log larger than this is not read. */
const ANA_LOG_BYTES_MAX = 1024 * 1024;

/** Sends a command and waits for its completion. */
function* adminOf(controller: Controller, what: string, command: AdminCommand): Sequence<void> {
  yield* step<void>(what, controller.options.fabricsTimeoutMs, (done) =>
    controller.admin(command, (error) => done(error)),
  );
}

function* identifyOf(controller: Controller, cns: number, nsid: number): Sequence<Uint8Array> {
  const data = identifyBuffer();
  yield* adminOf(controller, "identify", identifyCommand(cns, data, { nsid }));
  return data;
}

/** NSIDs of the active namespaces, ascending. */
export function* activeNamespaces(controller: Controller): Sequence<number[]> {
  const nsids: number[] = [];
  for (;;) {
    const after = nsids.at(-1) ?? 0;
    const list = yield* identifyOf(controller, Cns.ActiveNamespaces, after);
    const page = decodeNsidList(list, after);
    nsids.push(...page);
    if (page.length < NSID_LIST_MAX || nsids.length >= NAMESPACES_MAX) return nsids;
  }
}

/** The code of the status that a controller answered with; undefined for failures without an answer. */
function answerOf(error: unknown): number | undefined {
  const answered = error instanceof NvmeofError && error.code === "NVME_ERR_STATUS";
  return answered && error.status !== undefined ? codeOf(error.status) : undefined;
}

/** Limits of NVM commands; undefined where the controller does not know of them. */
export function* nvmLimits(
  controller: Controller,
): Sequence<Decoded<typeof IdentifyControllerNvm> | undefined> {
  try {
    const page = yield* identifyOf(controller, Cns.CommandSetController, 0);
    return decode(IdentifyControllerNvm, viewOf(page));
  } catch (error) {
    if (answerOf(error) === undefined) throw error;
    return undefined;
  }
}

/** Facts of a namespace; undefined where there is none, or none any more. */
export function* namespaceOf(
  controller: Controller,
  nsid: number,
): Sequence<NamespaceFacts | undefined> {
  try {
    const identify = yield* identifyOf(controller, Cns.Namespace, nsid);
    if (!describesNamespace(identify)) return undefined;
    const descriptors = yield* identifyOf(controller, Cns.NamespaceDescriptors, nsid);
    return decodeNamespace(nsid, identify, descriptors);
  } catch (error) {
    if (answerOf(error) === Status.InvalidNamespace) return undefined;
    throw error;
  }
}

/** Reads the log of changed namespaces, which clears it and allows the next event. */
export function* changedNamespaces(controller: Controller): Sequence<number[] | "overflow"> {
  const log = new Uint8Array(4096);
  yield* adminOf(controller, "log", logPageCommand({ lid: Lid.ChangedNamespaces }, log));
  return decodeChangedNamespaces(log);
}

/**
 * Reads the ANA log: in one command where a transfer can hold it, else no further than it goes, since
 * a controller refuses what lies beyond its end. The first piece counts as having seen the change, so
 * that one which comes between the pieces brings another event.
 */
export function* anaLog(controller: Controller): Sequence<AnaLog> {
  const { identify, transferBytesMax } = controller.facts!;
  const { anagrpmax, nanagrpid, mnan, nn } = identify;
  const bytes = Math.min(anaLogBytesMax(nanagrpid, mnan || nn), ANA_LOG_BYTES_MAX);
  const log = new Uint8Array(Math.ceil(bytes / 4) * 4);
  for (let offset = 0; ; offset += transferBytesMax) {
    const end = Math.min(offset + transferBytesMax, log.length);
    const piece = log.subarray(offset, end);
    const request = { lid: Lid.Ana, offset, rae: offset > 0 };
    yield* adminOf(controller, "log", logPageCommand(request, piece));
    try {
      return decodeAnaLog(log.subarray(0, end), anagrpmax);
    } catch (error) {
      // Not all of it yet, or not to be understood at all.
      if (end === log.length) throw error;
    }
  }
}
