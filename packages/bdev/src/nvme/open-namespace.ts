// A namespace as one user has it open: any size of request, and an end that is his alone.
// Read first: multipath-device.ts, the device that all users of the namespace share; ../split.ts.

import type { BlockChannel, BlockDevice, BlockDeviceEvent } from "../block-device.ts";
import { DelegatingDevice } from "../delegate.ts";
import { Observers } from "../observers.ts";
import { splitting } from "../split.ts";
import type { MultipathDevice } from "./multipath-device.ts";

/** The shared device, telling which channels of this user have nothing to do any more. */
class Shared extends DelegatingDevice {
  readonly #open: Set<BlockChannel>;
  readonly #ended: () => void;

  /** @param ended is called when a channel has left `open`, where all are that have not ended. */
  constructor(device: BlockDevice, open: Set<BlockChannel>, ended: () => void) {
    super(device);
    this.#open = open;
    this.#ended = ended;
  }

  openChannel(): BlockChannel {
    const inner = this.device.openChannel();
    const open = this.#open;
    const ended = this.#ended;
    const channel: BlockChannel = {
      get inflight() {
        return inner.inflight;
      },
      submit: (request, settle) => inner.submit(request, settle),
      // Called by the channel that splits, at its end; and again after a late refusal.
      close: () => {
        inner.close();
        if (open.delete(channel)) ended();
      },
    };
    open.add(channel);
    return channel;
  }
}

/** Stands in front of the shared device. Closing it ends its own channels, and nothing else. */
export class OpenNamespace extends DelegatingDevice {
  readonly #shared: MultipathDevice;
  readonly #observers: Observers<BlockDeviceEvent>;
  readonly #stopObserving: () => void;
  /** Channels as their user has them, until this is closed; and those below that have not ended. */
  readonly #channels = new Set<BlockChannel>();
  readonly #unended: Set<BlockChannel>;
  #closed: Promise<void> | undefined;
  #ended: (() => void) | undefined;

  constructor(shared: MultipathDevice) {
    const { clock } = shared;
    const unended = new Set<BlockChannel>();
    // Deferred: the last request is about to settle, and close resolves after that.
    const ended = (): void => clock.defer(() => this.#checkEnded());
    super(splitting(new Shared(shared, unended, ended), { clock }));
    this.#unended = unended;
    this.#shared = shared;
    this.#observers = new Observers(clock);
    this.#stopObserving = shared.observe((event) => this.#observers.tell(event));
  }

  openChannel(): BlockChannel {
    const channel = this.device.openChannel();
    if (this.#closed === undefined) this.#channels.add(channel);
    else channel.close();
    return channel;
  }

  override observe(observer: (event: BlockDeviceEvent) => void): () => void {
    return this.#observers.add(observer);
  }

  override close(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed;
    this.#closed = new Promise((resolve) => (this.#ended = resolve));
    this.#stopObserving();
    if (this.#shared.closedReason === undefined) {
      this.#observers.tell({ type: "removed", reason: "its user closed it" });
    }
    for (const channel of this.#channels) channel.close();
    this.#channels.clear();
    this.#shared.clock.defer(() => this.#checkEnded());
    return this.#closed;
  }

  #checkEnded(): void {
    if (this.#unended.size === 0) this.#ended?.();
  }
}
