// What a target tells those who watch it: who came, who went and why, and who was refused.
// Read first: connect.ts for refusals, controller.ts for the reasons of an end.

import type { TlsFailure } from "@nvmeof/transport";
import type { MetLimit } from "./counters.ts";

/** Why a controller ended. */
export type ControllerEnd =
  | "host-left" // the host closed, or the network lost, the admin queue
  | "keep-alive-expired"
  | "enable-timeout" // connected, and never enabled
  | "cross-controller-reset" // by the host, by way of another controller
  | "authentication-failed" // the host has not proven who it is, or not anew
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
  /** A host has proven who it is, on one queue; `mutual`: the controller has done so, too. */
  | {
      readonly type: "authenticated";
      readonly subsystemNqn: string;
      readonly cntlid: number;
      readonly qid: number;
      readonly hostNqn: string;
      readonly remote: string;
      /** "sha256", "sha384" or "sha512". */
      readonly hash: string;
      /** "ffdhe2048" and the like, or "null" for none. */
      readonly group: string;
      readonly mutual: boolean;
    }
  /** A host has not. `explanation` is what it was told, or said itself (Reason Code Explanation). */
  | {
      readonly type: "authentication-failed";
      readonly subsystemNqn: string;
      readonly qid: number;
      /** Who it says it is. */
      readonly hostNqn: string;
      readonly remote: string;
      readonly explanation: number;
      readonly message: string;
    }
  /** A Connect was answered with `status`, packed as `statusOf` does; `limit` if a bound was met. */
  | {
      readonly type: "connect-refused";
      readonly remote: string;
      readonly status: number;
      readonly message: string;
      readonly limit?: MetLimit | undefined;
    }
  /**
   * A connection ended; `message` says what the host or the network did, "" for nothing unusual,
   * `limit` which bound it met, if it did. `tlsFailure` says why its TLS handshake failed, if that is why,
   * and `tlsIdentity` which PSK identity the host offered, as far as it prints.
   */
  | {
      readonly type: "connection-ended";
      readonly remote: string;
      readonly message: string;
      readonly limit?: MetLimit | undefined;
      readonly tlsFailure?: TlsFailure | undefined;
      readonly tlsIdentity?: string | undefined;
    }
  /**
   * A host met a bound: a command waits or is refused, or nothing is read from its connection for a
   * while. Told ten times a second at most for each bound; `count` is how often it was met so far.
   */
  | {
      readonly type: "limit-met";
      readonly limit: MetLimit;
      /** "" where it was no single host. */
      readonly remote: string;
      readonly message: string;
      readonly count: number;
    };
