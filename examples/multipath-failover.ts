// Survive the loss of a path: two ways to one disk, and one of them dies in the midst of verified I/O.
//
// Expected output:
//   nvme0n1 has 2 paths
//   the first path is gone: live becomes *
//   * answers more: 0 errors, 0 blocks with wrong content
//   live: tcp 127.0.0.1 *
import { memoryDevice } from "@nvmeof/bdev";
import { connect } from "@nvmeof/bdev/nvme";
import { uuidNqn } from "@nvmeof/codec";
import { addressText, seededRandom } from "@nvmeof/core";
import { serve } from "@nvmeof/target/node";
import { VerifiedLoad } from "@nvmeof/tools";
import { systemClock as clock, tcp } from "@nvmeof/transport/node";

const device = memoryDevice({ name: "ram0", clock, blockBytes: 4096, blockCount: 4096 });
const target = await serve({ namespaces: [device], port: 0 });
const second = await target.listen({ port: 0 }); // the same subsystem, by another port
const hostId = "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11";
const host = await connect({
  transport: tcp(target.address),
  subsystemNqn: target.subsystem.nqn,
  hostNqn: uuidNqn(hostId),
  hostId,
});
try {
  await host.addPath(tcp(second.address)); // the namespace is the same, so it becomes a path of it
  const disk = await host.openNamespace(1);
  const [first] = host.group.controllers;
  console.log(`${disk.name} has ${host.group.controllers.length} paths`);

  // Sixteen writers, who read back what they wrote and compare it.
  const load = new VerifiedLoad({ device: disk, clock, random: seededRandom(7) });
  load.start();
  await load.answers(1_000);

  const lost = new Promise<void>((resolve) => {
    const stop = first?.controller.observe((event) => {
      if (event.type !== "state") return;
      console.log(`the first path is gone: ${event.from} becomes ${event.to}`);
      stop?.();
      resolve();
    });
  });
  target.target.ports[0]?.close("drop"); // its connections are reset, with writes under way
  await lost;
  const before = load.report.requests;
  await load.answers(1_000); // nobody had to do anything about it

  const { requests, errors, mismatches } = await load.stop();
  console.log(
    `${requests - before} answers more: ${errors} errors, ${mismatches} blocks with wrong content`,
  );
  for (const { controller } of host.group.controllers) {
    if (controller.state === "live") console.log(`live: ${addressText(controller.address)}`);
  }
} finally {
  await host.close();
  await target.close();
  await device.close();
}
