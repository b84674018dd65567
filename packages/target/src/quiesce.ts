// Ends what hosts have under way in a namespace: nothing new goes to its device by their present seats,
// and whoever asked is told when the device has nothing of them any more. Read first: seat.ts.

import type { Clock } from "@nvmeof/transport";
import type { HostIdentity } from "./host-identity.ts";
import type { Namespace } from "./namespace.ts";

/**
 * Closes the seats of the hosts concerned, those of queues that are gone included. Who sits down anew
 * is not concerned.
 *
 * @param status for commands of theirs that are under way.
 * @param done is called once, later.
 */
export function quiesce(
  clock: Clock,
  namespace: Namespace,
  concerns: (host: HostIdentity) => boolean,
  status: number,
  done: () => void,
): void {
  const seats = [...namespace.seats].filter(({ host }) => concerns(host));
  let left = seats.length + 1;
  const one = (): void => {
    left--;
    if (left === 0) clock.defer(done);
  };
  for (const seat of seats) {
    seat.whenDrained(one);
    seat.close(status);
  }
  one();
}
