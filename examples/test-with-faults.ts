// Test your own code against a target in the same process, which you can break as you like.
//
// Expected output:
//   ...
//   *a note that was saved is there
//   ...
//   *a target that falls silent holds nobody up
//   ...
//   *a worn disk is told from a lost connection
//   ...
//   *pass 3
//   *fail 0
//   ...
import assert from "node:assert/strict";
import { test } from "node:test";
import { type BlockDevice, BlockError, type BlockRequest, type BlockSettle } from "@nvmeof/bdev";
import { type Disk, type LocalChannel, LocalDevice, memoryDevice, openDisk } from "@nvmeof/bdev";
import { connect } from "@nvmeof/bdev/nvme";
import { Status, uuidNqn } from "@nvmeof/codec";
import { type Served, serve } from "@nvmeof/target/node";
import { systemClock as clock, tcp } from "@nvmeof/transport/node";

/** The code under test: a note in the first bytes of a disk. */
const saveNote = (disk: Disk, note: string, timeoutMs: number): Promise<void> =>
  disk.writeBytes(0, new TextEncoder().encode(note), { signal: AbortSignal.timeout(timeoutMs) });

const size = { clock, blockBytes: 512, blockCount: 64 };

/** A disk whose medium fails. The host sees what a real controller would tell it. */
class WornDevice extends LocalDevice {
  execute(channel: LocalChannel, _request: BlockRequest, settle: BlockSettle): void {
    const worn = new BlockError("media", Status.WriteFault, "failed", "the medium is worn out");
    channel.finishLater(settle, worn);
  }
}

/** Runs `body` with a host that is connected to a target of its own, and leaves nothing behind. */
async function withDisk(device: BlockDevice, body: (disk: Disk, served: Served) => Promise<void>) {
  const served = await serve({ namespaces: [device], port: 0 });
  const hostId = "5c1b3d52-6a0f-4c53-9d3e-0c7f8f5d2b11";
  const transport = tcp(served.address);
  const subsystemNqn = served.subsystem.nqn;
  const host = await connect({ transport, subsystemNqn, hostNqn: uuidNqn(hostId), hostId });
  try {
    await body(openDisk(await host.openNamespace(1)), served);
  } finally {
    const { totalMs } = await host.close();
    assert.ok(totalMs < 2_500, `the close took ${totalMs} ms`);
    await served.close();
    await device.close();
  }
}

test("a note that was saved is there", () =>
  withDisk(memoryDevice({ name: "ram0", ...size }), async (disk) => {
    await saveNote(disk, "remember", 5_000);
    const note = new TextDecoder().decode(await disk.readBytes(0, 8));
    assert.equal(note, "remember");
  }));

test("a target that falls silent holds nobody up", () =>
  withDisk(memoryDevice({ name: "ram0", ...size }), async (disk, { target }) => {
    target.freeze(); // connections stay open, and nothing is answered any more
    await assert.rejects(saveNote(disk, "lost?", 100), { name: "TimeoutError" });
  }));

test("a worn disk is told from a lost connection", () =>
  withDisk(new WornDevice({ name: "worn0", ...size }), async (disk) => {
    const told = { name: "NvmeStatusError", status: Status.WriteFault, outcome: "failed" };
    await assert.rejects(disk.write(0, new Uint8Array(512)), told);
  }));
