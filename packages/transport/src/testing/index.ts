// Entry point of @nvmeof/transport/testing: what a test of anything above a transport needs.

export {
  type PduParts,
  type PduShape,
  RawPdus,
  type ReceivedPdu,
  firstPdu,
  joined,
  pdusIn,
  sqeOf,
} from "./raw-pdu.ts";
export { RawPeer } from "./raw-peer.ts";
export { VirtualClock } from "./virtual-clock.ts";
export { eventually, resultOf } from "./virtual-promises.ts";
