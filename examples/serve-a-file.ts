// Serve a file as a disk that the Linux kernel, SPDK or any other NVMe/TCP host can connect to.
//
// Run it with a disk image, such as `truncate -s 4M disk.img` makes, and maybe a port.
//
// Expected output:
//   serving *disk.img: 1024 blocks of 4096 bytes
//   nvme connect -t tcp -a 127.0.0.1 -s * -n nqn.2026-01.dev.nvmeof:disk
//   nqn.* connected
//   nqn.* left: *
//   closed, 0 requests given up
import { once } from "node:events";
import { openFileDevice } from "@nvmeof/bdev/node";
import { serve } from "@nvmeof/target/node";

const [, , path = "disk.img", port = "4420"] = process.argv;
const device = await openFileDevice(path, { blockBytes: 4096 });
try {
  // On the loopback only: other addresses want `allowedHosts`, which says who may connect.
  const served = await serve({ namespaces: [device], port: Number(port) });
  try {
    const { address, subsystem, target } = served;
    console.log(`serving ${path}: ${device.blockCount} blocks of ${device.blockBytes} bytes`);
    console.log(`nvme connect -t tcp -a ${address.host} -s ${address.port} -n ${subsystem.nqn}`);
    target.observe((event) => {
      if (event.type === "controller-created") console.log(`${event.hostNqn} connected`);
      if (event.type === "controller-removed") {
        console.log(`${event.hostNqn} left: ${event.reason}`);
      }
    });
    await once(process, "SIGINT"); // Ctrl-C
  } finally {
    const { abandonedRequests } = await served.close(); // hosts are cut off, within a bound
    console.log(`closed, ${abandonedRequests} requests given up`);
  }
} finally {
  await device.close(); // what hosts have written is on the disk when this returns
}
