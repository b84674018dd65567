// Entry point of @nvmeof/tools/node: what the tools need of Node.

export { ControlClient, type ControlProcess, controlProcesses } from "./control-client.ts";
export {
  type ControlEnv,
  type ControlSocket,
  controlFolder,
  controlSockets,
} from "./control-folder.ts";
export { type ExposeOptions, type ExposedControl, exposeControl } from "./expose-control.ts";
export { latencyHistogram } from "./histogram.ts";
export { type ServeNbdOptions, type ServedNbd, serveNbd } from "./nbd.ts";
export { type NbdListenOptions, type NbdListener, nbdListen } from "./nbd-listener.ts";
export { perfMeter, soon } from "./perf-meter.ts";
