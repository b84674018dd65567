// Certificates for clients of NBD, in a folder and under the names that qemu-nbd and nbdkit have for them.
// Read first: the documentation of nbdkit, "TLS with X.509 certificates".

import { join } from "node:path";
import type { TlsOptions } from "node:tls";
import type { TlsMode } from "@nvmeof/tools";
import { CliError, usage } from "../errors.ts";
import { readWholeFile } from "../files.ts";
import type { ExportNbdOptions } from "../nbd-commands.ts";

/** Longer ones are no certificates. */
const FILE_BYTES_MAX = 1024 * 1024;

/** Whether TLS may, must or cannot be used. */
export function tlsModeOf({
  tlsCertificates,
  tlsRequire,
  tlsVerifyPeer,
}: ExportNbdOptions): TlsMode {
  if (tlsCertificates !== undefined) {
    return tlsRequire === true || tlsVerifyPeer === true ? "require" : "on";
  }
  if (tlsRequire !== true && tlsVerifyPeer !== true) return "off";
  throw usage("there are no certificates for TLS", "Name their folder with --tls-certificates.");
}

/** What `node:tls` needs of them; undefined where there is no TLS. */
export async function certificatesOf(options: ExportNbdOptions): Promise<TlsOptions | undefined> {
  const { tlsCertificates: folder, tlsVerifyPeer = false } = options;
  if (folder === undefined) return undefined;
  const file = async (name: string): Promise<Buffer> =>
    Buffer.from(await readWholeFile(join(folder, name), FILE_BYTES_MAX));
  const optional = async (name: string): Promise<Buffer | undefined> => {
    try {
      return await file(name);
    } catch (error) {
      const isAbsent = error instanceof CliError && error.code === "NVME_ERR_FILE_NOT_FOUND";
      if (isAbsent && !tlsVerifyPeer) return undefined;
      throw error;
    }
  };
  return {
    cert: await file("server-cert.pem"),
    key: await file("server-key.pem"),
    ca: await optional("ca-cert.pem"),
    requestCert: tlsVerifyPeer,
    rejectUnauthorized: tlsVerifyPeer,
    minVersion: "TLSv1.2",
  };
}
