// @nvmeof/core/auth: DH-HMAC-CHAP of a host, and what host and controller have in common. By name.

export {
  type AuthContext,
  authReceiveCommand,
  authSendCommand,
  authenticate,
} from "./authenticate.ts";
export {
  type ControllerAuthInput,
  type ControllerAuthOutput,
  ControllerExchange,
  type ControllerExchangeOptions,
  type HostSecrets,
} from "./controller-exchange.ts";
export {
  type ControllerAuthCell,
  type ControllerAuthPhase,
  controllerAuthTable,
} from "./controller-table.ts";
export type { AuthCrypto, DhPair } from "./crypto.ts";
export {
  type AuthFailureKind,
  AuthenticationError,
  authFailures,
  failureKindOf,
} from "./errors.ts";
export {
  type AuthResult,
  type HostAuthCell,
  type HostAuthInput,
  type HostAuthOutput,
  type HostAuthPhase,
  HostExchange,
  type HostExchangeOptions,
  hostAuthTable,
} from "./host-exchange.ts";
export {
  type AuthAlgorithms,
  type Authentication,
  type ResolvedAuthentication,
  resolveAlgorithms,
  resolveAuthentication,
} from "./options.ts";
export { type Transaction, controllerResponse, hostResponse, usedKey } from "./proof.ts";
export { SequenceNumbers } from "./sequence-numbers.ts";
