// What a server answers to the options of a client, until the client has chosen an export.
// Read first: the NBD protocol, "Fixed newstyle negotiation", "Option types" and "TLS support".

import type { SendQueue } from "@nvmeof/transport";
import type { ExportDirectory, NbdExport } from "./export.ts";
import type { NbdLimits } from "./limits.ts";
import { type OptionFault, readInfoRequest, readMetaRequest, readName } from "./option-data.ts";
import { NbdInfo, NbdOption, OptionReply } from "./protocol.ts";
import { integers, refuseOption, replyToExportName, replyToOption } from "./replies.ts";

/** How a server uses TLS: not at all; for clients that want it; or for everything. */
export type TlsMode = "off" | "on" | "require";

/** What follows an option. `entered`: the export that was chosen; the handshake is over. */
export type OptionOutcome =
  | { readonly do: "continue" | "abort" | "start-tls" }
  | { readonly do: "close"; readonly why: string; readonly limit?: keyof NbdLimits }
  | { readonly do: "enter"; readonly to: NbdExport; readonly sizeBytes: number };

const CONTINUE: OptionOutcome = { do: "continue" };

const ALLOCATION = "base:allocation";
/** The number that extents of "base:allocation" have on the wire. */
export const ALLOCATION_ID = 1;

/** The state of one negotiation. */
export class Handshake {
  /** What was agreed on. */
  structured = false;
  /** The name of the export for which "base:allocation" was chosen. */
  #allocationFor: string | undefined;
  #security: "plain" | "tls" = "plain";
  #options = 0;
  /** The client understands replies to options, and wants zeroes behind EXPORT_NAME. */
  fixed = false;
  zeroes = true;
  readonly #out: SendQueue;
  readonly #exports: ExportDirectory;
  readonly #limits: NbdLimits;
  readonly #tls: TlsMode;

  constructor(out: SendQueue, exports: ExportDirectory, limits: NbdLimits, tls: TlsMode) {
    this.#out = out;
    this.#exports = exports;
    this.#limits = limits;
    this.#tls = tls;
  }

  /** Whether "base:allocation" was chosen for the export of this name. */
  hasAllocation(name: string): boolean {
    return this.structured && this.#allocationFor === name;
  }

  /** The name by which the export was chosen. */
  chosen = "";

  /** TLS is there: nothing that was said before it counts. */
  secured(): void {
    this.#security = "tls";
    this.structured = false;
    this.#allocationFor = undefined;
  }

  /** Answers an option of which more came than anybody looks at. */
  tooBig(option: number): OptionOutcome {
    const limit = this.#count();
    if (limit !== undefined) return limit;
    if (option === NbdOption.ExportName) return { do: "close", why: "the name is too long" };
    this.#refuse(option, OptionReply.TooBig, "too much data in the option");
    return CONTINUE;
  }

  /** Answers an option whose data is at `base`. */
  option(option: number, view: DataView, base: number, bytes: number): OptionOutcome {
    const limit = this.#count();
    if (limit !== undefined) return limit;
    if (option === NbdOption.Abort) {
      this.#acknowledge(option);
      return { do: "abort" };
    }
    const turnedAway = this.#turnAway(option);
    if (turnedAway !== undefined) return turnedAway;
    switch (option) {
      case NbdOption.ExportName:
        return this.#exportName(view, base, bytes);
      case NbdOption.List:
        return bytes > 0 ? this.#noData(option) : this.#list();
      case NbdOption.StartTls:
        return bytes > 0 ? this.#noData(option) : this.#startTls();
      case NbdOption.StructuredReply:
        if (bytes > 0) return this.#noData(option);
        this.structured = true;
        return this.#acknowledge(option);
      case NbdOption.Info:
      case NbdOption.Go:
        return this.#info(option, view, base, bytes);
      case NbdOption.ListMetaContext:
      case NbdOption.SetMetaContext:
        return this.#metaContext(option, view, base, bytes);
      default:
        this.#refuse(option, OptionReply.Unsupported, `option ${option} is not known here`);
        return CONTINUE;
    }
  }

  #count(): OptionOutcome | undefined {
    const { optionsMax } = this.#limits;
    if (++this.#options <= optionsMax) return undefined;
    return { do: "close", why: `more than ${optionsMax} options`, limit: "optionsMax" };
  }

  /** Where there must be TLS, only TLS can be asked for before it is there. */
  #turnAway(option: number): OptionOutcome | undefined {
    if (this.#tls !== "require" || this.#security === "tls") return undefined;
    if (option === NbdOption.StartTls) return undefined;
    const why = "this server wants TLS first";
    if (option === NbdOption.ExportName) return { do: "close", why };
    this.#refuse(option, OptionReply.TlsRequired, why);
    return CONTINUE;
  }

  #exportName(view: DataView, base: number, bytes: number): OptionOutcome {
    const name = readName(view, base, bytes);
    if (name === undefined) return { do: "close", why: "the name of the export is no name" };
    const to = this.#exports.find(name);
    if (to === undefined) return { do: "close", why: `there is no export "${name}"` };
    const { sizeBytes } = to;
    replyToExportName(this.#out, sizeBytes, to.flags(this.structured), this.zeroes);
    this.chosen = name;
    return { do: "enter", to, sizeBytes };
  }

  #list(): OptionOutcome {
    for (const { nameBytes, descriptionBytes } of this.#exports.exports) {
      const length = integers([4, nameBytes.length]);
      const { List } = NbdOption;
      replyToOption(this.#out, List, OptionReply.Server, length, nameBytes, descriptionBytes);
    }
    return this.#acknowledge(NbdOption.List);
  }

  #startTls(): OptionOutcome {
    const option = NbdOption.StartTls;
    if (this.#security === "tls") {
      this.#refuse(option, OptionReply.Invalid, "there is TLS already");
    } else if (!this.fixed) {
      this.#refuse(option, OptionReply.Invalid, "TLS needs fixed newstyle negotiation");
    } else if (this.#tls === "off") {
      this.#refuse(option, OptionReply.Policy, "this server has no TLS");
    } else {
      this.#acknowledge(option);
      return { do: "start-tls" };
    }
    return CONTINUE;
  }

  #info(option: number, view: DataView, base: number, bytes: number): OptionOutcome {
    const asked = readInfoRequest(view, base, bytes);
    if (typeof asked === "string") return this.#faulty(option, asked);
    const to = this.#exports.find(asked.name);
    if (to === undefined) return this.#unknown(option, asked.name);
    const { sizeBytes } = to;
    const flags = to.flags(this.structured);
    this.#tell(option, integers([2, NbdInfo.Export], [8, sizeBytes], [2, flags]));
    if (asked.infos.has(NbdInfo.Name))
      this.#tell(option, integers([2, NbdInfo.Name]), to.nameBytes);
    if (asked.infos.has(NbdInfo.Description) && to.descriptionBytes.length > 0) {
      this.#tell(option, integers([2, NbdInfo.Description]), to.descriptionBytes);
    }
    // Not asked for it is told all the same where it is more than a good advice.
    if (asked.infos.has(NbdInfo.BlockSize) || to.unaligned === "error") {
      const { minimumBytes, preferredBytes, maximumBytes } = to;
      const kind = [2, NbdInfo.BlockSize] as const;
      const sizes = integers(kind, [4, minimumBytes], [4, preferredBytes], [4, maximumBytes]);
      this.#tell(option, sizes);
    }
    this.#acknowledge(option);
    if (option === NbdOption.Info) return CONTINUE;
    this.chosen = asked.name;
    return { do: "enter", to, sizeBytes };
  }

  #metaContext(option: number, view: DataView, base: number, bytes: number): OptionOutcome {
    const isSet = option === NbdOption.SetMetaContext;
    // Whatever becomes of it, what was chosen before is chosen no more.
    if (isSet) this.#allocationFor = undefined;
    if (!this.structured) {
      this.#refuse(option, OptionReply.Invalid, "it needs structured replies");
      return CONTINUE;
    }
    const asked = readMetaRequest(view, base, bytes, this.#limits.queriesMax);
    if (typeof asked === "string") return this.#faulty(option, asked);
    if (this.#exports.find(asked.name) === undefined) return this.#unknown(option, asked.name);
    const { queries } = asked;
    const isMeant = isSet
      ? queries.includes(ALLOCATION)
      : queries.length === 0 || queries.some((each) => each === "base:" || each === ALLOCATION);
    if (isMeant) {
      if (isSet) this.#allocationFor = asked.name;
      const id = integers([4, isSet ? ALLOCATION_ID : 0]);
      const name = new TextEncoder().encode(ALLOCATION);
      replyToOption(this.#out, option, OptionReply.MetaContext, id, name);
    }
    return this.#acknowledge(option);
  }

  #tell(option: number, ...pieces: readonly Uint8Array[]): void {
    replyToOption(this.#out, option, OptionReply.Info, ...pieces);
  }

  #acknowledge(option: number): OptionOutcome {
    replyToOption(this.#out, option, OptionReply.Ack);
    return CONTINUE;
  }

  #refuse(option: number, type: OptionReply, why: string): void {
    refuseOption(this.#out, option, type, why);
  }

  #noData(option: number): OptionOutcome {
    this.#refuse(option, OptionReply.Invalid, "the option takes no data");
    return CONTINUE;
  }

  #faulty(option: number, fault: OptionFault): OptionOutcome {
    if (fault === "too-big") {
      this.#refuse(option, OptionReply.TooBig, "a name is too long, or there are too many queries");
      return CONTINUE;
    }
    this.#refuse(option, OptionReply.Invalid, "the data of the option makes no sense");
    return CONTINUE;
  }

  #unknown(option: number, name: string): OptionOutcome {
    this.#refuse(option, OptionReply.Unknown, `there is no export "${name}"`);
    return CONTINUE;
  }
}
