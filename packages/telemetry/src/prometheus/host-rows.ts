// The metrics of a host: its commands, its controllers, and its paths to namespaces.
// Read first: rows.ts; ../host-source.ts for where values come from.

import type { NamespacePath, PathStatistics } from "@nvmeof/bdev/nvme";
import { type Controller, addressText, states } from "@nvmeof/core";
import { anaLabel, anaLabels } from "../ana-label.ts";
import type { HostSource } from "../host-source.ts";
import { type Labels, type Put, type Row, putState, seconds } from "./rows.ts";

type HostRow = Row<HostSource>;

const onController = ["group", "address"] as const;
const onPath = ["group", "address", "nsid"] as const;

const controllerLabels = ({ name }: HostSource, controller: Controller): Labels => ({
  group: name,
  address: addressText(controller.address),
});

/** A row about each controller. */
const ofControllers = (
  row: Omit<HostRow, "read" | "labels">,
  value: (source: HostSource, path: HostSource["controllers"][number]) => number,
): HostRow => ({
  ...row,
  labels: onController,
  read(source, put) {
    for (const path of source.controllers) {
      put(controllerLabels(source, path.controller), value(source, path));
    }
  },
});

function eachPath(source: HostSource, visit: (labels: Labels, path: NamespacePath) => void): void {
  for (const { controller, namespaces } of source.controllers) {
    const labels = controllerLabels(source, controller);
    for (const path of namespaces.values()) visit({ ...labels, nsid: path.nsid }, path);
  }
}

/** A row about each path to each namespace. */
const ofPaths = (
  row: Omit<HostRow, "read" | "labels">,
  value: (statistics: PathStatistics, path: NamespacePath) => number,
): HostRow => ({
  ...row,
  labels: onPath,
  read: (source, put) =>
    eachPath(source, (labels, path) => put(labels, value(path.statistics, path))),
});

/** A row about each namespace of a host, over all of its paths. */
const ofDevices = (
  row: Omit<HostRow, "read" | "labels">,
  value: (device: HostSource["group"]["devices"][number]) => number,
): HostRow => ({
  ...row,
  labels: ["group", "nsid"],
  read({ group, name }, put) {
    for (const device of group.devices) put({ group: name, nsid: device.nsid }, value(device));
  },
});

function readCommands(source: HostSource, put: Put): void {
  const group = source.name;
  for (const { operation, succeeded, failed } of source.meter?.operations ?? []) {
    put({ group, operation, status: "success" }, succeeded);
    for (const [status, count] of failed) put({ group, operation, status }, count);
  }
}

const commandRows: readonly HostRow[] = [
  {
    name: "nvmeof_host_info",
    type: "gauge",
    unit: "",
    labels: ["group", "subsystem_nqn", "host_nqn"],
    help: "Who is connected to what; 1. NQNs are empty unless nqnLabels is set.",
    read(source, put, { nqnLabels }) {
      const [first] = source.controllers;
      if (first === undefined) return;
      const { subsystemNqn, hostNqn } = first.controller.options;
      const names = nqnLabels
        ? { subsystem_nqn: subsystemNqn, host_nqn: hostNqn }
        : { subsystem_nqn: "", host_nqn: "" };
      put({ group: source.name, ...names }, 1);
    },
  },
  {
    name: "nvmeof_host_commands_total",
    type: "counter",
    unit: "",
    labels: ["group", "operation", "status"],
    help: "I/O commands that ended: status success, the name of the NVMe status, or NVME_ERR_* where the host ended them.",
    read: readCommands,
  },
  {
    name: "nvmeof_host_io_bytes_total",
    type: "counter",
    unit: "bytes",
    labels: ["group", "operation"],
    help: "Bytes of data of I/O commands that succeeded.",
    read(source, put) {
      for (const { operation, dataBytes } of source.meter?.operations ?? []) {
        put({ group: source.name, operation }, dataBytes);
      }
    },
  },
  {
    name: "nvmeof_host_commands_inflight",
    type: "gauge",
    unit: "",
    labels: ["group"],
    help: "I/O commands that were sent and have not ended.",
    read: (source, put) => put({ group: source.name }, source.meter?.inflight ?? 0),
  },
  ofDevices(
    {
      name: "nvmeof_host_requests_waiting",
      type: "gauge",
      unit: "",
      help: "Requests that wait for room in a queue, for a path, for their time, or behind a fence.",
    },
    ({ channels }) => {
      let waiting = 0;
      for (const channel of channels) waiting += channel.waiting;
      return waiting;
    },
  ),
  ofDevices(
    {
      name: "nvmeof_host_requests_requeued_total",
      type: "counter",
      unit: "",
      help: "Times that a request found no usable path, and waited for one.",
    },
    ({ counters }) => counters.requeued,
  ),
  ofDevices(
    {
      name: "nvmeof_host_requests_failed_total",
      type: "counter",
      unit: "",
      help: "Requests that ended with an error, whatever was tried before.",
    },
    ({ counters }) => counters.failed,
  ),
  {
    name: "nvmeof_host_fences_total",
    type: "counter",
    unit: "",
    labels: ["group"],
    help: "Times that writes of unknown outcome were held until a lost controller could do no more harm.",
    read: (source, put) => put({ group: source.name }, source.fences),
  },
];

const controllerRows: readonly HostRow[] = [
  {
    name: "nvmeof_controller_state",
    type: "gauge",
    unit: "",
    labels: [...onController, "state"],
    help: "State of the controller: 1 for the one that it is in, 0 for the others.",
    read(source, put) {
      for (const { controller } of source.controllers) {
        putState(put, controllerLabels(source, controller), states, controller.state);
      }
    },
  },
  ofControllers(
    {
      name: "nvmeof_controller_losses_total",
      type: "counter",
      unit: "",
      help: "Times that a live controller was lost.",
    },
    (_source, { statistics }) => statistics.losses,
  ),
  ofControllers(
    {
      name: "nvmeof_controller_resets_total",
      type: "counter",
      unit: "",
      help: "Times that a live controller was reset because somebody asked for it.",
    },
    (_source, { statistics }) => statistics.resets,
  ),
  ofControllers(
    {
      name: "nvmeof_controller_reconnects_total",
      type: "counter",
      unit: "",
      help: "Attempts to connect again, those that failed included.",
    },
    (_source, { statistics }) => statistics.reconnects,
  ),
  ofControllers(
    {
      name: "nvmeof_controller_timeouts_total",
      type: "counter",
      unit: "",
      help: "Commands that passed their deadline.",
    },
    (source, { controller }) => source.timeouts(controller),
  ),
  ofControllers(
    {
      name: "nvmeof_controller_down_seconds_total",
      type: "counter",
      unit: "seconds",
      help: "Time in which the controller was not live and was to be, since it was first seen.",
    },
    (source, { controller }) => seconds(source.downMs(controller)),
  ),
];

const pathRows: readonly HostRow[] = [
  {
    name: "nvmeof_path_ana_state",
    type: "gauge",
    unit: "",
    labels: [...onPath, "state"],
    help: "ANA state of the path: 1 for the one that it has, 0 for the others; unknown while not connected.",
    read: (source, put) =>
      eachPath(source, (labels, { anaState }) =>
        putState(put, labels, anaLabels, anaLabel(anaState)),
      ),
  },
  ofPaths(
    {
      name: "nvmeof_path_commands_total",
      type: "counter",
      unit: "",
      help: "Commands that were sent on the path.",
    },
    ({ requests }) => requests,
  ),
  ofPaths(
    {
      name: "nvmeof_path_errors_total",
      type: "counter",
      unit: "",
      help: "Commands on the path that ended with an error.",
    },
    ({ errors }) => errors,
  ),
  ofPaths(
    {
      name: "nvmeof_path_retries_total",
      type: "counter",
      unit: "",
      help: "Of these, how many were to be tried again on the same path.",
    },
    ({ retries }) => retries,
  ),
  ofPaths(
    {
      name: "nvmeof_path_switches_total",
      type: "counter",
      unit: "",
      help: "Of these, how many were given to another path, or had to wait for one.",
    },
    ({ switches }) => switches,
  ),
  ofPaths(
    {
      name: "nvmeof_path_read_bytes_total",
      type: "counter",
      unit: "bytes",
      help: "Bytes that were read on the path.",
    },
    ({ readBytes }) => readBytes,
  ),
  ofPaths(
    {
      name: "nvmeof_path_written_bytes_total",
      type: "counter",
      unit: "bytes",
      help: "Bytes that were written on the path.",
    },
    ({ writtenBytes }) => writtenBytes,
  ),
  ofPaths(
    {
      name: "nvmeof_path_busy_seconds_total",
      type: "counter",
      unit: "seconds",
      help: "Time in which there were commands in flight on the path.",
    },
    ({ busyMs }) => seconds(busyMs),
  ),
  ofPaths(
    {
      name: "nvmeof_path_commands_inflight",
      type: "gauge",
      unit: "",
      help: "Commands in flight on the path.",
    },
    (_statistics, { inflight }) => inflight,
  ),
  ofPaths(
    {
      name: "nvmeof_path_longest_stall_seconds",
      type: "gauge",
      unit: "seconds",
      help: "Longest time in which commands were in flight on the path and none of them ended.",
    },
    ({ longestStallMs }) => seconds(longestStallMs),
  ),
];

/** In the order in which they are shown. */
export const hostRows: readonly HostRow[] = [...commandRows, ...controllerRows, ...pathRows];
