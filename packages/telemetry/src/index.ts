// @nvmeof/telemetry: diagnostics channels and meters of hosts. Everything the package exports, by name.

export {
  type AnaMessage,
  type CommandMessage,
  type CommandWatcher,
  type ControllerName,
  type KeepAliveMessage,
  type PathMessage,
  type QueueWatcher,
  type ResetMessage,
  type ViolationMessage,
  hostChannels,
} from "@nvmeof/core";
export {
  type ChannelFact,
  type ChannelMessages,
  type ChannelName,
  channelFacts,
  diagnostics,
  listen,
} from "./channels.ts";
export { CommandMeter, type OperationCount, durationBoundsMs } from "./command-meter.ts";
