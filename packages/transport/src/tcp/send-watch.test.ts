// A host that does not take what it is sent: it is given time, and not for ever.

import type { NvmeofError } from "@nvmeof/codec";
import { expect, test } from "vitest";
import { MemoryPort } from "../memory.ts";
import type { ControllerLink } from "../queue-link.ts";
import { RawPdus, RawPeer, VirtualClock } from "../testing/index.ts";
import { type ControllerTransportOptions, acceptQueue } from "./controller-link.ts";

const pdus = new RawPdus();
const DATA_BYTES = 300_000;

/** A controller that answers every read with as much, and a host that may stop reading. */
function answering(limits: Partial<ControllerTransportOptions> = {}) {
  const clock = new VirtualClock();
  const port = new MemoryPort("test", { clock });
  const lost: NvmeofError[] = [];
  const paused: string[] = [];
  let released = 0;
  let link!: ControllerLink;
  const options = { clock, onPaused: (remote: string) => void paused.push(remote), ...limits };
  port.listen((stream) =>
    acceptQueue(options, stream, (each) => {
      link = each;
      return {
        opened: () => link.configure(64, true, 8192),
        command: (tag) => link.respond(tag, 0, 0, 0, new Uint8Array(DATA_BYTES), () => released++),
        fetched: () => {},
        lost: (error) => lost.push(error),
      };
    }),
  );
  const peer = RawPeer.connect(port);
  clock.settle();
  peer.send(pdus.icReq());
  clock.settle();
  let cid = 0;
  const read = (): void => {
    peer.send(pdus.capsuleCmd({ opc: 2, cid: cid++, sglId: 0x5a, sglLength: DATA_BYTES }));
    clock.settle();
  };
  return { clock, peer, lost, paused, read, link: () => link, released: () => released };
}

test("a write that nobody takes ends the connection, by the limit that it met", () => {
  const { clock, peer, lost, read } = answering({ sendTimeoutMs: 20_000 });
  peer.stream.pause();
  read();
  clock.advance(19_900);
  expect(lost).toEqual([]);
  clock.advance(5_200);
  expect(lost).toMatchObject([{ code: "NVME_ERR_SEND_TIMEOUT", limit: "sendTimeoutMs" }]);
  expect(peer.state).toBe("ended");
  clock.drain();
  expect(clock.armed).toBe(0);
});

test("the default is a minute", () => {
  const { clock, peer, lost, read } = answering();
  peer.stream.pause();
  read();
  clock.advance(59_900);
  expect(lost).toEqual([]);
  clock.advance(15_200);
  expect(lost).toHaveLength(1);
});

test("a host that is slow, but takes one write after the other, stays", () => {
  const { clock, peer, lost, read } = answering({ sendTimeoutMs: 20_000 });
  for (let turn = 0; turn < 20; turn++) {
    peer.stream.pause();
    read();
    clock.advance(15_000);
    peer.stream.resume();
    clock.settle();
  }
  expect(lost).toEqual([]);
  expect(peer.names.filter((name) => name === "CapsuleResp")).toHaveLength(20);
});

test("while nothing is sent nothing is watched, however long that is", () => {
  const { clock, lost, read } = answering({ sendTimeoutMs: 20_000 });
  read();
  clock.advance(1_000_000);
  expect(lost).toEqual([]);
  expect(clock.armed).toBe(0);
});

test("a link that is closed by us, either way, leaves no timer behind", () => {
  for (const how of ["orderly", "reset"] as const) {
    const { clock, peer, lost, read, link } = answering({ sendTimeoutMs: 20_000 });
    peer.stream.pause();
    read();
    link().close(how);
    clock.advance(100_000);
    expect(lost).toEqual([]);
    expect(clock.armed).toBe(0);
  }
});

test("with more queued than it may be, nothing is read, and it is told", () => {
  const { clock, peer, paused, read, released } = answering({ queuedBytesMax: 1_000_000 });
  peer.stream.pause();
  for (let i = 0; i < 10; i++) read();
  expect(paused).toHaveLength(1);
  peer.stream.resume();
  clock.settle();
  expect(peer.names.filter((name) => name === "CapsuleResp")).toHaveLength(10);
  expect(released()).toBe(10);
});

test("a part of a PDU is waited for as long as the options say", () => {
  const { clock, peer, lost } = answering({ partialPduTimeoutMs: 700 });
  peer.send(pdus.capsuleCmd({ opc: 2, cid: 1 }).subarray(0, 9));
  clock.advance(690);
  expect(lost).toEqual([]);
  clock.advance(20);
  expect(lost).toMatchObject([{ code: "NVME_ERR_RECEIVE_TIMEOUT", limit: "partialPduTimeoutMs" }]);
});

test("an R2T is waited for as long as the options say", () => {
  const clock = new VirtualClock();
  const port = new MemoryPort("test", { clock });
  const lost: NvmeofError[] = [];
  port.listen((stream) =>
    acceptQueue({ clock, r2tTimeoutMs: 700 }, stream, (link) => ({
      opened: () => link.configure(4, true, 8192),
      command: (tag) => link.fetch(tag, new Uint8Array(4096)),
      fetched: () => {},
      lost: (error) => lost.push(error),
    })),
  );
  const peer = RawPeer.connect(port);
  clock.settle();
  peer.send(pdus.icReq());
  peer.send(pdus.capsuleCmd({ opc: 1, cid: 1, sglId: 0x5a, sglLength: 4096 }));
  clock.advance(690);
  expect(peer.names.at(-1)).toBe("R2T");
  expect(lost).toEqual([]);
  clock.advance(20);
  expect(lost).toMatchObject([{ code: "NVME_ERR_RECEIVE_TIMEOUT", limit: "r2tTimeoutMs" }]);
});
