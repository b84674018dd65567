// The Linux kernel's NBD client (nbd-client, fio, e2fsprogs) against `nvmeof export-nbd`: a namespace of
// `nvmeof serve` behind it, which makes the whole way one of two protocols, and a file.
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportNbd, serve } from "./cli.mjs";
import { loopback } from "./kernel-host-against-serve.mjs";

const mib = 2 ** 20;
const device = "/dev/nbd0";
/** By its path: the guest's shell would take busybox's, which is another one. */
const client = "/bin/nbd-client";

/** What is exported: its name for clients, its size, and connections that the kernel is to use. */
const disks = [
  { name: "namespace", bytes: 64 * mib, connections: 1 },
  { name: "file", bytes: 128 * mib, connections: 2 },
];

/** Ends what was started, whatever became of it. */
const stopAll = (started) => Promise.all(started.map(({ program }) => program.stop(5000)));

async function startBoth({ folder, log }, started) {
  const readyFile = (name) => join(folder, `ready-${name}`);
  const target = await serve(["--mem", "64M"], { log, readyFile: readyFile("below-nbd") });
  started.push(target);
  const image = join(folder, "nbd-disk");
  writeFileSync(image, "");
  truncateSync(image, disks[1].bytes);
  const uri = `nvme+tcp://127.0.0.1:${target.listen.port}/${target.nqn}?nsid=1`;
  const names = disks.flatMap(({ name }) => ["--name", name]);
  const sources = [uri, "--file", image, "--block-size", "4096"];
  const server = await exportNbd([...sources, ...names], { log, readyFile: readyFile("nbd") });
  started.push(server);
  return server;
}

/** Everything that is done with one export, as one device of the kernel. */
class NbdChecks {
  #report;
  #host;
  #port;
  #disk;

  constructor({ report, host, port, disk }) {
    this.#report = report;
    this.#host = host;
    this.#port = port;
    this.#disk = disk;
  }

  async run() {
    const check = (name, run) => this.#report.check(name, run);
    await this.#host.complaints(); // what came before is somebody else's
    const connected = await check("nbd-client connects", () => this.#connect());
    if (connected) {
      await check("fio with verify, 4 KiB to 128 KiB", () => this.#verify());
      await check("discard; FUA and zeroes are offered", () => this.#discard());
      await check("ext4: make with zeroes, fill, check, trim, read back", () => this.#fileSystem());
    }
    await check("nbd-client disconnects", () => this.#disconnect());
    await check("the kernel has nothing to complain about", async () => {
      const lines = await this.#host.complaints();
      if (lines.length > 0) throw new Error(lines.join("\n"));
    });
  }

  async #connect() {
    const { name, bytes, connections } = this.#disk;
    await this.#host.run(`set -e
      modprobe nbd
      ${client} ${loopback} ${this.#port} ${device} -name ${name} -connections ${connections}`);
    const size = await this.#host.run(`for i in $(seq 50); do
        size=$(blockdev --getsize64 ${device})
        [ "$size" = 0 ] || break
        sleep 0.1
      done
      echo $size`);
    if (Number(size) !== bytes) throw new Error(`its size is ${size.trim()}, not ${bytes}`);
  }

  async #verify() {
    await this.#host.run(
      `fio --name=verify --filename=${device} --direct=1 --ioengine=libaio --iodepth=16 \
        --rw=randwrite --bsrange=4k-128k --size=16m --fsync=64 --verify=crc32c --verify_fatal=1 \
        --output=/tmp/fio || { cat /tmp/fio >&2; exit 1; }`,
      { seconds: 120 },
    );
  }

  /** By way of the block layer, which uses what the server says that it can do. */
  async #discard() {
    await this.#host.run(`set -e
      queue=/sys/block/nbd0/queue
      [ $(cat $queue/discard_max_bytes) != 0 ]
      [ $(cat $queue/write_zeroes_max_bytes) != 0 ]
      [ $(cat $queue/fua) = 1 ]
      blkdiscard -o 65536 -l 65536 ${device}`);
  }

  async #fileSystem() {
    await this.#host.run(
      `set -e
      dd if=/dev/urandom of=/tmp/data bs=1M count=4
      mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 ${device}
      mount -t ext4 -o discard ${device} /mnt
      for i in 1 2 3; do cp /tmp/data /mnt/$i; done
      cp -r /bin/nvme /etc /mnt/
      rm /mnt/2
      fstrim /mnt
      umount /mnt
      e2fsck -f -n ${device}
      echo 3 >/proc/sys/vm/drop_caches
      mount -t ext4 ${device} /mnt
      for i in 1 3; do cmp /tmp/data /mnt/$i; done
      cmp /bin/nvme /mnt/nvme
      umount /mnt`,
      { seconds: 120 },
    );
  }

  async #disconnect() {
    // After a failure something may still be mounted.
    await this.#host.run(`umount /mnt 2>/dev/null || true
      ${client} -d ${device}
      for i in $(seq 50); do
        [ -e /sys/block/nbd0/pid ] || exit 0
        sleep 0.1
      done
      echo it is still connected >&2
      exit 1`);
  }
}

export async function kernelUsesNbd({ report, folder, host }) {
  const started = [];
  report.group("the kernel's NBD client, our server");
  let server;
  const isReady = await report.check("export-nbd", async () => {
    server = await startBoth({ folder, log: report.log }, started);
  });
  if (isReady) {
    for (const disk of disks) {
      report.group(`the kernel's NBD client, our server, a ${disk.name}`);
      await new NbdChecks({ report, host, port: server.address.port, disk }).run();
    }
    await report.check("export-nbd ends when told to", async () => {
      if (!(await server.program.stop(5000))) throw new Error("it was still running after 5 s");
    });
  }
  await stopAll(started);
}
