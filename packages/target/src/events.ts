// What a target tells those who watch it: who came, who went and why, and who was refused.
// Read first: connect.ts for refusals, controller.ts for the reasons of an end.

/** Why a controller ended. */
export type ControllerEnd =
  | "host-left" // the host closed, or the network lost, the admin queue
  | "keep-alive-expired"
  | "enable-timeout" // connected, and never enabled
  | "cross-controller-reset" // by the host, by way of another controller
  | "host-disallowed"
  | "subsystem-removed"
  | "port-closed"
  | "target-closed";

/** Something that happened on a target. Texts from a host are printable and of bounded length. */
export type TargetEvent =
  | {
      readonly type: "controller-created";
      readonly subsystemNqn: string;
      readonly cntlid: number;
      readonly hostNqn: string;
      /** The host's address, as a person writes it. */
      readonly remote: string;
    }
  | {
      readonly type: "controller-removed";
      readonly subsystemNqn: string;
      readonly cntlid: number;
      readonly hostNqn: string;
      readonly reason: ControllerEnd;
    }
  /** A connection was closed before it was read: `limit` names the bound of `TargetLimits`. */
  | {
      readonly type: "connection-refused";
      readonly remote: string;
      readonly limit: "connectionsMax" | "connectionsPerAddressMax";
    }
  /** A Connect was answered with `status`, packed as `statusOf` does. */
  | {
      readonly type: "connect-refused";
      readonly remote: string;
      readonly status: number;
      readonly message: string;
    }
  /** A connection ended; `message` says what the host or the network did, "" for nothing unusual. */
  | { readonly type: "connection-ended"; readonly remote: string; readonly message: string };
