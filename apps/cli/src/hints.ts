// What to try next, for errors that do not say so themselves.

import type { ErrorCode } from "./exit-code.ts";

const hints: Partial<Record<ErrorCode, string>> = {
  NVME_ERR_CONNECTION_LOST: "Look at the log of the target, and at the network between.",
  NVME_ERR_CONNECT_REJECTED: "Look at the log of the target for its reason.",
  NVME_ERR_CONNECT_TIMEOUT:
    "The address does not answer: is it right, and does a firewall drop packets?",
  NVME_ERR_CONTROLLER_CLOSED: "Look at the log of the target.",
  NVME_ERR_DISCOVERY_TOO_LARGE: "Ask a discovery controller that lists less.",
  NVME_ERR_NO_PATH: "The connection was lost; --ctrl-loss-tmo says how long to wait for it.",
  NVME_ERR_NOT_CONNECTED: "The connection was lost; look at the log of the target.",
  NVME_ERR_OUT_OF_RANGE: "`nvmeof list` shows how large the namespaces are.",
  NVME_ERR_PARSE: "The target gives data that means nothing; report it to its makers.",
  NVME_ERR_PROTOCOL:
    "Is there an NVMe/TCP target at this port? If so, it breaks the protocol at this place.",
  NVME_ERR_READ_ONLY:
    "Nothing was written. Let the target serve it for writing, or choose another namespace.",
  NVME_ERR_RECEIVE_TIMEOUT: "The peer stopped in the middle of a PDU; look at its log.",
  NVME_ERR_UNREACHABLE: "Is the address right, and does the target run there?",
  NVME_ERR_TIMEOUT:
    "The peer is connected and does not answer: it is frozen, overloaded or broken.",
};

/** The connection ended before there was a controller: rather the wrong port than a fault. */
const NOT_A_TARGET =
  "Is there an NVMe/TCP target at this port? It may want TLS (--tls-key-file), or be something else.";

/** The hint for a code; undefined where the message says all there is to say. */
export function hintFor(code: string, wasLive: boolean): string | undefined {
  if (code === "NVME_ERR_CONNECTION_LOST" && !wasLive) return NOT_A_TARGET;
  return (hints as Readonly<Record<string, string>>)[code];
}
