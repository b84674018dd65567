// The promise edge of a controller: connect, ask, close. Everything below it is callbacks.
// Read first: controller.ts; EXAMPLES "A public API".

import {
  Cns,
  NSID_LIST_MAX,
  type NvmeofError,
  Status,
  codeOf,
  decodeNsidList,
} from "@nvmeof/codec";
import {
  type AdminCommand,
  type IdentifyParameters,
  type LogPageRequest,
  identifyBuffer,
  identifyCommand,
  logPageCommand,
  propertyGetCommand,
} from "./admin.ts";
import type { ControllerFacts } from "./association.ts";
import type { CloseOptions, CloseReport } from "./close.ts";
import { Controller } from "./controller.ts";
import { NvmeStatusError } from "./errors.ts";
import { type IoCommand, sendIo } from "./io-command.ts";
import {
  type NamespaceFacts,
  decodeNamespace,
  describesNamespace,
  noNamespace,
} from "./namespace-facts.ts";
import type { ControllerEvent } from "./observers.ts";
import type { ControllerOptions } from "./options.ts";

/** The result of a command, as its completion has it. */
export interface CommandResult {
  readonly dw0: number;
  readonly dw1: number;
}

/** Options of {@link openController}. */
export interface OpenControllerOptions extends ControllerOptions {
  /** Gives up connecting when it aborts. */
  readonly signal?: AbortSignal;
}

/** Largest piece of a log page that is asked for at a time, bytes. */
const LOG_CHUNK_BYTES = 4096;
/** VS of the first version with identification descriptors, 1.3. */
const VS_WITH_DESCRIPTORS = 0x1_0300;

/** A connected controller. Close it, or let `await using` do so. */
export class ControllerHandle implements AsyncDisposable {
  readonly controller: Controller;

  constructor(controller: Controller) {
    this.controller = controller;
  }

  /** What the controller says of itself. */
  get facts(): ControllerFacts {
    return this.controller.facts!;
  }

  /** Tells `observer` of state changes and events, until the returned function is called. */
  observe(observer: (event: ControllerEvent) => void): () => void {
    return this.controller.observe(observer);
  }

  /** Sends an admin command. Rejects with `NvmeStatusError`, or with what ended it. */
  admin(command: AdminCommand): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      this.controller.admin(command, (error, dw0, dw1) => {
        if (error === undefined) resolve({ dw0, dw1 });
        else reject(error);
      });
    });
  }

  /**
   * Sends a command to an I/O queue, once there is room; it is not sent again when the connection is
   * lost. Rejects as {@link admin} does.
   */
  io(command: IoCommand): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      sendIo(this.controller, command, (error, dw0, dw1) => {
        if (error === undefined) resolve({ dw0, dw1 });
        else reject(error);
      });
    });
  }

  /** Identify: 4,096 bytes of the structure that `cns` names. */
  async identify(cns: number, parameters: IdentifyParameters = {}): Promise<Uint8Array> {
    const data = identifyBuffer();
    await this.admin(identifyCommand(cns, data, parameters));
    return data;
  }

  /** NSIDs of the active namespaces, ascending; at most `max` of them. */
  async namespaceIds(max = 65_536): Promise<number[]> {
    const nsids: number[] = [];
    for (;;) {
      const after = nsids.at(-1) ?? 0;
      const page = decodeNsidList(
        await this.identify(Cns.ActiveNamespaces, { nsid: after }),
        after,
      );
      nsids.push(...page);
      if (page.length < NSID_LIST_MAX || nsids.length >= max) return nsids.slice(0, max);
    }
  }

  /** What the controller says of a namespace. Rejects with NVME_ERR_NO_NAMESPACE or `ParseError`. */
  async namespace(nsid: number): Promise<NamespaceFacts> {
    const identify = await this.#identifyNamespace(nsid);
    const descriptors =
      this.facts.version < VS_WITH_DESCRIPTORS
        ? identifyBuffer()
        : await this.identify(Cns.NamespaceDescriptors, { nsid });
    return decodeNamespace(nsid, identify, descriptors);
  }

  /** An inactive namespace is refused, or its structure is all zeroes: one error for both. */
  async #identifyNamespace(nsid: number): Promise<Uint8Array> {
    try {
      const data = await this.identify(Cns.Namespace, { nsid });
      if (describesNamespace(data)) return data;
    } catch (error) {
      const refused = error instanceof NvmeStatusError && codeOf(error.status);
      if (refused !== Status.InvalidNamespace && refused !== Status.InvalidField) throw error;
      throw noNamespace(nsid, error);
    }
    throw noNamespace(nsid);
  }

  /**
   * `bytes` of a log page, a multiple of 4, asked for in pieces of at most 4 KiB.
   *
   * @throws RangeError for a length that cannot be asked for.
   */
  async logPage(request: LogPageRequest, bytes: number): Promise<Uint8Array> {
    if (!(bytes >= 0) || bytes % 4 !== 0) {
      throw new RangeError(`${bytes} bytes of a log page; it must be a multiple of 4`);
    }
    const log = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += LOG_CHUNK_BYTES) {
      const piece = log.subarray(at, Math.min(at + LOG_CHUNK_BYTES, bytes));
      const offset = (request.offset ?? 0) + at;
      // Only the last piece counts as having seen it: the event must not be lost half way.
      const last = at + LOG_CHUNK_BYTES >= bytes;
      await this.admin(
        logPageCommand({ ...request, offset, rae: !last || request.rae === true }, piece),
      );
    }
    return log;
  }

  /** Value of a property, 4 or 8 bytes as two halves. */
  property(offset: number): Promise<CommandResult> {
    return this.admin(propertyGetCommand(offset));
  }

  /** Tears down and connects again. Resolves when it is live. */
  reset(): Promise<void> {
    return settled((done) => this.controller.reset(done));
  }

  /** Authenticates again, on all queues, while commands go on. What fails ends the connections. */
  reauthenticate(): Promise<void> {
    return settled((done) => this.controller.reauthenticate(done));
  }

  /** Ends the controller within its bound, whatever the peer does. Never rejects. */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    return closed(this.controller, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * A close as a promise. It resolves a turn of the event loop after the close itself: by then the
 * platform has let go of its handles, and whoever looks for one that is left finds none.
 */
export function closed(controller: Controller, options: CloseOptions = {}): Promise<CloseReport> {
  const { clock } = controller.options;
  return new Promise((resolve) => {
    controller.close(options, (report) => clock.at(clock.nowMs(), () => resolve(report)));
  });
}

function settled(start: (done: (error: NvmeofError | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}

/**
 * Connects to a controller and brings it up.
 *
 * Rejects with what ended the first attempt: `TransportError`, `ProtocolError`,
 * `ConnectRejectedError`, `TimeoutError`, `UnsupportedError`; with the signal's reason when that
 * aborts. Nothing is left behind then.
 *
 * @throws RangeError, TypeError or NqnError for options that cannot be right.
 */
export async function openController(options: OpenControllerOptions): Promise<ControllerHandle> {
  const { signal, ...rest } = options;
  signal?.throwIfAborted();
  const controller = new Controller(rest);
  const handle = new ControllerHandle(controller);
  const cancel = (): void => controller.close({}, () => {});
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    await settled((done) => controller.start(done));
    // It may have aborted after the controller went live, and before anybody could hear of that.
    signal?.throwIfAborted();
  } catch (error) {
    await handle.close();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
  return handle;
}
