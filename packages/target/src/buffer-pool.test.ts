// Buffers: bounded in total and per connection, counted exactly, and never in two hands.
import { VirtualClock } from "@nvmeof/transport/testing";
import { expect, test } from "vitest";
import { BufferAccount, BufferPool, type Loan } from "./buffer-pool.ts";

const KIB = 1024;

function pool(bytesMax = 64 * KIB, idleBytesMax = 16 * KIB) {
  const clock = new VirtualClock();
  return { clock, pool: new BufferPool(clock, bytesMax, idleBytesMax) };
}

test.each([
  [1, 4],
  [4096, 4],
  [4097, 8],
  [8192, 8],
  [20_000, 32],
])("%d bytes are lent as %d KiB, cut to length", (bytes, kib) => {
  const loan = pool().pool.take(bytes, new BufferAccount(64 * KIB))!;
  expect(loan.bytes.length).toBe(kib * KIB);
  expect(loan.first(bytes).length).toBe(bytes);
  expect(loan.first(bytes)).toBe(loan.first(bytes));
});

test("nothing is lent beyond the bounds, of the connection and in total", () => {
  const { pool: lender } = pool();
  const [one, two] = [new BufferAccount(32 * KIB), new BufferAccount(64 * KIB)];
  expect(lender.take(32 * KIB, one)).toBeDefined();
  expect(lender.take(1, one)).toBeUndefined();
  expect(lender.take(32 * KIB, two)).toBeDefined();
  expect(lender.take(1, two)).toBeUndefined();
  expect(lender).toMatchObject({ loans: 2, loanBytes: 64 * KIB });
});

test("a buffer that came back is lent again, and no more are kept than the bound", () => {
  const { pool: lender } = pool();
  const account = new BufferAccount(64 * KIB);
  const loans = [1, 2, 3].map(() => lender.take(8 * KIB, account)!);
  for (const loan of loans) lender.giveBack(loan);
  expect(lender).toMatchObject({ loans: 0, loanBytes: 0 });
  const again = [1, 2, 3].map(() => lender.take(8 * KIB, account)!);
  expect(new Set(again).size).toBe(3);
  expect(again.filter((loan) => loans.includes(loan))).toHaveLength(2);
});

test("who waits is woken once, after the call that gave a buffer back", () => {
  const { clock, pool: lender } = pool();
  const account = new BufferAccount(64 * KIB);
  const loans = [1, 2].map(() => lender.take(4 * KIB, account)!);
  let woken = 0;
  lender.whenFreed(() => woken++);
  for (const loan of loans) lender.giveBack(loan);
  expect(woken).toBe(0);
  clock.settle();
  expect(woken).toBe(1);
});

test("what a link was sending from when it ended is written off, and its late release is void", () => {
  const { pool: lender } = pool();
  const account = new BufferAccount(64 * KIB);
  const take = (): Loan => lender.take(4 * KIB, account)!;
  const [sent, kept, late] = [take(), take(), take()];
  for (const loan of [sent, late]) lender.sending(loan);
  sent.release();
  expect(lender.loans).toBe(2);
  lender.writeOff(account);
  expect(lender).toMatchObject({ loans: 1, loanBytes: 4 * KIB });
  late.release();
  lender.giveBack(kept);
  expect(lender).toMatchObject({ loans: 0, loanBytes: 0 });
  expect(lender.take(4 * KIB, new BufferAccount(64 * KIB))).not.toBe(late);
});
