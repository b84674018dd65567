// Screens as they are seen, line by line.

import { expect, test } from "vitest";
import { known } from "../testing/top-world.ts";
import { displayWidth } from "../table.ts";
import { type ScreenSize, screenLines } from "./screen.ts";
import { type ViewState, firstView } from "./view.ts";

const plain = { bold: (text: string) => text, dim: (text: string) => text, columns: undefined };

const shown = (state: Partial<ViewState>, size: ScreenSize): string =>
  `\n${screenLines(known, { ...firstView, ...state }, size, plain)
    .map((line) => line.trimEnd())
    .join("\n")}\n`;

const host = { level: "controllers", subsystem: "h" } as const;
const paths = { level: "paths", subsystem: "h", controller: "c1" } as const;
const namespace = { level: "namespace", subsystem: "h", namespace: "n1" } as const;
const [top] = firstView.way;

test("80 by 24: subsystems", () => {
  expect(shown({}, { columns: 80, rows: 12 })).toMatchInlineSnapshot(`
    "
    nvmeof top  4711 connect --hold  up 1 min 5 s  every 1.00 s
    event loop 10%  delay p99 800 µs, max 12.3 ms  CPU 10%  memory 58.00 MB
    subsystems
      Name               State      r_IOPS w_IOPS r_clat w_clat   r_bw   w_bw Errors
    > nqn.…example:disk1 1/2 live    1.20k    300  250us 12.5ms 4.92MB 1.23MB      4
      nqn.…v.nvmeof:disk target          0     50      -      -     0B 25.6kB      1




    nqn.2024-01.com.example:disk1: nvme0, 2 controllers, 1 namespace
    Enter open  Esc back  Tab queues  s sort  / filter  p pause  ? help  q quit
    "
  `);
});

test("80: controllers, of which one is lost and chosen", () => {
  const state = { way: [top!, host], chosen: "c2" };
  expect(shown(state, { columns: 80, rows: 10 })).toMatchInlineSnapshot(`
    "
    nvmeof top  4711 connect --hold  up 1 min 5 s  every 1.00 s
    event loop 10%  delay p99 800 µs, max 12.3 ms  CPU 10%  memory 58.00 MB
    subsystems > nqn.2024-01.com.example:disk1
      Name               State      r_IOPS w_IOPS r_clat w_clat   r_bw   w_bw Errors
      tcp …2.0.2.10 4420 live        1.20k    300  250us 12.5ms 4.92MB 1.23MB      4
    > tcp …2.0.2.10 4421 waiting         0      0      -      -     0B     0B      0


    tcp 192.0.2.10 4421: controller 2, 0 I/O queues, connect ECONNREFUSED
    Enter open  Esc back  Tab queues  s sort  / filter  p pause  ? help  q quit
    "
  `);
});

test("200: all columns, of a namespace by its paths", () => {
  const state = { way: [top!, host, paths, namespace] };
  expect(shown(state, { columns: 200, rows: 10 })).toMatchInlineSnapshot(`
    "
    nvmeof top  4711 connect --hold  up 1 min 5 s  every 1.00 s
    event loop 10%  delay p99 800 µs, max 12.3 ms  CPU 10%  memory 58.00 MB
    subsystems > nqn.2024-01.com.example:disk1 > tcp 192.0.2.10 4420 > namespace 1
      Name                                                State      r_IOPS w_IOPS r_clat w_clat   r_bw   w_bw Util% Resets Reconnects Errors Retries Failovers ANAState        Requeue-IO Fail-IO Inflights
    > tcp 192.0.2.10 4420                                 usable      1.20k    300  250us 12.5ms 4.92MB 1.23MB    75      -          -      4       1         3 optimized                -       -        32
      tcp 192.0.2.10 4421                                 waiting         0      0      -      -     0B     0B     0      -          -      0       0         0 -                        -       -         0


    tcp 192.0.2.10 4420: nvme0n1, tcp 192.0.2.10 4420
    Enter open  Esc back  Tab queues  s sort  / filter  p pause  ? help  q quit
    "
  `);
});

test("the namespaces of a controller", () => {
  expect(shown({ way: [top!, host, paths] }, { columns: 100, rows: 9 })).toMatchInlineSnapshot(`
    "
    nvmeof top  4711 connect --hold  up 1 min 5 s  every 1.00 s
    event loop 10%  delay p99 800 µs, max 12.3 ms  CPU 10%  memory 58.00 MB
    subsystems > nqn.2024-01.com.example:disk1 > tcp 192.0.2.10 4420
      Name                   State      r_IOPS w_IOPS r_clat w_clat   r_bw   w_bw Util% Errors Inflights
    > namespace 1            usable      1.20k    300  250us 12.5ms 4.92MB 1.23MB    75      4        32


    namespace 1: nvme0n1, tcp 192.0.2.10 4420
    Enter open  Esc back  Tab queues  s sort  / filter  p pause  ? help  q quit
    "
  `);
});

test("event loop and queues", () => {
  expect(shown({ tab: "queues" }, { columns: 80, rows: 12 })).toMatchInlineSnapshot(`
    "
    nvmeof top  4711 connect --hold  up 1 min 5 s  every 1.00 s
    event loop 10%  delay p99 800 µs, max 12.3 ms  CPU 10%  memory 58.00 MB
    Queues

    event loop delay: mean 100 µs, p50 50 µs, p99 800 µs, max 12.3 ms

    Queues                                         QID     Depth Inflights Abandoned
    tcp 192.0.2.10 4420                              1        63        32         0



    Tab I/O   p pause   ? help   q quit
    "
  `);
});

test("a filter that is being typed, and matches nothing; paused", () => {
  const state = { mode: "filter", filter: "zzz", isPaused: true } as const;
  expect(shown(state, { columns: 80, rows: 9 })).toMatchInlineSnapshot(`
    "
    nvmeof top  4711 connect --hold  up 1 min 5 s  PAUSED
    event loop 10%  delay p99 800 µs, max 12.3 ms  CPU 10%  memory 58.00 MB
    subsystems  /zzz_
      Name               State      r_IOPS w_IOPS r_clat w_clat   r_bw   w_bw Errors



    nothing matches "zzz"
    type to filter   Enter keep it   Esc none
    "
  `);
});

test("help has room on 24 lines", () => {
  const lines = screenLines(
    known,
    { ...firstView, mode: "help" },
    { columns: 100, rows: 24 },
    plain,
  );
  expect(lines.join("\n")).toContain("Where the screen is narrow");
});

test("before anything is known", () => {
  const size = { columns: 40, rows: 8 };
  expect(screenLines(undefined, firstView, size, plain)).toContain("connecting …");
  const first = { ...known, rates: undefined };
  expect(screenLines(first, firstView, size, plain)).toContain("measuring …");
});

test("whatever the size, there are as many lines as rows, and none is longer than it is wide", () => {
  const states: readonly Partial<ViewState>[] = [
    {},
    { way: [top!, host], chosen: "c2" },
    { tab: "queues" },
    { mode: "help" },
    { mode: "filter", filter: "x".repeat(64) },
  ];
  for (const state of states) {
    for (const columns of [20, 39, 40, 79, 80, 81, 133, 300]) {
      for (const rows of [1, 5, 8, 24, 60]) {
        const lines = screenLines(known, { ...firstView, ...state }, { columns, rows }, plain);
        expect(lines).toHaveLength(rows);
        for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
      }
    }
  }
});

test("what a peer calls itself moves no cursor", () => {
  const [first, ...others] = known.rates!.subsystems;
  const nqn = "nqn.2024-01.evil:\u001b[2Jx\u202e";
  const rates = { ...known.rates!, subsystems: [{ ...first!, nqn }, ...others] };
  const lines = screenLines({ ...known, rates }, firstView, { columns: 120, rows: 10 }, plain);
  for (const each of ["\u001b", "\u202e"]) expect(lines.join("")).not.toContain(each);
});

test("more rows than there is room for come by pages", () => {
  const [first] = known.rates!.subsystems;
  const subsystems = Array.from({ length: 25 }, (_, i) => ({
    ...first!,
    id: `s${i}`,
    nqn: `nqn.${i}`,
  }));
  const rates = { ...known.rates!, subsystems };
  const page = (chosen: string): string =>
    screenLines(
      { ...known, rates },
      { ...firstView, chosen },
      { columns: 80, rows: 16 },
      plain,
    ).join("\n");
  expect(page("s9")).toContain("nqn.0 ");
  expect(page("s10")).not.toContain("nqn.9 ");
  expect(page("s10")).toContain("11 of 25");
  expect(page("s24")).toContain("> nqn.24");
});
