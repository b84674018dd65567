// Certificates for tests, made on the spot: none that is committed expires.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A key and a certificate, and the authority that has signed it. */
export interface Certificates {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
}

/**
 * Certificates of a server and of a client, by one authority; undefined where there is no openssl. They are
 * in `folder` as well, under the names that qemu-nbd, nbdkit and libnbd have for them.
 */
export function certificates(
  parent: string,
):
  | { readonly folder: string; readonly server: Certificates; readonly client: Certificates }
  | undefined {
  if (spawnSync("openssl", ["version"]).status !== 0) return undefined;
  const folder = mkdtempSync(join(parent, "tls-"));
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  };
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-CA", "ca-cert.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"];
  const days = ["-days", "2"];
  const self = ["-keyout", "ca-key.pem", "-out", "ca-cert.pem", "-subj", "/CN=ca"];
  openssl("req", "-x509", ...made, ...self, ...days);
  for (const who of ["server", "client"]) {
    const asked = ["-keyout", `${who}-key.pem`, "-out", `${who}.csr`, "-subj", `/CN=${who}`];
    openssl("req", ...made, ...asked);
    openssl("x509", "-req", "-in", `${who}.csr`, ...authority, ...days, "-out", `${who}-cert.pem`);
  }
  const read = (name: string): Buffer => readFileSync(join(folder, name));
  const of = (who: string): Certificates => ({
    cert: read(`${who}-cert.pem`),
    key: read(`${who}-key.pem`),
    ca: read("ca-cert.pem"),
  });
  return { folder, server: of("server"), client: of("client") };
}
