// @nvmeof/telemetry/opentelemetry: metrics of hosts by the names of OpenTelemetry's conventions.

export { type InstrumentFact, instrumentFacts } from "./instruments.ts";
export { type InstrumentationOptions, NvmeInstrumentation } from "./instrumentation.ts";
