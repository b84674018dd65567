// The Linux kernel's host (nvme-cli, fio, e2fsprogs) against an endpoint: `nvmeof serve`, or the
// kernel's own target where the peer itself is to be proved.
import { digests } from "./digests.mjs";

// This machine's loopback, as a host guest sees it.
export const loopback = "10.0.2.2";

const dataFile = "/tmp/data";
export const fio = (device, options) =>
  `fio --name=verify --filename=${device} --direct=1 --ioengine=libaio ${options} \
    --verify=crc32c --verify_fatal=1 --output=/tmp/fio || { cat /tmp/fio >&2; exit 1; }`;

/** Finds `name`'s value anywhere in nvme-cli's JSON, whose shape differs between its versions. */
function valuesOf(json, name) {
  if (typeof json !== "object" || json === null) return [];
  return Object.entries(json).flatMap(([key, value]) =>
    key === name ? [value] : valuesOf(value, name),
  );
}

function expectEqual(what, seen, expected) {
  if (seen !== expected) throw new Error(`${what} is ${seen}, not ${expected}`);
}

/**
 * An endpoint has `port`, `discoveryPort`, `nqn` and `namespaces`: for each its `nsid`, `bytes` and
 * `blockBytes`.
 */
export class KernelHostChecks {
  #report;
  #host;
  #endpoint;

  constructor({ report, host, endpoint }) {
    this.#report = report;
    this.#host = host;
    this.#endpoint = endpoint;
  }

  async run(title, combinations = digests) {
    this.#report.group(title);
    await this.#check("discover", () => this.#discover());
    for (const { name, options } of combinations) {
      this.#report.group(`${title}, ${name}`);
      await this.#host.complaints(); // what came before is somebody else's
      const connected = await this.#check("connect", () => this.#connect(options));
      if (connected) await this.#use();
      await this.#check("disconnect", () => this.#disconnect());
      await this.#check("the kernel has nothing to complain about", async () => {
        const lines = await this.#host.complaints();
        if (lines.length > 0) throw new Error(lines.join("\n"));
      });
    }
  }

  #check(name, run) {
    return this.#report.check(name, run);
  }

  async #discover() {
    const { discoveryPort, port, nqn } = this.#endpoint;
    const where = `-t tcp -a ${loopback} -s ${discoveryPort}`;
    const log = await this.#host.json(`nvme discover ${where} -o json`);
    const records = log.records.filter(({ subnqn }) => subnqn === nqn);
    const offered = records.map(({ traddr, trsvcid }) => `${traddr}:${trsvcid}`);
    if (!offered.includes(`${loopback}:${port}`))
      throw new Error(`${nqn} is not offered at ${loopback}:${port}: ${JSON.stringify(log)}`);
  }

  /** Connects and learns the namespaces' devices. */
  async #connect(options) {
    const { port, nqn, namespaces } = this.#endpoint;
    // A generous keep-alive: on a busy machine an emulated guest is late by seconds.
    const where = `-t tcp -a ${loopback} -s ${port} -n ${nqn} -k 30`;
    await this.#host.run(`nvme connect ${where} ${options.join(" ")}`);
    for (const namespace of namespaces)
      namespace.device = (await this.#host.run(`nsdev ${nqn} ${namespace.nsid}`)).trim();
  }

  async #use() {
    const [first, ...others] = this.#endpoint.namespaces;
    await this.#check("list", () => this.#list());
    await this.#check("id-ctrl, id-ns, smart-log", () => this.#identify());
    await this.#check("fio with verify, 4 KiB to 128 KiB", () => this.#verify(first.device));
    for (const { device } of others)
      await this.#check("fio with verify, second namespace", () => this.#verify(device));
    await this.#check("flush, write zeroes, deallocate", () => this.#blockCommands(first));
    await this.#check("ext4: make, fill, check, read back", () => this.#fileSystem(first.device));
  }

  async #list() {
    const list = await this.#host.json("nvme list -o json");
    for (const { device, bytes, blockBytes } of this.#endpoint.namespaces) {
      const entry = list.Devices.find(({ DevicePath }) => DevicePath === device);
      if (entry === undefined) throw new Error(`${device} is not in ${JSON.stringify(list)}`);
      expectEqual("its size", entry.PhysicalSize, bytes);
      expectEqual("its block size", entry.SectorSize, blockBytes);
    }
  }

  async #identify() {
    const { nqn, namespaces } = this.#endpoint;
    for (const { device, nsid, bytes, blockBytes } of namespaces) {
      const controller = await this.#host.json(`nvme id-ctrl ${device} -o json`);
      expectEqual("subnqn", controller.subnqn, nqn);
      const namespace = await this.#host.json(`nvme id-ns ${device} -n ${nsid} -o json`);
      expectEqual("nsze", namespace.nsze, bytes / blockBytes);
      const smart = await this.#host.json(`nvme smart-log ${device} -o json`);
      expectEqual("critical_warning", valuesOf(smart, "critical_warning")[0], 0);
      const listed = await this.#host.json(`nvme list-ns ${device} -o json`);
      if (!valuesOf(listed, "nsid").includes(nsid)) throw new Error("list-ns leaves it out");
    }
  }

  async #verify(device) {
    const options = "--iodepth=16 --rw=randwrite --bsrange=4k-128k --size=16m";
    await this.#host.run(fio(device, options), { seconds: 120 });
    const text = await this.#host.run("cat /tmp/fio");
    const [, iops] = /write: IOPS=([\d.k]+)/.exec(text) ?? [];
    return iops && `${iops} writes/s`;
  }

  /** By way of the block layer, which uses what the controller says that it can do. */
  async #blockCommands({ device, blockBytes }) {
    const sectors = 65536 / blockBytes;
    await this.#host.run(`set -e
      dd if=/dev/urandom of=${device} bs=64k count=2 oflag=direct
      nvme flush ${device}
      oncs=$(nvme id-ctrl ${device} -o json | sed -n 's/.*"oncs":\\([0-9]*\\).*/\\1/p')
      [ $((oncs & 8)) = 0 ] || {
        nvme write-zeroes ${device} -s 0 -c $((${sectors} - 1))
        dd if=${device} bs=64k count=1 iflag=direct | cmp -n 65536 - /dev/zero
      }
      [ $((oncs & 4)) = 0 ] || nvme dsm ${device} --ad -s 0 -b ${sectors}`);
  }

  async #fileSystem(device) {
    await this.#host.run(
      `set -e
      mkfs.ext4 -q -F ${device}
      mount -t ext4 ${device} /mnt
      dd if=/dev/urandom of=${dataFile} bs=1M count=4
      for i in 1 2 3; do cp ${dataFile} /mnt/$i; done
      cp -r /bin/nvme /etc /mnt/
      umount /mnt
      e2fsck -f -n ${device}
      echo 3 >/proc/sys/vm/drop_caches
      mount -t ext4 ${device} /mnt
      for i in 1 2 3; do cmp ${dataFile} /mnt/$i; done
      cmp /bin/nvme /mnt/nvme
      umount /mnt`,
      { seconds: 120 },
    );
  }

  async #disconnect() {
    // After a failure something may still be mounted.
    await this.#host.run("umount /mnt 2>/dev/null || true");
    await this.#host.run("nvme disconnect-all");
    const left = await this.#host.json("nvme list -o json");
    expectEqual("devices left", left.Devices.length, 0);
  }
}
