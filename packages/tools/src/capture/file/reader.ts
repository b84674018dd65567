// A capture file in pieces, of any length: finds out its format, and takes the frames out.
// Read first: pcap.ts and pcapng.ts for the formats; frame.ts for who takes the frames.

import { ByteQueue } from "./byte-queue.ts";
import { CaptureError } from "./errors.ts";
import type { FileFormat, FrameSink } from "./frame.ts";
import { PcapFormat, isPcap } from "./pcap.ts";
import { PcapngBlock, PcapngFormat } from "./pcapng.ts";

const MAGIC_BYTES = 4;

/** Takes a file in pieces. Holds one frame at most. */
export class CaptureReader {
  readonly #sink: FrameSink;
  readonly #queue = new ByteQueue();
  #format: FileFormat | undefined;
  #error: CaptureError | undefined;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Why nothing more can be made of the file, if so: what is written from then on is not read. */
  get error(): CaptureError | undefined {
    return this.#error;
  }

  /** Takes the next bytes; the caller may change them afterwards. */
  write(chunk: Uint8Array): void {
    if (this.#error !== undefined) return;
    this.#queue.append(chunk);
    try {
      this.#format ??= this.#recognise();
      this.#format?.read(this.#queue);
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error;
      this.#error = error;
    }
  }

  /** The file ends. */
  end(): void {
    if (this.#error !== undefined) return;
    if (this.#format !== undefined) {
      this.#error = this.#format.end(this.#queue);
    } else {
      const what = this.#queue.length === 0 ? "the file is empty" : "the file ends in its header";
      this.#error = new CaptureError(0, what);
    }
  }

  #recognise(): FileFormat | undefined {
    const { view, start, length } = this.#queue;
    if (length < MAGIC_BYTES) return undefined;
    if (isPcap(view, start)) return new PcapFormat(this.#sink);
    if (view.getUint32(start) === PcapngBlock.SectionHeader) return new PcapngFormat(this.#sink);
    const magic = view.getUint32(start).toString(16).padStart(8, "0");
    throw new CaptureError(0, `it begins with ${magic}h, which is neither pcap nor pcapng`, {
      hint: "tcpdump -w, tshark -w, dumpcap and `nvmeof … --trace` write files that can be read.",
    });
  }
}
