// A whole host against a controller that lies: every request settles once, every close ends in time.
// Read first: scenarios/lying-port.ts, scenarios/world.ts; docs/fault-matrix.md, F71 to F90.

import { BlockOp, type BlockRequest } from "@nvmeof/bdev";
import { isNvmeofError } from "@nvmeof/codec";
import { RawPdus, type ReceivedPdu } from "@nvmeof/transport/testing";
// @boundaries-ignore what no package exports is tried as well
import { LyingPort } from "../../scenarios/lying-port.ts";
// @boundaries-ignore what no package exports is tried as well
import { BLOCK_BYTES, type Watched, World } from "../../scenarios/world.ts";
import { Broken, type FuzzTarget } from "../fuzz-target.ts";
import { joined } from "../bytes.ts";
import type { Random } from "../random.ts";

/** A lie: about which PDU, what is done, where, and with what. */
const LIE_BYTES = 5;
/** PDUs that can be lied about: those of a bring-up, and of the requests that follow. */
const PDUS_MAX = 64;
/** A close takes no longer than this. */
const CLOSE_BOUND_MS = 2_000;
/** How long a host may go on trying. */
const PATIENCE_MS = 120_000;

const pdus = new RawPdus();

/** What a lie makes of a PDU. */
function told(pdu: ReceivedPdu, lie: Uint8Array): Uint8Array[] | undefined {
  const [, how = 0, low = 0, high = 0, value = 0] = lie;
  const at = low | (high << 8);
  switch (how % 12) {
    case 0:
      return [];
    case 1:
      return [pdu.bytes, pdu.bytes];
    case 2:
      return [pdus.capsuleResp({ cid: at % 140, sqid: value & 3, sc: value >> 2 }), pdu.bytes];
    case 3:
      return [pdus.r2t({ cccid: at % 140, ttag: 1, r2to: 0, r2tl: value * 64 }), pdu.bytes];
    case 4:
      return [pdus.c2hData({ cccid: at % 140 }, { data: new Uint8Array(value + 1) }), pdu.bytes];
    case 5:
      return [pdus.termReq(3, value, at)];
    case 6:
      return [pdu.bytes.subarray(0, at % pdu.bytes.length)];
    default: {
      const bytes = pdu.bytes.slice();
      // Headers more often than data, which is longer.
      const place = how % 2 === 0 ? at % bytes.length : at % Math.min(bytes.length, 72);
      bytes[place] = value;
      return [bytes];
    }
  }
}

const request = (op: BlockOp, lba: number, blockCount: number): Partial<BlockRequest> => ({
  op,
  lba,
  blockCount,
});

const requests: readonly Partial<BlockRequest>[] = [
  request(BlockOp.Read, 0, 1),
  request(BlockOp.Write, 8, 1),
  request(BlockOp.Write, 16, 64),
  request(BlockOp.Read, 16, 64),
  request(BlockOp.Flush, 0, 0),
  request(BlockOp.WriteZeroes, 100, 4),
  request(BlockOp.Read, 0, 300),
];

/** Every request settled, once; and nothing of a buffer's neighbours was touched. */
function checkSettled(watched: readonly Watched[]): void {
  for (const { settled, request: of } of watched) {
    if (settled.length !== 1)
      throw new Broken(`operation ${of.op} settled ${settled.length} times`);
    const { error } = settled[0]!;
    if (error !== undefined && error.outcome === undefined) {
      throw new Broken(`${error.code} does not say its outcome`);
    }
  }
}

async function closed(world: World): Promise<void> {
  const fromMs = world.clock.nowMs();
  await world.close();
  const tookMs = world.clock.nowMs() - fromMs;
  if (tookMs > CLOSE_BOUND_MS) throw new Broken(`a close took ${tookMs} ms`);
  await world.idle();
  if (world.hostClock.armed > 0) throw new Broken(`${world.hostClock.armed} timers after a close`);
  const links = world.port.connections;
  if (links > 0) throw new Broken(`${links} connections after a close`);
  if (world.group.devices.length > 0) throw new Broken("devices after a close");
}

/** A few requests of a host that could attach. */
async function used(world: World): Promise<readonly Watched[]> {
  const [device] = world.group.devices;
  if (device === undefined) return [];
  const channel = device.openChannel();
  const watched = requests.map((each) => {
    const bytes = (each.blockCount ?? 0) * BLOCK_BYTES;
    const moves = each.op === BlockOp.Read || each.op === BlockOp.Write;
    return world.submit(channel, moves ? { ...each, data: new Uint8Array(bytes) } : each);
  });
  const untilMs = world.clock.nowMs() + PATIENCE_MS;
  const done = (): boolean => world.unsettled === 0 || world.clock.nowMs() > untilMs;
  await world.runUntil(done, PATIENCE_MS + 1_000);
  return watched;
}

export const hostWorld: FuzzTarget = {
  name: "host-world",
  reads: "PDUs of a controller that lies, in a whole host",
  quickCases: 30,
  msMax: 1_500,
  bytesMax: 64 * 1024 * 1024,
  make: (random: Random) => {
    const lies = Array.from({ length: random.between(1, 4) }, () =>
      Uint8Array.of(
        random.below(PDUS_MAX),
        random.byte(),
        random.once(2) ? random.below(72) : random.byte(),
        random.once(2) ? 0 : random.below(17),
        random.pick([0, 1, 2, 0x7f, 0x80, 0xff, random.byte()]),
      ),
    );
    return joined(...lies);
  },
  run: async (input) => {
    const reconnect = { lossMs: 30_000, fastFailMs: 10_000, delayMs: 1_000 };
    const world = new World({
      over: "tcp",
      controller: { reconnect, ioTimeoutMs: 5_000, keepAliveTimeoutMs: 5_000 },
      target: { limits: { keepAliveTimeoutMsMax: 600_000 } },
    });
    const port = new LyingPort("liar", world.clock);
    world.replacePort(0, port);
    const lies = new Map<number, Uint8Array>();
    for (let at = 0; at + LIE_BYTES <= input.length; at += LIE_BYTES) {
      lies.set(input[at]! % PDUS_MAX, input.subarray(at, at + LIE_BYTES));
    }
    let number = 0;
    port.lie = (pdu) => {
      const lie = lies.get(number++);
      return lie === undefined ? undefined : told(pdu, lie);
    };
    let attached = "attached";
    try {
      await world.attach();
    } catch (error) {
      if (!isNvmeofError(error)) throw error;
      attached = error.code;
    }
    const watched = await used(world);
    await closed(world);
    checkSettled(watched);
    const codes = watched.map(({ settled }) => settled[0]!.error?.code ?? "done");
    return [attached, ...codes].join("\n");
  },
};
