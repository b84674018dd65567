// A transport that tells when its controller opens a connection, and when it sends Keep Alive, and that
// loses a notice now and then.
// Read first: oracles/lifecycle.ts, which wants to know; @nvmeof/transport queue-link.ts.

import {
  AdminOpcode,
  AsyncEvent,
  AsyncEventType,
  AsyncNoticeInfo,
  Cqe,
  decodeDwords,
  encodeDword,
} from "@nvmeof/codec";
import type { QueueEvents, QueueLink, Transport } from "@nvmeof/transport";

/** Who wants to know. */
export interface TransportWatch {
  connecting(): void;
  keepAlive(): void;
  /** Whether the notice that a Cross-Controller Reset is completed gets lost, this time. */
  losesNotice(): boolean;
}

/**
 * A lost notice comes as one that means nothing: a request that is never answered would take all others
 * along with it.
 */
const MEANINGLESS = encodeDword(AsyncEvent, { aet: AsyncEventType.VendorSpecific });

function losing(events: QueueEvents, watch: TransportWatch, requests: Set<number>): QueueEvents {
  return {
    opened: () => events.opened(),
    lost: (error) => events.lost(error),
    completed: (cid, view, base) => {
      if (requests.delete(cid)) {
        const { aet, aei } = decodeDwords(AsyncEvent, Cqe.dw0.get(view, base));
        const isIt = aet === AsyncEventType.Notice && aei === AsyncNoticeInfo.CcrCompleted;
        if (isIt && watch.losesNotice()) Cqe.dw0.set(view, base, MEANINGLESS);
      }
      events.completed(cid, view, base);
    },
  };
}

/** `transport`, watched. */
export function watchedTransport(transport: Transport, watch: TransportWatch): Transport {
  const { address, clock } = transport;
  return {
    address,
    clock,
    openQueue(options, events): QueueLink {
      watch.connecting();
      if (options.qid > 0) return transport.openQueue(options, events);
      const requests = new Set<number>();
      const link = transport.openQueue(options, losing(events, watch, requests));
      return {
        submit: (cid, sqe, direction, data) => {
          if (sqe[0] === AdminOpcode.KeepAlive) watch.keepAlive();
          else if (sqe[0] === AdminOpcode.AsyncEventRequest) requests.add(cid);
          link.submit(cid, sqe, direction, data);
        },
        detach: (cid) => link.detach(cid),
        close: (how) => link.close(how),
      };
    },
  };
}
