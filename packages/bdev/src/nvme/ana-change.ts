// A change of the ANA state of a path, for those who listen by name and not by object.
// Read first: @nvmeof/core channels.ts; namespace-path.ts, whose state it is.

import type { AnaState } from "@nvmeof/codec";
import { type AnaMessage, controllerName, hostChannels } from "@nvmeof/core";
import type { NamespacePath } from "./namespace-path.ts";

/** Publishes where the controller's platform has channels, and somebody listens. */
export function publishAnaChange(
  { controllerPath, facts, nsid }: NamespacePath,
  from: AnaState | undefined,
  to: AnaState | undefined,
): void {
  const { ana, controller } = controllerPath;
  // Without ANA a path is as good as it can be while it is there: nothing is reported.
  if (!ana.reports) return;
  const channel = controller.options.diagnostics?.(hostChannels.anaChange);
  if (channel?.hasSubscribers !== true) return;
  const message: AnaMessage = {
    ...controllerName(controller),
    nsid,
    anaGroup: facts.identify.anagrpid,
    from,
    to,
  };
  channel.publish(message);
}
