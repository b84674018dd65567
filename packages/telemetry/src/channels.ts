// The diagnostics channels of this process by name, with the message of each, and how to listen.
// Read first: @nvmeof/core channels.ts for the messages; `node:diagnostics_channel`.

import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  type AnaMessage,
  type CommandMessage,
  type KeepAliveMessage,
  type PathMessage,
  type ResetMessage,
  type ViolationMessage,
  hostChannels,
} from "@nvmeof/core";
import type { Diagnostics } from "@nvmeof/transport";

/** What comes on each channel. */
export interface ChannelMessages {
  "nvmeof:command:start": CommandMessage;
  "nvmeof:command:complete": CommandMessage;
  "nvmeof:command:error": CommandMessage;
  "nvmeof:path:connecting": PathMessage;
  "nvmeof:path:live": PathMessage;
  "nvmeof:path:lost": PathMessage;
  "nvmeof:path:removed": PathMessage;
  "nvmeof:controller:reset:start": ResetMessage;
  "nvmeof:controller:reset:end": ResetMessage;
  "nvmeof:protocol:violation": ViolationMessage;
  "nvmeof:keepalive:ok": KeepAliveMessage;
  "nvmeof:keepalive:late": KeepAliveMessage;
  "nvmeof:keepalive:expired": KeepAliveMessage;
  "nvmeof:ana:change": AnaMessage;
}

/** A channel by its name, such as `nvmeof:command:start`. */
export type ChannelName = keyof ChannelMessages;

/** What a channel is for: docs/metrics.md is printed from here. */
export interface ChannelFact {
  readonly name: ChannelName;
  /** Type of its messages. */
  readonly message: string;
  readonly says: string;
}

const fact = (name: ChannelName, message: string, says: string): ChannelFact => ({
  name,
  message,
  says,
});

/** All of them. */
export const channelFacts: readonly ChannelFact[] = [
  fact(hostChannels.commandStart, "CommandMessage", "a command is about to be sent, on any queue"),
  fact(hostChannels.commandComplete, "CommandMessage", "it ended with success; the same object"),
  fact(hostChannels.commandError, "CommandMessage", "it ended with `error`; the same object"),
  fact(hostChannels.pathConnecting, "PathMessage", "an attempt to connect begins"),
  fact(hostChannels.pathLive, "PathMessage", "the controller takes commands"),
  fact(hostChannels.pathLost, "PathMessage", "a live controller takes none any more: see `cause`"),
  fact(hostChannels.pathRemoved, "PathMessage", "the controller is closed for good"),
  fact(
    hostChannels.resetStart,
    "ResetMessage",
    "a live controller is torn down, and is to come back",
  ),
  fact(hostChannels.resetEnd, "ResetMessage", "it is live again, or given up: see `result`"),
  fact(hostChannels.protocolViolation, "ViolationMessage", "a controller broke the protocol"),
  fact(hostChannels.keepAliveOk, "KeepAliveMessage", "Keep Alive was answered"),
  fact(
    hostChannels.keepAliveLate,
    "KeepAliveMessage",
    "it was answered, after more than half of the time that it had (a quarter of KATO)",
  ),
  fact(hostChannels.keepAliveExpired, "KeepAliveMessage", "it was not: the controller is lost"),
  fact(
    hostChannels.anaChange,
    "AnaMessage",
    "the ANA state of a path to a namespace changed, or is not known; only where ANA is reported",
  ),
];

/**
 * Where controllers publish whose transport is of `@nvmeof/transport/node`. For others, such as one over
 * memory: `connect({ …, diagnostics })`.
 */
export const diagnostics: Diagnostics = channel;

/**
 * Calls `listener` with what is published on a channel from now on, until the returned function is
 * called. It runs inside what it hears of, so it should be short. What it throws becomes an uncaught
 * exception of the process, and harms no command.
 */
export function listen<Name extends ChannelName>(
  name: Name,
  listener: (message: ChannelMessages[Name]) => void,
): () => void {
  const heard = (message: unknown): void => listener(message as ChannelMessages[Name]);
  subscribe(name, heard);
  return () => void unsubscribe(name, heard);
}
