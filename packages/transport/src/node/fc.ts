// FC over TCP sockets: frames of a software port, to and from one address.
// Read first: ../fc/stream-link.ts for what is sent; tcp.ts for the sockets.

import { randomBytes } from "node:crypto";
import { channel } from "node:diagnostics_channel";
import { SoftHostPort } from "../fc/host-port.ts";
import { FcHost } from "../fc/host-transport.ts";
import type { PortNames } from "../fc/names.ts";
import { StreamLink } from "../fc/stream-link.ts";
import { fcListener } from "../fc/stream-listener.ts";
import type { LinkListener, Transport } from "../queue-link.ts";
import { systemClock } from "./clock.ts";
import type { TcpAddress } from "./socket-stream.ts";
import { type TcpListenOptions, tcpConnector, tcpListen } from "./tcp.ts";

/** Where a software port of FC is, and who we are there. */
export interface FcTransportOptions extends TcpAddress {
  /** Our names. Default: made up for this process. */
  readonly names?: PortNames;
}

/** NAA 2h, a name for local use: nobody has it by right, and hardly anybody by chance. */
function madeUpNames(): PortNames {
  const low = randomBytes(8).readBigUInt64BE() & 0x0000_ffff_ffff_ffffn;
  return { nodeName: 0x2000_0000_0000_0000n | low, portName: 0x2100_0000_0000_0000n | low };
}

/**
 * NVMe over FC to the software port at one address: every queue goes by one socket, which is there
 * while an association is.
 */
export function fc(options: FcTransportOptions): Transport {
  const { host, port, names = madeUpNames() } = options;
  const link = new StreamLink({ connector: tcpConnector({ host, port }) }, systemClock);
  const hostPort = new SoftHostPort({ link, clock: systemClock, names });
  const initiator = new FcHost({ port: hostPort, clock: systemClock });
  const address = { trtype: "fc", traddr: host, trsvcid: String(port) };
  return {
    ...initiator.transport(address, 0n),
    diagnostics: channel,
    recipe: () => ({ trtype: "fc", options }),
  };
}

/** A listener for FC that is ready: it knows its port. */
export interface FcListener extends LinkListener {
  readonly address: TcpAddress;
  readonly names: PortNames;
}

/**
 * Begins to listen for software ports of FC.
 *
 * @throws TransportError NVME_ERR_UNREACHABLE when the address cannot be listened on.
 */
export async function fcListen(
  address: TcpAddress,
  options: TcpListenOptions & { readonly names?: PortNames } = {},
): Promise<FcListener> {
  const { names = madeUpNames(), ...rest } = options;
  const listener = await tcpListen(address, rest);
  const random32 = (): number => randomBytes(4).readUInt32LE();
  const links = fcListener({ listener, clock: systemClock, names, random32 });
  return { ...links, address: listener.address, names };
}
