// Block devices for NBD clients, in one call.
// Read first: ../nbd/server.ts for what it sets up; nbd-listener.ts for where it listens.

import type { TlsOptions } from "node:tls";
import type { BlockDevice } from "@nvmeof/bdev";
import { systemClock } from "@nvmeof/transport/node";
import type { NbdExportOptions } from "../nbd/export.ts";
import { NBD_PORT } from "../nbd/protocol.ts";
import { type NbdCloseReport, NbdServer, type NbdServerOptions } from "../nbd/server.ts";
import { type NbdAddress, nbdUri } from "../nbd/uri.ts";
import { type NbdListener, nbdListen } from "./nbd-listener.ts";

/** What to export, and where. */
export interface ServeNbdOptions extends Omit<NbdServerOptions, "clock"> {
  /** A block device, under the name "", or exports. Devices stay their owner's. */
  readonly exports: BlockDevice | readonly NbdExportOptions[];
  /** Path of a Unix socket, in place of an address. */
  readonly socket?: string | undefined;
  /** Address to listen on. Default 127.0.0.1: NBD knows no users, but by certificates. */
  readonly host?: string | undefined;
  /** TCP port; 0 for any that is free. Default 10809. */
  readonly port?: number | undefined;
  /** Certificate and key for `tls`, as `node:tls` takes them. */
  readonly certificates?: TlsOptions | undefined;
}

/** A server that listens. */
export interface ServedNbd extends AsyncDisposable {
  readonly server: NbdServer;
  readonly address: NbdAddress;
  /** Of each export, in their order: what clients take. */
  readonly uris: readonly string[];
  /** See `NbdServer.close`. */
  close(): Promise<NbdCloseReport>;
}

/**
 * Serves block devices to NBD clients (qemu-img, nbdcopy, fio, nbd-client, …).
 *
 * @throws TransportError NVME_ERR_UNREACHABLE when the address cannot be listened on; TypeError for TLS
 * without certificates; what `NbdServer` and `addExport` raise.
 */
export async function serveNbd(options: ServeNbdOptions): Promise<ServedNbd> {
  const {
    exports,
    socket,
    host = "127.0.0.1",
    port = NBD_PORT,
    certificates,
    tls = "off",
  } = options;
  if (tls !== "off" && certificates === undefined) throw new TypeError("TLS needs certificates");
  const server = new NbdServer({ ...options, clock: systemClock });
  const all = "openChannel" in exports ? [{ name: "", device: exports }] : exports;
  const wanted = socket === undefined ? { host, port } : { socket };
  let listener: NbdListener;
  try {
    for (const each of all) server.addExport(each);
    listener = await nbdListen(wanted, { tls: tls === "off" ? undefined : certificates });
  } catch (error) {
    await server.close();
    throw error;
  }
  server.listen(listener);
  const { address } = listener;
  const close = (): Promise<NbdCloseReport> => server.close();
  return {
    server,
    address,
    uris: server.exports.map(({ name }) => nbdUri(address, name, tls === "require")),
    close,
    [Symbol.asyncDispose]: async () => void (await close()),
  };
}
