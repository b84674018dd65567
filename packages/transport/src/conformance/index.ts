// @nvmeof/transport/conformance: not written yet.
export {};
