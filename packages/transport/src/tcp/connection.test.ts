// A session on a stream and a clock: deadlines, back-pressure, and every way for it to end.

import { DataDirection, type NvmeofError, PduType, Sqe, TermReq } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import type { ByteStream, ByteStreamHandler, Connector } from "../byte-stream.ts";
import type { Clock, Timer } from "../clock.ts";
import { MemoryPort } from "../memory.ts";
import type { CloseHow, ControllerLink, QueueLink } from "../queue-link.ts";
import { present } from "../testing/present.ts";
import { RawPdus, RawPeer, VirtualClock, sqeOf } from "../testing/index.ts";
import { acceptQueue } from "./controller-link.ts";
import { hostTransport } from "./host-link.ts";

const pdus = new RawPdus();
const address = { trtype: "loop", traddr: "test", trsvcid: "" };
const options = { qid: 1, slots: 16, inCapsuleBytes: 8192, timeoutMs: 3_000 };

const portOn = (clock: Clock, latencyMs = 0): MemoryPort =>
  new MemoryPort("test", { clock, latencyMs });

interface Host {
  readonly link: QueueLink;
  readonly events: string[];
  onEvent: ((event: string) => void) | undefined;
}

/** A host's queue, and what it was told. */
function hostOn(connector: Connector, clock: Clock): Host {
  const events: string[] = [];
  const tell = (event: string): void => {
    events.push(event);
    host.onEvent?.(event);
  };
  const host: Host = {
    link: hostTransport({ address, connector, clock }).openQueue(options, {
      opened: () => tell("opened"),
      completed: (cid) => tell(`completed ${cid}`),
      lost: (error: NvmeofError) => tell(`lost ${error.code}`),
    }),
    events,
    onEvent: undefined,
  };
  return host;
}

/** A host with a raw controller, initialised. */
function hostAndPeer(latencyMs = 0) {
  const clock = new VirtualClock();
  const port = portOn(clock, latencyMs);
  const peers = RawPeer.serve(port, (peer) => {
    peer.onPdu = ({ type }) => {
      if (type === PduType.ICReq) peer.send(pdus.icResp());
    };
  });
  const host = hostOn(port, clock);
  clock.advance(10 * latencyMs);
  return { clock, host, peer: present(peers[0]) };
}

interface Controller {
  readonly link: ControllerLink;
  readonly events: string[];
  readonly released: Uint8Array[];
  onCommand: ((tag: number) => void) | undefined;
}

/** Takes the hosts of `port`, with what the first of them caused. */
function controllerOn(
  port: MemoryPort,
  clock: Clock,
  through: (stream: ByteStream) => ByteStream = (stream) => stream,
): Controller {
  const events: string[] = [];
  const controller = { events, released: [] as Uint8Array[] } as Partial<Controller> & {
    events: string[];
  };
  port.listen((given) => {
    const stream = through(given);
    return acceptQueue({ clock }, stream, (link) => {
      Object.assign(controller, { link });
      return {
        opened: () => {
          link.configure(16, true, 8192);
          events.push("opened");
        },
        command: (tag) => {
          events.push(`command ${Sqe.cid.get(link.sqe(tag))}`);
          controller.onCommand?.(tag);
        },
        fetched: (tag, status) => events.push(`fetched ${tag} ${status}`),
        lost: (error) => events.push(`lost ${error.code}`),
      };
    });
  });
  return controller as Controller;
}

function controllerAndPeer(latencyMs = 0, through?: (stream: ByteStream) => ByteStream) {
  const clock = new VirtualClock();
  const port = portOn(clock, latencyMs);
  const controller = controllerOn(port, clock, through);
  const peer = RawPeer.connect(port);
  clock.advance(2 * latencyMs);
  peer.send(pdus.icReq());
  clock.advance(2 * latencyMs);
  return { clock, controller, peer };
}

const flush = (host: Host, cid: number): void =>
  host.link.submit(cid, sqeOf({ opc: 0 }), DataDirection.None, undefined);

const write = (host: Host, cid: number, bytes: number): void =>
  host.link.submit(cid, sqeOf({ opc: 1 }), DataDirection.ToController, new Uint8Array(bytes));

describe("a host whose controller breaks the protocol", () => {
  test("tells it why, waits a second for it to close, then resets", () => {
    const { clock, host, peer } = hostAndPeer();
    peer.send(pdus.capsuleResp({ cid: 3 }));
    clock.settle();
    expect(host.events).toEqual(["opened", "lost NVME_ERR_PROTOCOL"]);
    const term = peer.pdus.at(-1)!;
    expect(term.name).toBe("H2CTermReq");
    expect(TermReq.fei.get(term.view)).toBe(20);
    clock.advance(999);
    expect(peer.state).toBe("open");
    clock.advance(1);
    expect(peer.state).toBe("ended");
    expect(peer.error?.code).toBe("NVME_ERR_CONNECTION_LOST");
    expect(clock.armed).toBe(0);
  });

  test("has nothing left to wait for when it closes at once", () => {
    const { clock, peer } = hostAndPeer();
    peer.onPdu = ({ type }) => {
      if (type === PduType.H2CTermReq) peer.close();
    };
    peer.send(pdus.capsuleResp({ cid: 3 }));
    clock.settle();
    expect(clock.armed).toBe(0);
  });

  test("T33: hears nothing of what comes meanwhile", () => {
    const { clock, host, peer } = hostAndPeer();
    flush(host, 1);
    clock.settle();
    peer.send(pdus.capsuleResp({ cid: 3 }));
    clock.settle();
    peer.send(pdus.capsuleResp({ cid: 1 }));
    clock.advance(500);
    peer.send(pdus.termReq(PduType.C2HTermReq, 1));
    clock.drain();
    expect(host.events).toEqual(["opened", "lost NVME_ERR_PROTOCOL"]);
  });

  test("T6: knows a TLS server by the 7 bytes of its alert, which are no whole header", () => {
    const clock = new VirtualClock();
    const port = portOn(clock);
    RawPeer.serve(port, (peer) => {
      peer.onPdu = () => {
        peer.send(Uint8Array.of(0x15, 3, 3, 0, 2, 2, 0x16));
        peer.close();
      };
    });
    const host = hostOn(port, clock);
    clock.settle();
    expect(host.events).toEqual(["lost NVME_ERR_PROTOCOL"]);
    expect(clock.armed).toBe(0);
  });

  test("takes fewer bytes, and the same ones later, for a connection that was lost", () => {
    for (const bytes of [Uint8Array.of(0x15, 3, 3), pdus.icResp().subarray(0, 7)]) {
      const clock = new VirtualClock();
      const port = portOn(clock);
      RawPeer.serve(port, (peer) => {
        peer.onPdu = () => {
          peer.send(bytes);
          peer.close();
        };
      });
      const host = hostOn(port, clock);
      clock.settle();
      expect(host.events).toEqual(["lost NVME_ERR_CONNECTION_LOST"]);
    }
  });

  test("closing it after that changes nothing", () => {
    const { clock, host, peer } = hostAndPeer();
    peer.send(pdus.capsuleResp({ cid: 3 }));
    clock.settle();
    host.link.close("orderly");
    host.link.close("reset");
    clock.drain();
    expect(host.events).toHaveLength(2);
    expect(peer.names).toEqual(["ICReq", "H2CTermReq"]);
  });
});

test("T34, H38: a TermReq is not answered; the one who has read it resets at once", () => {
  const { clock, host, peer } = hostAndPeer();
  peer.send(pdus.termReq(PduType.C2HTermReq, 1, 8));
  clock.settle();
  expect(host.events).toEqual(["opened", "lost NVME_ERR_PEER_TERMINATED"]);
  expect(peer.state).toBe("ended");
  expect(peer.names).toEqual(["ICReq"]);
  expect(clock.armed).toBe(0);
});

describe("a connection that does not come about", () => {
  test("nobody listens", () => {
    const clock = new VirtualClock();
    const host = hostOn(portOn(clock), clock);
    expect(host.events).toEqual([]);
    clock.drain();
    expect(host.events).toEqual(["lost NVME_ERR_UNREACHABLE"]);
    expect(clock.armed).toBe(0);
  });

  test("a stream that never connects is given up in time", () => {
    const clock = new VirtualClock();
    let resets = 0;
    const stream = { remote: "nowhere", write() {}, pause() {}, resume() {}, close() {} };
    const connect = (): ByteStream => ({ ...stream, reset: () => void resets++ });
    const host = hostOn({ remote: "nowhere", connect }, clock);
    clock.advance(2_999);
    expect(host.events).toEqual([]);
    clock.advance(1);
    expect(host.events).toEqual(["lost NVME_ERR_CONNECT_TIMEOUT"]);
    expect(resets).toBe(1);
    expect(clock.armed).toBe(0);
  });

  test("T2, T15: a controller that says nothing, or ends it first", () => {
    for (const [ms, speak] of [
      [3_000, () => {}],
      [0, (peer: RawPeer) => peer.send(pdus.termReq(PduType.C2HTermReq, 2))],
      [0, (peer: RawPeer) => peer.close()],
      [0, (peer: RawPeer) => peer.reset()],
    ] as const) {
      const clock = new VirtualClock();
      const port = portOn(clock);
      const [host, peers] = [hostOn(port, clock), RawPeer.serve(port)];
      clock.settle();
      speak(present(peers[0]));
      clock.advance(ms);
      expect(host.events).toHaveLength(1);
      expect(host.events[0]).toMatch(/^lost NVME_ERR_(INIT|PEER|CONN)/);
      expect(present(peers[0]).names).toEqual(["ICReq"]);
      expect(clock.armed).toBe(0);
    }
  });

  test("T1, T2, T4: hosts that say nothing, nonsense or leave cost the target 5 s at most", () => {
    const clock = new VirtualClock();
    const port = portOn(clock);
    const controller = controllerOn(port, clock);
    RawPeer.connect(port);
    const leaver = RawPeer.connect(port);
    const scanner = RawPeer.connect(port);
    clock.settle();
    leaver.close();
    scanner.send(new Uint8Array(128).fill(0x5a));
    scanner.close();
    clock.advance(4_999);
    expect(controller.events.toSorted()).toEqual([
      "lost NVME_ERR_CONNECTION_LOST",
      "lost NVME_ERR_PROTOCOL",
    ]);
    clock.advance(1);
    expect(controller.events.at(-1)).toBe("lost NVME_ERR_INITIALIZE_TIMEOUT");
    clock.drain();
    expect(clock.armed).toBe(0);
  });
});

describe("T27: half a PDU, and then", () => {
  const half = pdus.capsuleCmd({ opc: 0, cid: 1 }).subarray(0, 30);

  test.each([
    ["an orderly end", (peer: RawPeer) => peer.close(), 0, "CONNECTION_LOST"],
    ["a reset", (peer: RawPeer) => peer.reset(), 0, "CONNECTION_LOST"],
    ["silence", () => {}, 10_000, "RECEIVE_TIMEOUT"],
  ] as const)("%s", (_what, then, ms, code) => {
    const { clock, controller, peer } = controllerAndPeer();
    peer.send(half);
    clock.settle();
    then(peer);
    clock.settle();
    clock.advance(Math.max(0, ms - 1));
    if (ms > 0) expect(controller.events).toEqual(["opened"]);
    clock.advance(1);
    expect(controller.events).toEqual(["opened", `lost NVME_ERR_${code}`]);
    clock.drain();
    expect(clock.armed).toBe(0);
    expect(peer.names).toEqual(["ICResp"]);
  });

  test("its rest: all is well, and no timer stays", () => {
    const { clock, controller, peer } = controllerAndPeer();
    peer.send(half);
    clock.advance(9_000);
    peer.send(pdus.capsuleCmd({ opc: 0, cid: 1 }).subarray(30));
    clock.drain();
    expect(controller.events).toEqual(["opened", "command 1"]);
    expect(clock.armed).toBe(0);
  });
});

test("T64: an R2T sent long after its command has a deadline like any other", () => {
  const { clock, controller, peer } = controllerAndPeer();
  peer.send(pdus.capsuleCmd({ opc: 1, cid: 1, sglId: 0x5a, sglLength: 512 }));
  clock.advance(3_600_000);
  controller.link.fetch(controllerTag(controller, 1), new Uint8Array(512));
  clock.advance(29_999);
  expect(controller.events).toEqual(["opened", "command 1"]);
  expect(peer.names).toEqual(["ICResp", "R2T"]);
  clock.advance(1);
  expect(controller.events.at(-1)).toBe("lost NVME_ERR_RECEIVE_TIMEOUT");
  clock.drain();
  expect(peer.state).toBe("ended");
});

const controllerTag = (controller: Controller, cid: number): number => {
  for (let tag = 0; tag < 16; tag++) {
    if (Sqe.cid.get(controller.link.sqe(tag)) === cid) return tag;
  }
  throw new Error(`no command ${cid}`);
};

describe("a close by the user", () => {
  const closes: [how: CloseHow, state: string][] = [
    ["orderly", "at once"],
    ["reset", "at once"],
    ["orderly", "while initialising"],
    ["reset", "while initialising"],
    ["orderly", "when open"],
    ["reset", "when open"],
    ["orderly", "with a command in flight"],
    ["reset", "with a command in flight"],
  ];

  test.each(closes)("%s, %s: no event follows, and nothing is left", (how, state) => {
    const clock = new VirtualClock();
    const port = portOn(clock, 10);
    const peers = RawPeer.serve(port, (peer) => {
      peer.onPdu = ({ type }) => {
        if (type === PduType.ICReq && state !== "while initialising") peer.send(pdus.icResp());
      };
    });
    const host = hostOn(port, clock);
    if (state !== "at once") clock.advance(100);
    if (state === "with a command in flight") {
      flush(host, 1);
      clock.advance(100);
    }
    const before = host.events.length;
    host.link.close(how);
    host.link.close("reset");
    peers[0]?.send(pdus.capsuleResp({ cid: 1 }));
    clock.drain();
    expect(host.events).toHaveLength(before);
    expect(clock.armed).toBe(0);
    if (peers[0] !== undefined) {
      expect(peers[0].state).toBe("ended");
      const orderly = how === "orderly" && state !== "at once";
      expect(peers[0].error === undefined).toBe(orderly);
    }
  });

  test("orderly delivers what was submitted, also behind a write that is under way", () => {
    const { clock, host, peer } = hostAndPeer(10);
    flush(host, 1);
    clock.settle(); // this one is on its way
    flush(host, 2);
    flush(host, 3);
    host.link.close("orderly");
    clock.drain();
    expect(peer.names).toEqual(["ICReq", "CapsuleCmd", "CapsuleCmd", "CapsuleCmd"]);
    expect(peer.state).toBe("ended");
    expect(peer.error).toBeUndefined();
  });

  test("reset delivers nothing that the peer has not taken", () => {
    const { clock, host, peer } = hostAndPeer();
    peer.stream.pause();
    flush(host, 1);
    clock.settle();
    flush(host, 2);
    host.link.close("reset");
    peer.stream.resume();
    clock.drain();
    expect(peer.names).toEqual(["ICReq"]);
    expect(peer.error?.code).toBe("NVME_ERR_CONNECTION_LOST");
  });

  test.each(["orderly", "reset"] as const)("%s, from inside any event", (how) => {
    for (const event of ["opened", "completed 2", "lost NVME_ERR_CONNECTION_LOST"]) {
      const clock = new VirtualClock();
      const port = portOn(clock);
      const peers = RawPeer.serve(port, (peer) => {
        peer.onPdu = ({ type }) => {
          if (type === PduType.ICReq) peer.send(pdus.icResp());
        };
      });
      const host = hostOn(port, clock);
      host.onEvent = (seen) => {
        if (seen === event) host.link.close(how);
      };
      clock.settle();
      if (event !== "opened") {
        for (const cid of [1, 2, 3]) flush(host, cid);
        clock.settle();
        present(peers[0]).send(...[1, 2, 3].map((cid) => pdus.capsuleResp({ cid })));
        clock.settle();
        present(peers[0]).close();
      }
      clock.drain();
      expect(host.events.at(-1)).toBe(event);
      expect(present(peers[0]).state === "ended" || event.startsWith("lost")).toBe(true);
      expect(clock.armed).toBe(0);
    }
  });

  test("of the controller's end gives back what was not sent, and tells nothing", () => {
    const { clock, controller, peer } = controllerAndPeer();
    controller.onCommand = (tag) =>
      controller.link.respond(tag, 0, 0, 0, new Uint8Array(100_000), (data) =>
        controller.released.push(data),
      );
    peer.stream.pause();
    for (let cid = 0; cid < 8; cid++) {
      peer.send(pdus.capsuleCmd({ opc: 2, cid, sglId: 0x5a, sglLength: 100_000 }));
      clock.settle();
    }
    expect(controller.released.length).toBeLessThan(8);
    controller.link.close("reset");
    expect(controller.released).toHaveLength(8);
    clock.drain();
    expect(controller.events.filter((event) => event.startsWith("lost"))).toEqual([]);
    expect(clock.armed).toBe(0);
  });
});

test("buffers of answers are given back when they are out, each once, small ones at once", () => {
  const { clock, controller, peer } = controllerAndPeer(5);
  const sizes = [100, 8192, 8193, 200_000];
  controller.onCommand = (tag) => {
    const data = new Uint8Array(present(sizes[Sqe.cid.get(controller.link.sqe(tag))]));
    controller.link.respond(tag, 0, 0, 0, data, (back) => controller.released.push(back));
  };
  peer.send(
    ...sizes.map((sglLength, cid) => pdus.capsuleCmd({ opc: 2, cid, sglId: 0x5a, sglLength })),
  );
  clock.advance(5);
  expect(controller.released.map(({ length }) => length)).toEqual([100, 8192]);
  clock.advance(20);
  expect(controller.released.map(({ length }) => length)).toEqual(sizes);
  expect(peer.names.filter((name) => name === "C2HData")).toHaveLength(4);
});

/** A stream that takes all there is at once, as a kernel with room does, and tells `written` of it. */
const roomy = (stream: ByteStream, written: (bytes: number) => void): ByteStream => ({
  remote: stream.remote,
  write: (pieces) => stream.write(pieces),
  writeNow: (pieces) => {
    written(pieces.reduce((sum, { length }) => sum + length, 0));
    // As the kernel does: it has a copy.
    stream.write(pieces.map((piece) => piece.slice()));
    return true;
  },
  pause: () => stream.pause(),
  resume: () => stream.resume(),
  close: () => stream.close(),
  reset: () => stream.reset(),
});

test("buffers of answers that are out at once are given back at once, each once", () => {
  const { clock, controller, peer } = controllerAndPeer(5, (stream) => roomy(stream, () => {}));
  const sizes = [100, 8193, 200_000, 8194];
  controller.onCommand = (tag) => {
    const data = new Uint8Array(present(sizes[Sqe.cid.get(controller.link.sqe(tag))]));
    controller.link.respond(tag, 0, 0, 0, data, (back) => controller.released.push(back));
  };
  peer.send(
    ...sizes.map((sglLength, cid) => pdus.capsuleCmd({ opc: 2, cid, sglId: 0x5a, sglLength })),
  );
  clock.advance(5);
  expect(controller.released.map(({ length }) => length)).toEqual(sizes);
  clock.advance(20);
  expect(controller.released).toHaveLength(4);
  expect(peer.names.filter((name) => name === "C2HData")).toHaveLength(4);
});

test("what R2Ts ask for leaves as fast as it is taken, in pieces of a bounded size", () => {
  const clock = new VirtualClock();
  const port = portOn(clock);
  const writes: number[] = [];
  const connector: Connector = {
    remote: port.remote,
    connect: (given, handler) =>
      roomy(port.connect(given, handler), (bytes) => void writes.push(bytes)),
  };
  let arrived = 0;
  const peers = RawPeer.serve(port, (peer) => {
    peer.onPdu = ({ type, data }) => {
      if (type === PduType.ICReq) peer.send(pdus.icResp());
      else arrived += data.length;
    };
  });
  const host = hostOn(connector, clock);
  clock.settle();
  writes.length = 0;
  write(host, 15, 2_000_000);
  for (let cid = 0; cid < 15; cid++) write(host, cid, 8192);
  clock.settle();
  expect(writes).toHaveLength(1);
  expect(arrived).toBe(15 * 8192);
  present(peers[0]).send(pdus.r2t({ cccid: 15, ttag: 1, r2tl: 2_000_000 }));
  clock.settle();
  expect(arrived).toBe(15 * 8192 + 2_000_000);
  expect(writes.length).toBeGreaterThan(3);
  expect(Math.max(...writes)).toBeLessThan(700_000);
});

test("more than 128 KiB of answers leave before the end of their turn", () => {
  const writes: number[] = [];
  const note = (bytes: number): void => void writes.push(bytes);
  const { clock, controller, peer } = controllerAndPeer(0, (stream) => roomy(stream, note));
  const data = new Uint8Array(8192);
  controller.onCommand = (tag) => {
    if (Sqe.opc.get(controller.link.sqe(tag)) === 2) controller.link.respond(tag, 0, 0, 0, data);
  };
  writes.length = 0;
  const cids = Array.from({ length: 40 }, (_, i) => i);
  peer.send(...cids.map((cid) => pdus.capsuleCmd({ opc: 2, cid, sglId: 0x5a, sglLength: 8192 })));
  clock.settle();
  expect(writes.length).toBe(3);
  expect(Math.max(...writes)).toBeLessThan(150_000);
  expect(peer.names.filter((name) => name === "CapsuleResp")).toHaveLength(40);
});

test("what is submitted in one turn leaves in one write", () => {
  const clock = new VirtualClock();
  const port = portOn(clock);
  let writes = 0;
  const counting: Connector = {
    remote: port.remote,
    connect: (streamOptions, handler: ByteStreamHandler) => {
      const stream = port.connect(streamOptions, handler);
      return {
        remote: stream.remote,
        write: (pieces) => {
          writes++;
          stream.write(pieces);
        },
        pause: () => stream.pause(),
        resume: () => stream.resume(),
        close: () => stream.close(),
        reset: () => stream.reset(),
      };
    },
  };
  const peers = RawPeer.serve(port, (peer) => {
    peer.onPdu = ({ type }) => {
      if (type === PduType.ICReq) peer.send(pdus.icResp());
    };
  });
  const host = hostOn(counting, clock);
  clock.settle();
  writes = 0;
  host.onEvent = (event) => {
    if (event === "completed 0") for (let cid = 4; cid < 12; cid++) flush(host, cid);
  };
  for (let cid = 0; cid < 4; cid++) flush(host, cid);
  clock.settle();
  expect(writes).toBe(1);
  present(peers[0]).send(...[0, 1, 2, 3].map((cid) => pdus.capsuleResp({ cid })));
  clock.settle();
  expect(writes).toBe(2);
  expect(present(peers[0]).names.filter((name) => name === "CapsuleCmd")).toHaveLength(12);
});

describe("H42: a peer that does not read", () => {
  test("is not read from either, so that what is queued for it stays bounded", () => {
    const { clock, controller, peer } = controllerAndPeer();
    const data = new Uint8Array(200_000);
    let answered = 0;
    controller.onCommand = (tag) => {
      answered++;
      controller.link.respond(tag, 0, 0, 0, data);
    };
    peer.stream.pause();
    const total = 400;
    for (let cid = 0; cid < total; cid++) {
      peer.send(pdus.capsuleCmd({ opc: 2, cid, sglId: 0x5a, sglLength: data.length }));
      clock.settle();
    }
    // 4 MiB, one answer more, and what is on its way.
    expect(answered).toBeLessThan(30);
    peer.stream.resume();
    clock.settle();
    expect(answered).toBe(total);
    expect(peer.names.filter((name) => name === "CapsuleResp")).toHaveLength(total);
    expect(controller.events.filter((event) => event.startsWith("lost"))).toEqual([]);
  });

  test("is not held to deadlines for what we did not read", () => {
    const { clock, controller, peer } = controllerAndPeer();
    const data = new Uint8Array(300_000);
    controller.onCommand = (tag) => {
      const bytes = controller.link.transferBytes(tag);
      if (Sqe.opc.get(controller.link.sqe(tag)) === 1) {
        controller.link.fetch(tag, new Uint8Array(bytes));
      } else controller.link.respond(tag, 0, 0, 0, data);
    };
    const reads = Array.from({ length: 16 }, (_, cid) =>
      pdus.capsuleCmd({ opc: 2, cid, sglId: 0x5a, sglLength: data.length }),
    );
    const writeOf = pdus.capsuleCmd({ opc: 1, cid: 99, sglId: 0x5a, sglLength: 64 });
    peer.send(writeOf);
    clock.settle();
    peer.stream.pause();
    // The last command of the segment is cut: it is under way when reading stops.
    peer.send(...reads, writeOf.subarray(0, 20));
    clock.advance(50_000);
    expect(controller.events.filter((event) => event.startsWith("lost"))).toEqual([]);
    peer.stream.resume();
    clock.settle();
    clock.advance(9_000);
    expect(controller.events.filter((event) => event.startsWith("lost"))).toEqual([]);
    clock.advance(2_000);
    expect(controller.events.at(-1)).toBe("lost NVME_ERR_RECEIVE_TIMEOUT");
    clock.drain();
  });
});

/** A clock whose timers come late: as they do when the process stood still. */
class StallingClock implements Clock {
  readonly inner = new VirtualClock();
  stalledMs = 0;
  nowMs(): number {
    return this.inner.nowMs() + this.stalledMs;
  }
  at(atMs: number, task: () => void): Timer {
    return this.inner.at(atMs - this.stalledMs, task);
  }
  defer(task: () => void): void {
    this.inner.defer(task);
  }
}

test("after we stood still ourselves, what has arrived is read before a deadline is judged", () => {
  const clock = new StallingClock();
  const port = portOn(clock);
  const controller = controllerOn(port, clock);
  const peer = RawPeer.connect(port);
  clock.inner.settle();
  peer.send(pdus.icReq());
  clock.inner.settle();
  const command = pdus.capsuleCmd({ opc: 0, cid: 1 });
  peer.send(command.subarray(0, 20));
  clock.inner.advance(9_000);
  clock.stalledMs = 60_000;
  clock.inner.advance(1_000); // the timer comes, a minute late
  expect(controller.events).toEqual(["opened"]);
  peer.send(command.subarray(20));
  clock.inner.settle();
  expect(controller.events).toEqual(["opened", "command 1"]);
  // And where nothing has arrived, it is judged all the same.
  peer.send(command.subarray(0, 20));
  clock.inner.advance(9_000);
  clock.stalledMs = 120_000;
  clock.inner.advance(1_000);
  expect(controller.events).toHaveLength(2);
  clock.inner.advance(100);
  expect(controller.events.at(-1)).toBe("lost NVME_ERR_RECEIVE_TIMEOUT");
});

describe("what a controller may do as it is accepted", () => {
  test("configure the link, and close it", () => {
    const clock = new VirtualClock();
    const port = portOn(clock);
    let lost = 0;
    port.listen((stream) =>
      acceptQueue({ clock }, stream, (link) => {
        link.configure(4, false, 0);
        expect(link.remote).toContain("test");
        link.close("reset");
        return { opened() {}, command() {}, fetched() {}, lost: () => void lost++ };
      }),
    );
    const peer = RawPeer.connect(port);
    clock.drain();
    expect(peer.state).toBe("ended");
    expect(peer.error).toBeDefined();
    expect(lost).toBe(0);
    expect(clock.armed).toBe(0);
  });
});

test("an error in a user's callback is thrown to its caller, and the connection still works", () => {
  const { clock, host, peer } = hostAndPeer();
  host.onEvent = (event) => {
    if (event === "completed 1") throw new Error("the user's own");
  };
  flush(host, 1);
  clock.settle();
  peer.send(pdus.capsuleResp({ cid: 1 }));
  expect(() => clock.settle()).toThrow("the user's own");
  flush(host, 2);
  clock.settle();
  expect(peer.names).toEqual(["ICReq", "CapsuleCmd", "CapsuleCmd"]);
  peer.send(pdus.capsuleResp({ cid: 2 }));
  clock.settle();
  expect(host.events.at(-1)).toBe("completed 2");
});

test("writes of many commands reach a slow controller whole, and in bounded memory", () => {
  const { clock, host, peer } = hostAndPeer(1);
  for (let cid = 0; cid < 16; cid++) write(host, cid, 1_000_000);
  clock.advance(10);
  let arrived = 0;
  peer.onPdu = ({ type, data }) => {
    if (type === PduType.H2CData) arrived += data.length;
  };
  peer.send(
    ...Array.from({ length: 16 }, (_, cid) => pdus.r2t({ cccid: cid, ttag: cid, r2tl: 1_000_000 })),
  );
  clock.advance(1_000);
  expect(arrived).toBe(16_000_000);
});
