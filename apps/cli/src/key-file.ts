// Files of TLS keys: one for all, one for each host, or PSKs as nvme-cli exports them; a line for each.
// Read first: README.md "TLS"; @nvmeof/codec/auth for what a key is.

import { NvmeofError, checkNqn } from "@nvmeof/codec";
import { TlsKey, type TlsNames, TlsPsk, parseTlsIdentity } from "@nvmeof/codec/auth";
import { CliError } from "./errors.ts";
import type { SecretText } from "./secrets.ts";

/** The keys of one file. Its own text is nowhere in it. */
export class KeyFile {
  /** Where they are from, for messages. */
  readonly from: string;
  #shared: TlsKey | undefined;
  readonly #byHost = new Map<string, TlsKey>();
  readonly #psks: TlsPsk[] = [];

  /** @throws CliError NVME_ERR_TLS_KEY with the number of the line, and nothing that is in it. */
  constructor({ text, from }: SecretText) {
    this.from = from;
    for (const [i, line] of text.split("\n").entries()) {
      const said = line.trim();
      if (said === "" || said.startsWith("#")) continue;
      try {
        this.#take(said);
      } catch (error) {
        if (!(error instanceof NvmeofError)) throw error;
        // Of a name that is none its own message would tell, and it may be a key.
        const why =
          error.code === "NVME_ERR_NQN" ? "there is no NQN before the key" : error.message;
        throw new CliError("NVME_ERR_TLS_KEY", `${from}, line ${i + 1}: ${why}`, {
          hint: "A line is a key (NVMeTLSkey-1:…), a host NQN and its key, or a line of `nvme tls-key --export`.",
        });
      }
    }
    if (this.#shared === undefined && this.#byHost.size === 0 && this.#psks.length === 0) {
      throw new CliError("NVME_ERR_TLS_KEY", `${from} holds no TLS key`, {
        hint: "`nvmeof keys gen-tls-key` makes one.",
      });
    }
  }

  /**
   * The key for these names: a PSK that was derived for them, with this identity if one is asked for, or
   * the host's own key, or the one for all.
   */
  keyFor(names: TlsNames, identity?: string): TlsKey | TlsPsk | undefined {
    const psks = this.#psks.filter((psk) => {
      const said = parseTlsIdentity(psk.identity);
      const { hostNqn, subsystemNqn } = names;
      return said?.hostNqn === hostNqn && said.subsystemNqn === subsystemNqn;
    });
    const derived = psks.find((psk) => psk.identity === identity) ?? psks[0];
    const { hostNqn } = names;
    if (derived !== undefined && (identity === undefined || derived.identity === identity)) {
      return derived;
    }
    return this.#byHost.get(hostNqn) ?? this.#shared;
  }

  #take(line: string): void {
    if (line.startsWith("NVMeTLSkey")) {
      this.#shared = TlsKey.parse(line);
      return;
    }
    const [first = "", second = "", ...rest] = line.split(/\s+/);
    if (rest.length > 0) this.#psks.push(TlsPsk.parseLine(line));
    else this.#byHost.set(checkNqn(first), TlsKey.parse(second));
  }
}
