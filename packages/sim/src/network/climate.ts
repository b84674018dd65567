// What a connection lives in: weather, silence, who reads, and a wire to trip over. It is data.
// Read first: fault.ts, whose lasting faults change it.

import type { Direction, NetworkFault, Side } from "./fault.ts";
import { CALM, type Weather } from "./weather.ts";

/** An end in the midst: see the fault of this name. */
export interface TripWire {
  readonly direction: Direction;
  readonly afterWrites: number;
  readonly bytes: number;
  readonly how: "reset" | "fin" | "silence";
}

export interface Climate {
  readonly weather: Readonly<Record<Direction, Weather>>;
  readonly flow: Readonly<Record<Direction, "flows" | "silent">>;
  readonly reading: Readonly<Record<Side, "going" | "stopped">>;
  readonly trip: TripWire | undefined;
}

/** A fault that lasts. */
export type LastingFault = NetworkFault & {
  readonly kind: "weather" | "silence" | "trip" | "stop-reading";
};

/** Nothing is wrong, and the weather is the same in both directions. */
export function calmClimate(weather: Weather = CALM): Climate {
  return {
    weather: { toController: weather, toHost: weather },
    flow: { toController: "flows", toHost: "flows" },
    reading: { host: "going", controller: "going" },
    trip: undefined,
  };
}

/** The climate with one thing wrong in addition. */
export function worse(climate: Climate, fault: LastingFault): Climate {
  switch (fault.kind) {
    case "weather": {
      const { toController, toHost } = climate.weather;
      const weather = {
        toController: concerns(fault, "toController")
          ? { ...toController, ...fault.weather }
          : toController,
        toHost: concerns(fault, "toHost") ? { ...toHost, ...fault.weather } : toHost,
      };
      return { ...climate, weather };
    }
    case "silence": {
      const flow = { ...climate.flow };
      if (concerns(fault, "toController")) flow.toController = "silent";
      if (concerns(fault, "toHost")) flow.toHost = "silent";
      return { ...climate, flow };
    }
    case "trip": {
      const { direction, afterWrites, bytes, how } = fault;
      return { ...climate, trip: { direction, afterWrites, bytes, how } };
    }
    case "stop-reading":
      break;
  }
  return { ...climate, reading: { ...climate.reading, [fault.side]: "stopped" } };
}

const concerns = (fault: { readonly direction?: Direction }, direction: Direction): boolean =>
  fault.direction === undefined || fault.direction === direction;
