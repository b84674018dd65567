// Where what happens can be heard by its name, without the object in hand that it happens to.
// Read first: `node:diagnostics_channel`, whose shape this is; queue-link.ts, Transport.

/** One channel. Whoever listens to it and throws harms nobody who publishes. */
export interface DiagnosticsChannel {
  /** Looked at before a message is made: nobody pays for what nobody hears. */
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

/** The channel of a name; the same one for each name. */
export type Diagnostics = (name: string) => DiagnosticsChannel;
