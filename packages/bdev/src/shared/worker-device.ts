// A namespace as a worker has it open: by connections of its own, and with an ear for the main side.
// Read first: messages.ts; whereabouts.ts; ../nvme/open-namespace.ts, which is what the worker uses.

import {
  type Authentication,
  type CloseOptions,
  type CloseReport,
  type ControllerOptions,
  noNamespace,
  seededRandom,
} from "@nvmeof/core";
import type { Transport, TransportRecipe } from "@nvmeof/transport";
import { endedError } from "../nvme/device-end.ts";
import { NvmeGroup } from "../nvme/group.ts";
import { hasIdentity, identityDifference, identityText } from "../nvme/identity.ts";
import type { MultipathDevice } from "../nvme/multipath-device.ts";
import { OpenNamespace } from "../nvme/open-namespace.ts";
import type { AuthenticationRecipe } from "./authentication-recipe.ts";
import { errorData } from "./error-data.ts";
import type { MessageLink } from "./message-link.ts";
import type { ToMain } from "./messages.ts";
import { WorkerSession } from "./worker-session.ts";
import { type ControllerRecipe, SHARED_VERSION, type Whereabouts } from "./whereabouts.ts";

/** Options of a worker that opens a namespace. */
export interface OpenSharedOptions {
  /**
   * Options of controllers in place of those of the main side: those that could not be given to another
   * thread have to be here.
   */
  readonly controller?: Partial<ControllerOptions>;
  /** Gives up connecting when it aborts. */
  readonly signal?: AbortSignal;
}

/** What a worker opens a namespace with. */
export interface WorkerPorts {
  readonly link: MessageLink;
  readonly transportOf: (recipe: TransportRecipe) => Transport;
  /** Not needed where the host does not authenticate, or the worker says with what. */
  readonly authenticationOf?: (recipe: AuthenticationRecipe) => Authentication;
}

/**
 * The namespace. Requests and events are those of any block device; it is closed by its user, by the
 * main side, and when that is gone.
 */
export class WorkerDevice extends OpenNamespace implements AsyncDisposable {
  /** The worker's own controllers and paths. */
  readonly group: NvmeGroup;
  readonly #session: WorkerSession;

  constructor(session: WorkerSession, device: MultipathDevice) {
    super(device);
    this.group = session.group;
    this.#session = session;
  }

  /** How the close went, whoever asked for it; undefined before it is over. */
  get report(): CloseReport | undefined {
    return this.#session.report;
  }

  /** Ends device and connections within the bound (default 2 s), whatever the peer does. */
  override async close(options: CloseOptions = {}): Promise<void> {
    await Promise.all([super.close(), this.#session.close(options)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens a namespace that another thread shares: connects by all its paths, and sees to it that the data
 * is the same.
 *
 * Rejects as `connect` does where no path can be reached; with NVME_ERR_NO_NAMESPACE, NVME_ERR_NS_CHANGED
 * for other data under that NSID, NVME_ERR_CLOSED when the main side has closed it meanwhile, and with the
 * signal's reason. Nothing is left behind then, and the main side knows.
 *
 * @throws TypeError where options are missing, or of another version of this package.
 */
export async function openSharedOver(
  where: Whereabouts,
  ports: WorkerPorts,
  options: OpenSharedOptions = {},
): Promise<WorkerDevice> {
  const { signal } = options;
  const session = sessionOf(where, ports, options);
  const cancel = (): void => session.paths.stop(signal!.reason as Error);
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    await session.paths.open();
    const device = new WorkerDevice(session, checkedDevice(session.group, where));
    session.opened();
    return device;
  } catch (error) {
    throw await session.failed(error);
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

/** Whatever is wrong before there is a session, the main side hears of it as well. */
function sessionOf(
  where: Whereabouts,
  ports: WorkerPorts,
  { controller = {}, signal }: OpenSharedOptions,
): WorkerSession {
  const { link } = ports;
  try {
    signal?.throwIfAborted();
    checkVersion(where);
    const random = seededRandom(where.seed);
    const controllers = where.controllers.map((recipe) => ({
      random,
      ...controllerOptions(recipe, ports, controller),
    }));
    return new WorkerSession(new NvmeGroup(where.group), where.nsid, controllers, link);
  } catch (error) {
    link.post({ type: "failed", error: errorData(error) } satisfies ToMain);
    link.close();
    throw error;
  }
}

function checkVersion(where: Whereabouts): void {
  const version: number | undefined = (where as Partial<Whereabouts> | undefined)?.version;
  if (version === SHARED_VERSION) return;
  const found = version === undefined ? "none" : `version ${version}`;
  throw new TypeError(`expected a handle of version ${SHARED_VERSION}, and this is ${found}`);
}

function controllerOptions(
  recipe: ControllerRecipe,
  { transportOf, authenticationOf }: WorkerPorts,
  given: Partial<ControllerOptions>,
): ControllerOptions {
  const needed = [
    ...recipe.needed,
    ...(recipe.authentication === undefined || authenticationOf ? [] : ["authentication" as const]),
  ];
  const missing = needed.filter((name) => given[name] === undefined);
  if (missing.length > 0) {
    const names = missing.join(", ");
    throw new TypeError(
      `no thread can be given ${names} of a controller: give it here (controller)`,
    );
  }
  const authentication = recipe.authentication && authenticationOf?.(recipe.authentication);
  const transport = recipe.transports.map(transportOf);
  const options = { ...recipe.options, authentication, ...given, transport };
  return options as unknown as ControllerOptions;
}

/** The namespace, if it is the one that the main side has. */
function checkedDevice(group: NvmeGroup, where: Whereabouts): MultipathDevice {
  const { nsid, identity, blockBytes } = where;
  const device = group.devices.find((each) => each.nsid === nsid);
  if (device === undefined) throw noNamespace(nsid);
  const found = device.namespaceIdentity;
  const differs =
    device.blockBytes === blockBytes ? identityDifference(identity, found) : "block size";
  if (differs === undefined) return device;
  const known = hasIdentity(identity) ? `; expected ${identityText(identity)}` : "";
  const reason = `NSID ${nsid} leads to other data here: its ${differs} differs${known}`;
  throw endedError(device.name, { kind: "changed", reason }, "not-sent");
}
