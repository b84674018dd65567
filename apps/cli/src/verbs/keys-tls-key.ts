// `tls-key` of nvme-cli, which moves keys in and out of the kernel's keyring: not here, and it says so.

import type { Verb } from "../context.ts";
import { usage } from "../errors.ts";

export const run: Verb = async () => {
  const hint =
    "`nvmeof keys check-tls-key -c NQN -f FILE` writes lines that `nvme tls-key --import` reads; " +
    "--tls-key-file takes those that `nvme tls-key --export` writes.";
  throw usage("tls-key is about the kernel's keyring, which nvmeof does not use", hint);
};
