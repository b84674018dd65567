// @nvmeof/codec/auth: messages and secrets of DH-HMAC-CHAP, keys of TLS. Everything exported, by name.

export { base64Bytes, base64Text } from "./base64.ts";
export { crc32 } from "./crc32.ts";
export { DhchapKey, DhchapKeyError, type DhchapKeyFault, type KeyTransform } from "./dhchap-key.ts";
export { FFDHE_GENERATOR, ffdhePrime, isDhPublicValue } from "./ffdhe.ts";
export { AuthExplanation, AuthMessageError, authExplanationName } from "./message-error.ts";
export {
  AUTHID_DHCHAP,
  AUTH_IDS_MAX,
  AUTH_MESSAGE_BYTES_MAX,
  AUTH_REASON_FAILED,
  AuthDescriptor,
  AuthFailure,
  AuthId,
  type AuthMessage,
  type AuthMessageType,
  AuthNegotiate,
  AuthType,
  DhchapChallenge,
  DhchapReply,
  DhchapSuccess1,
  DhchapSuccess2,
  type FailureMessage,
  authTidOf,
  decodeAuthMessage,
  encodeAuthMessage,
} from "./message.ts";
export {
  AuthHash,
  type AuthHashName,
  DhGroup,
  type DhGroupName,
  authHashBytes,
  authHashName,
  authHashNames,
  dhGroupBytes,
  dhGroupName,
  dhGroupNames,
  isAuthHash,
  isDhGroup,
} from "./names.ts";
export {
  type TlsHash,
  type TlsIdentityVersion,
  TlsKey,
  TlsKeyError,
  type TlsKeyFault,
  TlsKeyHash,
  TlsPsk,
  type TlsSecret,
  isTlsKey,
  tlsSecret,
} from "./tls-key.ts";
export {
  type Hmac,
  type TlsDerivation,
  type TlsIdentity,
  TlsIdentityError,
  type TlsNames,
  deriveTlsPsk,
  parseTlsIdentity,
} from "./tls-psk.ts";
export { utf8Of } from "../nqn.ts";
