// The parts of the demo that can be played alone. Apart from them, so that the parser need not load them.

export const scenarios = ["destruct", "failover", "reconnect", "fencing"] as const;
export type Scenario = (typeof scenarios)[number];
