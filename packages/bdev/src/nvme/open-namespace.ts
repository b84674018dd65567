// A namespace as one user has it open: any size of request, and an end that is his alone.
// Read first: multipath-device.ts, the device that all users of the namespace share; ../split.ts.

import type { BlockChannel, BlockDevice, BlockDeviceEvent } from "../block-device.ts";
import { DelegatingDevice } from "../delegate.ts";
import { Observers } from "../observers.ts";
import { splitting } from "../split.ts";
import type { MultipathDevice } from "./multipath-device.ts";

/** The shared device, telling when a channel of this user is closed and has nothing in flight. */
class Shared extends DelegatingDevice {
  readonly #ended: () => void;

  constructor(device: BlockDevice, ended: () => void) {
    super(device);
    this.#ended = ended;
  }

  openChannel(): BlockChannel {
    const channel = this.device.openChannel();
    const ended = this.#ended;
    return {
      get inflight() {
        return channel.inflight;
      },
      submit: (request, settle) => channel.submit(request, settle),
      // Called by the channel that splits, at its end.
      close: () => {
        channel.close();
        ended();
      },
    };
  }
}

/** Stands in front of the shared device. Closing it ends its own channels, and nothing else. */
export class OpenNamespace extends DelegatingDevice {
  readonly #shared: MultipathDevice;
  readonly #observers: Observers<BlockDeviceEvent>;
  readonly #stopObserving: () => void;
  readonly #open = new Set<BlockChannel>();
  #openChannels = 0;
  #closed: Promise<void> | undefined;
  #ended: (() => void) | undefined;

  constructor(shared: MultipathDevice) {
    const { clock } = shared;
    const ended = (): void => {
      this.#openChannels--;
      // Deferred: the last request is about to settle, and close resolves after that.
      clock.defer(() => this.#checkEnded());
    };
    super(splitting(new Shared(shared, ended), { clock }));
    this.#shared = shared;
    this.#observers = new Observers(clock);
    this.#stopObserving = shared.observe((event) => this.#observers.tell(event));
  }

  openChannel(): BlockChannel {
    const channel = this.device.openChannel();
    this.#openChannels++;
    if (this.#closed === undefined) this.#open.add(channel);
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
    for (const channel of this.#open) channel.close();
    this.#open.clear();
    this.#shared.clock.defer(() => this.#checkEnded());
    return this.#closed;
  }

  #checkEnded(): void {
    if (this.#openChannels === 0) this.#ended?.();
  }
}
