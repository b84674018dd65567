// Make a block device of your own, and let any NVMe/TCP host use it.
//
// Expected output:
//   *: the device keeps its contract
//   the host reads: "written over NVMe/TCP"
//   the device holds 1 of 1000000 blocks
import { BlockOp, type BlockRequest, type BlockSettle, openDisk } from "@nvmeof/bdev";
import { type LocalChannel, LocalDevice } from "@nvmeof/bdev";
import { blockDeviceCases } from "@nvmeof/bdev/conformance";
import { connect } from "@nvmeof/bdev/nvme";
import { uuidNqn } from "@nvmeof/codec";
import { serve } from "@nvmeof/target/node";
import { systemClock as clock, tcp } from "@nvmeof/transport/node";

/** Keeps blocks in a Map. Whatever stores and finds 4 KiB under a number could stand here. */
class MapDevice extends LocalDevice {
  readonly blocks = new Map<number, Uint8Array>();

  constructor(blockCount: number) {
    super({ name: "map0", clock, blockBytes: 4096, blockCount });
  }

  // Range, size and state were checked, and it says nowhere that we can do more than read and write.
  execute(channel: LocalChannel, request: BlockRequest, settle: BlockSettle): void {
    const { op, lba, data } = request;
    for (let i = 0; i < request.blockCount; i++) {
      const block = data!.subarray(i * this.blockBytes, (i + 1) * this.blockBytes);
      if (op === BlockOp.Write) this.blocks.set(lba + i, block.slice());
      else if (op === BlockOp.Read) block.set(this.blocks.get(lba + i) ?? this.#zeroes);
    }
    channel.finishLater(settle, undefined); // exactly once, and never before `execute` returns
  }

  readonly #zeroes = new Uint8Array(4096);
}

// The suite that every device passes, with any runner or with none.
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
for (const each of blockDeviceCases) {
  await each.run({ make: () => Promise.resolve(new MapDevice(64)), turn });
}
console.log(`${blockDeviceCases.length} cases: the device keeps its contract`);

const device = new MapDevice(1_000_000);
const target = await serve({ namespaces: [device], port: 0 });
try {
  const hostId = "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11";
  const subsystemNqn = target.subsystem.nqn;
  const hostNqn = uuidNqn(hostId);
  const host = await connect({ transport: tcp(target.address), subsystemNqn, hostNqn, hostId });
  try {
    const disk = openDisk(await host.openNamespace(1));
    await disk.writeBytes(4096, new TextEncoder().encode("written over NVMe/TCP"));
    const text = await disk.readBytes(4096, 21);
    console.log(`the host reads: "${new TextDecoder().decode(text)}"`);
  } finally {
    await host.close();
  }
} finally {
  await target.close();
  await device.close();
}
console.log(`the device holds ${device.blocks.size} of ${device.blockCount} blocks`);
