// Metrics as Prometheus reads them: of a host and a target at work, with bounds, under names that stay.
// Read first: metrics.ts.

import { BlockOp } from "@nvmeof/bdev";
import { Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { Lab, NQN } from "../testing/lab.ts";
import { durationFact } from "./durations.ts";
import { hostRows } from "./host-rows.ts";
import { NvmeMetrics, droppedFact } from "./metrics.ts";
import { nbdRows } from "./nbd-rows.ts";
import { targetRows } from "./target-rows.ts";

const facts = [...hostRows, durationFact, ...targetRows, ...nbdRows, droppedFact];

/** The samples of one text, by name and labels. */
async function samples(metrics: NvmeMetrics): Promise<ReadonlyMap<string, number>> {
  const text = await metrics.text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const onPath = `group="nvme0",address="tcp 192.0.2.1 4420"`;

test.each(facts)(
  "$name is a name that Prometheus would give",
  ({ name, type, unit, labels, help }) => {
    expect(name).toMatch(/^nvmeof_[a-z]+(_[a-z]+)+$/);
    expect(name.endsWith("_total")).toBe(type === "counter");
    if (unit !== "") expect(name).toMatch(new RegExp(`_${unit}(_total)?$`));
    expect(help).toMatch(/^[A-Z].*\.$/);
    for (const label of labels) expect(label).toMatch(/^[a-z_]+$/);
  },
);

test("no two metrics have one name", () => {
  expect(new Set(facts.map(({ name }) => name)).size).toBe(facts.length);
});

describe("a host", () => {
  test("is shown with what its commands did, and how long they took", async () => {
    const lab = new Lab();
    const host = await lab.connect();
    const metrics = new NvmeMetrics();
    metrics.watchHost(host);
    const channel = (await host.openNamespace(1)).openChannel();
    for (let i = 0; i < 3; i++) await lab.request(channel, BlockOp.Read, i * 8);
    await lab.request(channel, BlockOp.Write);
    const all = await samples(metrics);
    const read = `group="nvme0",operation="read"`;
    expect(all.get(`nvmeof_host_commands_total{${read},status="success"}`)).toBe(3);
    expect(all.get(`nvmeof_host_io_bytes_total{${read}}`)).toBe(3 * 4096);
    expect(all.get(`nvmeof_host_commands_inflight{group="nvme0"}`)).toBe(0);
    const duration = "nvmeof_host_command_duration_seconds";
    expect(all.get(`${duration}_bucket{${read},le="0.001"}`)).toBe(0);
    expect(all.get(`${duration}_bucket{${read},le="0.0025"}`)).toBe(3);
    expect(all.get(`${duration}_bucket{${read},le="+Inf"}`)).toBe(3);
    expect(all.get(`${duration}_count{${read}}`)).toBe(3);
    expect(all.get(`${duration}_sum{${read}}`)).toBeCloseTo(0.006);
    expect(all.get(`nvmeof_controller_state{${onPath},state="live"}`)).toBe(1);
    expect(all.get(`nvmeof_controller_state{${onPath},state="recovering"}`)).toBe(0);
    expect(all.get(`nvmeof_path_ana_state{${onPath},nsid="1",state="optimized"}`)).toBe(1);
    expect(all.get(`nvmeof_path_commands_total{${onPath},nsid="1"}`)).toBe(4);
    expect(all.get(`nvmeof_path_written_bytes_total{${onPath},nsid="1"}`)).toBe(4096);
    await lab.close(host);
  });

  test("shows a loss: its time, the commands it took along, and the path that took over", async () => {
    const lab = new Lab();
    const host = await lab.connect();
    await lab.during(host.addPath(lab.transport(1)));
    const metrics = new NvmeMetrics();
    metrics.watchHost(host);
    const channel = (await host.openNamespace(1)).openChannel();
    const read = lab.request(channel, BlockOp.Read);
    lab.drop(0);
    expect(await read).toBeUndefined();
    await lab.request(channel, BlockOp.Read);
    const all = await samples(metrics);
    expect(all.get(`nvmeof_controller_losses_total{${onPath}}`)).toBe(1);
    expect(all.get(`nvmeof_controller_down_seconds_total{${onPath}}`)).toBeGreaterThan(0);
    expect(all.get(`nvmeof_controller_state{${onPath},state="live"}`)).toBe(0);
    const ended = `group="nvme0",operation="read",status="NVME_ERR_CONTROLLER_RESET"`;
    expect(all.get(`nvmeof_host_commands_total{${ended}}`)).toBe(1);
    expect(all.get(`nvmeof_path_switches_total{${onPath},nsid="1"}`)).toBe(1);
    const other = `group="nvme0",address="tcp 192.0.2.1 4421",nsid="1"`;
    expect(all.get(`nvmeof_path_commands_total{${other}}`)).toBe(2);
    await lab.close(host);
  });

  test("costs nothing any more once nobody watches it, and its name is free again", async () => {
    const lab = new Lab();
    const host = await lab.connect();
    const metrics = new NvmeMetrics();
    const stop = metrics.watchHost(host);
    expect(() => metrics.watchHost(host)).toThrow(`metrics show a "nvme0" already`);
    const [queue] = host.controller.controller.ioQueues;
    expect(queue?.watcher).toBeDefined();
    const watched = queue?.watcher;
    stop();
    expect(queue?.watcher).not.toBe(watched);
    expect((await samples(metrics)).get(`nvmeof_host_commands_inflight{group="nvme0"}`)).toBe(
      undefined,
    );
    metrics.watchHost(host)();
    await lab.close(host);
  });

  test("is shown with NQNs where that was asked for", async () => {
    const lab = new Lab();
    const host = await lab.connect();
    const metrics = new NvmeMetrics({ nqnLabels: true });
    metrics.watchHost(host, "disks");
    const text = await metrics.text();
    expect(text).toContain(`nvmeof_host_info{group="disks",subsystem_nqn="${NQN}"`);
    await lab.close(host);
  });
});

describe("a target", () => {
  test("is shown with its hosts, what they asked for, and who was refused", async () => {
    const lab = new Lab();
    const metrics = new NvmeMetrics();
    metrics.watchTarget(lab.target);
    const host = await lab.connect();
    const channel = (await host.openNamespace(1)).openChannel();
    await lab.request(channel, BlockOp.Read);
    const refused = lab.connect({
      transport: lab.transport(1),
      subsystemNqn: "nqn.2024-01.org.example:nothing",
    });
    await expect(refused).rejects.toMatchObject({ code: "NVME_ERR_CONNECT_REJECTED" });
    const all = await samples(metrics);
    expect(all.get(`nvmeof_target_controllers{target="target"}`)).toBe(1);
    const namespace = `target="target",subsystem="1",nsid="1"`;
    expect(all.get(`nvmeof_target_commands_total{${namespace},operation="read"}`)).toBe(1);
    expect(all.get(`nvmeof_target_io_bytes_total{${namespace},operation="read"}`)).toBe(4096);
    expect(all.get(`nvmeof_target_namespace_bytes{${namespace}}`)).toBe(4096 * 512);
    const events = `target="target",type="connect-refused"`;
    expect(all.get(`nvmeof_target_events_total{${events}}`)).toBe(1);
    expect(all.get(`nvmeof_target_limit_hits_total{target="target",limit="connectionsMax"}`)).toBe(
      0,
    );
    await lab.close(host);
    const after = await samples(metrics);
    const gone = `target="target",reason="host-left"`;
    expect(after.get(`nvmeof_target_controllers_removed_total{${gone}}`)).toBe(1);
  });
});

test("an NBD server is shown with its clients and what they asked for", async () => {
  const metrics = new NvmeMetrics();
  const counted = { connections: 2, reads: 5, writes: 1, others: 0, readBytes: 4096 };
  metrics.watchNbd({
    status: { connections: 1, requests: 3 },
    counters: { ...counted, writtenBytes: 512, failed: 1, limits: { inflightMax: 4 } },
  });
  const all = await samples(metrics);
  expect(all.get(`nvmeof_nbd_connections{server="nbd"}`)).toBe(1);
  expect(all.get(`nvmeof_nbd_requests_total{server="nbd",operation="read"}`)).toBe(5);
  expect(all.get(`nvmeof_nbd_io_bytes_total{server="nbd",operation="write"}`)).toBe(512);
  expect(all.get(`nvmeof_nbd_limit_hits_total{server="nbd",limit="inflightMax"}`)).toBe(4);
});

describe("metrics", () => {
  test("have a bound, and say what they leave out", async () => {
    const lab = new Lab();
    const metrics = new NvmeMetrics({ seriesMax: 3 });
    const host = await lab.connect();
    metrics.watchHost(host);
    await metrics.text();
    const all = await samples(metrics);
    const states = [...all.keys()].filter((name) => name.startsWith("nvmeof_controller_state"));
    expect(states).toHaveLength(3);
    expect(all.get(`nvmeof_metrics_series_dropped{metric="nvmeof_controller_state"}`)).toBe(5);
    await lab.close(host);
  });

  test("join those of a registry that is there already", async () => {
    const register = new Registry();
    const metrics = new NvmeMetrics({ register });
    expect(metrics.register).toBe(register);
    expect(await register.metrics()).toContain("# TYPE nvmeof_host_commands_total counter");
    expect(() => new NvmeMetrics({ register })).toThrow("already been registered");
  });

  test("have a bound that can be", () => {
    expect(() => new NvmeMetrics({ seriesMax: 0 })).toThrow(RangeError);
  });
});
