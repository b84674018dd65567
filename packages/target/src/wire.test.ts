// Commands as bytes: data pointers, CIDs and counts that only a broken or hostile host sends.
import { memoryDevice } from "@nvmeof/bdev";
import { NvmOpcode, OPC_FABRICS, PduType, Status } from "@nvmeof/codec";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { HeldDevice } from "./testing/held-device.ts";
import { World, connectData, connectSqe, propertySet, ENABLED } from "./testing/raw-host.ts";
import { WireHost, rawSqe } from "./testing/wire-host.ts";

/** A queue that is past its Connect, whose Connect had CID 1. */
function connected(qid = 0, queueDepth = 8) {
  const clock = new VirtualClock();
  const device = new HeldDevice({ clock });
  const world = new World(clock, { namespaces: [{ device }] });
  const options = { qid, queueDepth, cntlid: qid === 0 ? 0xffff : world.connect().cntlid };
  const host = new WireHost(clock, world.port);
  const connect = connectSqe(options);
  pointer(connect, 1, 0x01, 1024);
  host.send(connect, connectData(options));
  expect(host.completions).toEqual([{ cid: 1, code: 0, isFinal: false }]);
  if (qid === 0) {
    const enable = propertySet(0x14, ENABLED);
    pointer(enable, 2, 0x5a, 0);
    host.send(enable);
  }
  host.completions.length = 0;
  return { clock, device, world, host };
}

/** Gives an SQE a CID and a data pointer. */
function pointer(sqe: Uint8Array, cid: number, sglId: number, length: number): void {
  const view = new DataView(sqe.buffer);
  sqe[1] = 0x40;
  view.setUint16(2, cid, true);
  view.setUint32(32, length, true);
  sqe[39] = sglId;
}

const identify = { opc: 0x06, cdw10: 1, sglLength: 4096, cid: 9 };

test.each([0, 2, 3])("[T67] PSDT %d is refused", (psdt) => {
  const { host } = connected();
  host.send(rawSqe({ ...identify, psdt }));
  expect(host.completions).toMatchObject([{ cid: 9, code: Status.InvalidField }]);
  expect(host.ended).toBe("no");
});

test.each([
  ["a keyed descriptor", 0x40],
  ["a segment", 0x20],
  ["a last segment", 0x30],
  ["a bit bucket", 0x10],
  ["a reserved type", 0x70],
])("[T68] %s is refused", (_what, sglId) => {
  const { host } = connected();
  host.send(rawSqe({ ...identify, sglId }));
  expect(host.completions).toMatchObject([{ cid: 9, code: Status.SglTypeInvalid }]);
});

test.each([1, 512, 2 ** 52])("[T69] data at offset %d of the capsule is refused", (sglAddress) => {
  const { host, device } = connected(1);
  const write = { opc: NvmOpcode.Write, nsid: 1, cid: 9, sglId: 1, sglLength: 512, sglAddress };
  host.send(rawSqe(write), new Uint8Array(512));
  expect(host.completions).toMatchObject([{ cid: 9, code: Status.SglOffsetInvalid }]);
  expect(device.seen).toEqual([]);
});

test("[T70] 4 GiB of data are refused for every command before anything is allocated", () => {
  const admin = connected();
  const huge = { cid: 9, sglLength: 0xffff_ffff };
  const refused = { cid: 9, code: Status.SglDataLengthInvalid, isFinal: true };
  admin.host.send(rawSqe({ ...identify, ...huge }));
  admin.host.send(rawSqe({ opc: 0x02, cdw10: 0x007f_0002, ...huge }));
  admin.host.send(rawSqe({ opc: 0x09, cdw10: 0x16, ...huge }));
  expect(admin.host.completions).toEqual([refused, refused, refused]);
  const io = connected(1);
  io.host.send(rawSqe({ opc: NvmOpcode.Write, nsid: 1, ...huge }));
  io.host.send(rawSqe({ opc: NvmOpcode.Read, nsid: 1, ...huge }));
  io.host.send(rawSqe({ opc: NvmOpcode.DatasetManagement, nsid: 1, cdw11: 4, ...huge }));
  expect(io.host.completions).toEqual([refused, refused, refused]);
  expect(io.world.target.status.bufferBytes).toBe(0);
  const fresh = new WireHost(io.clock, io.world.port);
  fresh.send(rawSqe({ opc: OPC_FABRICS, nsid: 1, ...huge }));
  expect(fresh.completions).toEqual([refused]);
  expect(fresh.types).not.toContain(PduType.R2T);
});

test("[T78] [F98] a CID that is in use is refused, and the command that has it goes on", () => {
  const { host, device, clock } = connected(1);
  const flush = rawSqe({ opc: NvmOpcode.Flush, nsid: 1, cid: 5 });
  host.send(flush);
  host.send(flush);
  expect(host.completions).toMatchObject([{ cid: 5, code: Status.CommandIdConflict }]);
  device.settleAll();
  clock.settle();
  expect(host.completions.at(-1)).toMatchObject({ cid: 5, code: 0 });
  expect(device.seen).toHaveLength(1);
});

test("[T79] [F97] more commands than the queue has entries end the connection", () => {
  const { host, device, world, clock } = connected(1, 4);
  for (let cid = 0; cid < 5; cid++) host.send(rawSqe({ opc: NvmOpcode.Flush, nsid: 1, cid }));
  expect(host.types.at(-1)).toBe(PduType.C2HTermReq);
  clock.advance(1_000);
  expect(host.ended).toBe("yes");
  device.settleAll();
  clock.settle();
  expect(world.target.status).toMatchObject({ connections: 1, backendRequests: 0, buffers: 0 });
});

test("[F96] a write whose data never comes ends after 30 s, and its buffer is back", () => {
  const { host, world, clock } = connected(1);
  const write = { opc: NvmOpcode.Write, nsid: 1, cid: 3, sglLength: 64 * 512, cdw12: 63 };
  host.send(rawSqe(write));
  expect(host.types.at(-1)).toBe(PduType.R2T);
  expect(world.target.status.buffers).toBe(1);
  clock.advance(30_100);
  expect(host.ended).toBe("yes");
  expect(world.target.status).toMatchObject({ connections: 1, buffers: 0 });
});

test("[F94] a connection that says nothing at all is closed at the initialisation's deadline", () => {
  const clock = new VirtualClock();
  const device = memoryDevice({ name: "m", clock, blockBytes: 512, blockCount: 8 });
  const world = new World(clock, { namespaces: [{ device }] });
  let ended = 0;
  const handler = { opened() {}, received() {}, drained() {}, ended: () => ended++ };
  world.port.connect({}, handler);
  clock.advance(4_900);
  expect(ended).toBe(0);
  clock.advance(200);
  expect(ended).toBe(1);
  expect(world.target.status.connections).toBe(0);
});
