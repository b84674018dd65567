// Read one block of a remote disk.
//
// Expected output:
//   nvme0n1: 256 blocks of 4096 bytes
//   block 7: "hello, blocks"
//   closed in * ms
import { memoryDevice, openDisk } from "@nvmeof/bdev";
import { connect } from "@nvmeof/bdev/nvme";
import { uuidNqn } from "@nvmeof/codec";
import { serve } from "@nvmeof/target/node";
import { systemClock as clock, tcp } from "@nvmeof/transport/node";

// The other side: a target of our own, so that this runs anywhere. Leave it out if you have one.
const device = memoryDevice({ name: "ram0", clock, blockBytes: 4096, blockCount: 256 });
const own = openDisk(device);
await own.writeBytes(7 * 4096, new TextEncoder().encode("hello, blocks"));
const target = await serve({ namespaces: [device], port: 0 }); // 0: any port that is free

try {
  // Who we are: a UUID that stays the same for this machine, and the NQN made of it.
  const hostId = "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11";
  const host = await connect({
    transport: tcp(target.address), // tcp({ host: "192.0.2.10", port: 4420 })
    subsystemNqn: target.subsystem.nqn,
    hostNqn: uuidNqn(hostId),
    hostId,
  });
  try {
    const disk = openDisk(await host.openNamespace(1));
    console.log(`${disk.name}: ${disk.blockCount} blocks of ${disk.blockBytes} bytes`);
    // Every call takes a signal. Without one, the deadlines of the connection bound it.
    const block = await disk.read(7, 1, { signal: AbortSignal.timeout(1_000) });
    const text = new TextDecoder().decode(block.subarray(0, block.indexOf(0)));
    console.log(`block 7: "${text}"`);
  } finally {
    const { totalMs } = await host.close(); // within 2 s, whatever the target does
    console.log(`closed in ${Math.round(totalMs)} ms`);
  }
} finally {
  await target.close(); // the device stays ours
  await own.close();
  await device.close();
}
