// A target over FC whose links are byte streams: each stream that comes in is a port of its own.
// Read first: stream-link.ts; controller-port.ts; ../byte-stream.ts `Listener`.

import type { ByteStream, ByteStreamHandler, Listener } from "../byte-stream.ts";
import type { Clock } from "../clock.ts";
import type { ControllerEvents, ControllerLink, LinkListener } from "../queue-link.ts";
import { FcControllerPort } from "./controller-port.ts";
import type { PortNames } from "./names.ts";
import { StreamLink } from "./stream-link.ts";
import { SoftTargetPort } from "./target-port.ts";

/** What a target over streams is made of. */
export interface StreamListenerOptions {
  readonly listener: Listener;
  readonly clock: Clock;
  readonly names: PortNames;
  /** See `FcControllerPortOptions`. */
  readonly random32?: () => number;
}

/** Takes hosts over FC by the streams of a listener. */
export function fcListener(options: StreamListenerOptions): LinkListener {
  const { listener, clock, names } = options;
  const open = new Set<FcControllerPort>();
  const serve = (
    stream: ByteStream,
    accept: (link: ControllerLink) => ControllerEvents | undefined,
  ): ByteStreamHandler => {
    const link = new StreamLink({ stream }, clock);
    const controllers = new FcControllerPort({
      ...options,
      port: new SoftTargetPort({ link, clock, names }),
      local: listener.local,
      remote: stream.remote,
    });
    open.add(controllers);
    controllers.listen(accept);
    return {
      opened: () => link.opened(),
      received: (buffer, start, end) => link.received(buffer, start, end),
      drained: () => link.drained(),
      ended: (error) => {
        open.delete(controllers);
        link.ended(error);
      },
    };
  };
  return {
    yields: "links",
    local: listener.local,
    listen: (accept) => listener.listen((stream) => serve(stream, accept)),
    close: () => {
      listener.close();
      for (const controllers of open) controllers.close();
    },
  };
}
