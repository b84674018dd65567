// Carry NVMe/TCP over something of your own: no sockets here, but the ports of a MessageChannel.
//
// Expected output:
//   connected to loop message-ports
//   block 3: "no socket anywhere"
import { memoryDevice, openDisk } from "@nvmeof/bdev";
import { connect } from "@nvmeof/bdev/nvme";
import { uuidNqn } from "@nvmeof/codec";
import { addressText } from "@nvmeof/core";
import { Target } from "@nvmeof/target";
import { systemRandom } from "@nvmeof/target/node";
import { hostTransport } from "@nvmeof/transport";
import { systemClock as clock } from "@nvmeof/transport/node";
import { MessagePorts } from "./message-ports.ts";

const ports = new MessagePorts(); // a Connector for hosts, and a Listener for targets
const address = { trtype: "loop", traddr: "message-ports", trsvcid: "" };
const subsystemNqn = "nqn.2024-01.com.example:disk";

const device = memoryDevice({ name: "ram0", clock, blockBytes: 512, blockCount: 64 });
const target = new Target({ clock, random: systemRandom });
target.addSubsystem({ nqn: subsystemNqn, namespaces: [{ device }] });
target.listen({ listener: ports, address });
try {
  const hostId = "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11";
  const host = await connect({
    transport: hostTransport({ connector: ports, address, clock }),
    subsystemNqn,
    hostNqn: uuidNqn(hostId),
    hostId,
  });
  try {
    console.log(`connected to ${addressText(address)}`);
    const disk = openDisk(await host.openNamespace(1));
    await disk.writeBytes(3 * 512, new TextEncoder().encode("no socket anywhere"));
    const text = new TextDecoder().decode(await disk.readBytes(3 * 512, 18));
    console.log(`block 3: "${text}"`);
  } finally {
    await host.close();
  }
} finally {
  await target.close();
  await device.close();
}
