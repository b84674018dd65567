// A device that loses a request, or answers one twice, does not get away with it.
// Read first: ledger.ts.
import {
  type BlockChannel,
  BlockOp,
  type BlockSettle,
  DelegatingDevice,
  memoryDevice,
  openDisk,
} from "@nvmeof/bdev";
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { Ledger, watched } from "./ledger.ts";

type Fault = "none" | "doubles" | "loses";

/** A disk in memory that does wrong with every third request. */
class FaultyDisk extends DelegatingDevice {
  fault: Fault = "none";

  openChannel(): BlockChannel {
    const channel = this.device.openChannel();
    let count = 0;
    const answers = (settle: BlockSettle): BlockSettle => {
      if (++count % 3 !== 0 || this.fault === "none") return settle;
      return (error) => {
        if (this.fault === "loses") return;
        settle(error);
        settle(error);
      };
    };
    return {
      get inflight() {
        return channel.inflight;
      },
      submit: (request, settle) => channel.submit(request, answers(settle)),
      close: () => channel.close(),
    };
  }
}

function workshop(fault: Fault) {
  const clock = new VirtualClock();
  const memory = memoryDevice({ name: "disk", clock, blockBytes: 512, blockCount: 8 });
  const disk = new FaultyDisk(memory);
  disk.fault = fault;
  const ledger = new Ledger(() => clock.nowMs());
  let answers = 0;
  const channel = watched(disk, ledger).openChannel();
  for (let i = 0; i < 6; i++) {
    const data = new Uint8Array(512);
    channel.submit({ op: BlockOp.Read, lba: i, blockCount: 1, data }, () => answers++);
  }
  clock.advance(1_000);
  return { clock, ledger, channel, memory, answers: () => answers };
}

test("what is answered once is counted, and nothing is open", () => {
  const { ledger, answers } = workshop("none");
  expect([ledger.settled, ledger.doubled, ledger.open, answers()]).toEqual([6, 0, 0, 6]);
});

test("a second answer is counted, and given to nobody", () => {
  const { ledger, answers } = workshop("doubles");
  expect([ledger.settled, ledger.doubled, ledger.open, answers()]).toEqual([6, 2, 0, 6]);
});

test("a request without an answer is open, and then overdue", () => {
  const { ledger, clock } = workshop("loses");
  expect([ledger.settled, ledger.doubled, ledger.open]).toEqual([4, 0, 2]);
  expect(ledger.overdue(5_000)).toBe(0);
  clock.advance(4_500);
  expect(ledger.overdue(5_000)).toBe(2);
});

test("latencies are those since they were last taken, and errors are counted by their code", async () => {
  const clock = new VirtualClock();
  const ledger = new Ledger(() => clock.nowMs());
  const [one, two] = [ledger.submit(), ledger.submit()];
  clock.advance(10);
  ledger.settle(two);
  clock.advance(20);
  ledger.settle(one, "NVME_ERR_STATUS");
  expect([...ledger.takeLatencies()]).toEqual([10, 30]);
  expect([...ledger.takeLatencies()]).toEqual([]);
  for (let i = 0; i < 10_000; i++) ledger.settle(ledger.submit());
  expect(ledger.takeLatencies()).toHaveLength(4_096);
  expect([...ledger.codes]).toEqual([["NVME_ERR_STATUS", 1]]);
});

test("a watched device is as good as the one behind it", async () => {
  const clock = new VirtualClock();
  const memory = memoryDevice({ name: "disk", clock, blockBytes: 512, blockCount: 8 });
  const ledger = new Ledger(() => clock.nowMs());
  const disk = openDisk(watched(memory, ledger));
  const write = disk.write(3, new Uint8Array(512).fill(9));
  clock.advance(1);
  await write;
  expect([disk.blockCount, ledger.settled]).toEqual([8, 1]);
});
