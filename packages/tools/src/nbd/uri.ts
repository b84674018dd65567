// Where an export is, as a URI that NBD clients understand.
// Read first: the NBD URI format (NetworkBlockDevice/nbd, doc/uri.md).

import { NBD_PORT } from "./protocol.ts";

/** A TCP address, or the path of a Unix socket. */
export type NbdAddress =
  { readonly host: string; readonly port: number } | { readonly socket: string };

/** Slashes mean nothing in the names of exports and in queries, and are easier to read. */
const encoded = (text: string): string => encodeURIComponent(text).replaceAll("%2F", "/");

/** `nbd://127.0.0.1:10809/disk`, `nbd+unix:///disk?socket=/run/nbd.sock`; `secure` for TLS only. */
export function nbdUri(address: NbdAddress, exportName: string, secure = false): string {
  const scheme = secure ? "nbds" : "nbd";
  const name = encoded(exportName);
  if ("socket" in address) return `${scheme}+unix:///${name}?socket=${encoded(address.socket)}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  const port = address.port === NBD_PORT ? "" : `:${address.port}`;
  return `${scheme}://${host}${port}/${name}`;
}
