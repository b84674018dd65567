// A namespace for worker threads of Node: handles that a Worker can be given, and what it does with one.
// Read first: ../shared/shared-namespace.ts (main thread), ../shared/worker-device.ts (worker).

import { MessageChannel, type MessagePort } from "node:worker_threads";
import { dhchap } from "@nvmeof/core/node";
import { transportOf } from "@nvmeof/transport/node";
import type { NvmeHost } from "../nvme/host.ts";
import type { MessageHandler, MessageLink } from "../shared/message-link.ts";
import type { ShareLimits, SharedHandle, SharedNamespace } from "../shared/shared-namespace.ts";
import {
  type OpenSharedOptions,
  type WorkerDevice,
  openSharedOver,
} from "../shared/worker-device.ts";

/** What a worker thread is given: as `workerData` or in a message, with `port` in the transfer list. */
export type ThreadHandle = SharedHandle<MessagePort>;

/** A port as a link. Without `isAwaited` it keeps no thread alive. */
export function portLink(port: MessagePort, { isAwaited = true } = {}): MessageLink {
  const state: { phase: "open" | "closed" } = { phase: "open" };
  return {
    receive(handler: MessageHandler) {
      port.on("message", (message: unknown) => {
        if (state.phase === "open") handler.received(message);
      });
      port.on("close", () => {
        if (state.phase === "open") handler.ended();
      });
      if (!isAwaited) port.unref();
    },
    post: (message) => port.postMessage(message),
    close() {
      state.phase = "closed";
      port.close();
    },
  };
}

/**
 * Lends namespace `nsid` of a host to worker threads. The main thread goes on as before; closing the host
 * ends the device in all of them.
 *
 * @throws RangeError for limits that cannot be, NvmeofError NVME_ERR_NO_NAMESPACE, and UnsupportedError
 *   where the host's transports are none of @nvmeof/transport/node.
 */
export function share(
  host: NvmeHost,
  nsid: number,
  limits: ShareLimits = {},
): SharedNamespace<MessagePort> {
  return host.share(nsid, {
    ...limits,
    channel() {
      const { port1, port2 } = new MessageChannel();
      return { own: portLink(port1, { isAwaited: false }), other: port2 };
    },
  });
}

/** Ports of handles that were opened: a second time somebody else's messages would be taken. */
const opened = new WeakSet<MessagePort>();

/**
 * Opens the namespace of a handle in this thread, by connections of its own. While it is open the thread
 * lives. Rejects and throws as {@link openSharedOver}.
 *
 * @throws TypeError for what is no handle, or was opened before.
 */
export async function openShared(
  handle: ThreadHandle,
  options: OpenSharedOptions = {},
): Promise<WorkerDevice> {
  const { where, port } = handle;
  if (opened.has(port))
    throw new TypeError("the handle was opened before; make one for each worker");
  opened.add(port);
  const ports = { link: portLink(port), transportOf, authenticationOf: dhchap };
  return openSharedOver(where, ports, options);
}
