// Entry point of @nvmeof/transport/fc: Fibre Channel in software, for hosts and for targets.

export { FcControllerLink } from "./controller-link.ts";
export { FcControllerPort, type FcControllerPortOptions } from "./controller-port.ts";
export { FcRejectedError } from "./errors.ts";
export { type ResponseFacts, needsErsp } from "./ersp.ts";
export { Fabric, type FabricOptions, type FrameFate, type FrameOnTheWay } from "./fabric.ts";
export type { FrameLink, FrameLinkEvents } from "./frame-link.ts";
export { SoftHostPort } from "./host-port.ts";
export { FcHost, type FcHostOptions } from "./host-transport.ts";
export { type PortNames, namesOf, traddrOf } from "./names.ts";
export {
  type CommonPort,
  FcpOp,
  type FcpRequest,
  FcStatus,
  type HostPort,
  type HostPortEvents,
  type LsCall,
  type ReceivedLs,
  type RemotePort,
  type TargetExchange,
  type TargetPort,
  type TargetPortEvents,
} from "./port.ts";
export type { SoftPortOptions } from "./soft-port.ts";
export { StreamLink } from "./stream-link.ts";
export { type StreamListenerOptions, fcListener } from "./stream-listener.ts";
export { SoftTargetPort, type SoftTargetPortOptions } from "./target-port.ts";
