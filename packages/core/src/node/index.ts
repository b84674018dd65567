// Entry point of @nvmeof/core/node: what a controller needs of Node.

export { authCrypto } from "./auth-crypto.ts";
export { type DhchapOptions, dhchap } from "./dhchap.ts";
