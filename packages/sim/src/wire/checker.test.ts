// Each rule of the wire checker: right conversations pass, and one that breaks the rule is found out.

import { expect, test } from "vitest";
import { Talk } from "./talk.ts";

const up = "toController";
const down = "toHost";

/** A write of 8 KiB that is asked for and sent in two, then a read of 32 bytes. */
function goodTalk(talk: Talk): void {
  talk.connect();
  talk.send(up, talk.command(1, { opcode: 1, data: 8192 }));
  talk.send(down, talk.r2t(1, 7, 0, 8192));
  talk.send(up, talk.data(1, 7, 0, 4096, 0));
  talk.send(up, talk.data(1, 7, 4096, 4096));
  talk.send(up, talk.command(2, { data: 32 }));
  talk.send(down, talk.data(2, undefined, 0, 20, 0));
  talk.send(down, talk.data(2, undefined, 20, 12));
  talk.send(down, talk.response(2, { head: 3 }));
  talk.send(down, talk.response(1, { head: 3 }));
  talk.send(up, talk.command(1, { opcode: 1, data: 64, inCapsule: true }));
  talk.send(down, talk.response(1, { head: 4, status: 0x4002 }));
  talk.close(up);
  talk.close(down);
}

test.each([
  { header: false, data: false, alignment: 4 },
  { header: true, data: false, alignment: 8 },
  { header: true, data: true, alignment: 128 },
])("a right conversation passes, with digests $header/$data, aligned to $alignment", (shape) => {
  const talk = new Talk();
  talk.headerDigest = shape.header;
  talk.dataDigest = shape.data;
  talk.alignment = shape.alignment;
  goodTalk(talk);
  expect(talk.complaints).toEqual([]);
});

test("a right conversation passes however its bytes are cut", () => {
  const talk = new Talk();
  talk.headerDigest = talk.dataDigest = true;
  const { checker } = talk;
  const whole = checker.bytes.bind(checker);
  checker.bytes = (connection, direction, buffer, start, end, moment) => {
    for (let at = start; at < end; at++) {
      whole(connection, direction, buffer, at, at + 1, moment);
    }
  };
  goodTalk(talk);
  expect(talk.complaints).toEqual([]);
});

test("success without a completion passes where there is no flow control", () => {
  const talk = new Talk().connect(8, false);
  talk.send(up, talk.command(1, { data: 32 }));
  talk.send(down, talk.data(1, undefined, 0, 32, 12));
  talk.send(up, talk.command(1, { data: 32 }));
  expect(talk.complaints).toEqual([]);
});

/** What breaks a rule: what is complained of must begin with the invariant. */
type Breach = readonly [invariant: string, what: string, does: (talk: Talk) => void];

const read = (talk: Talk): Talk => {
  talk.connect();
  talk.send(up, talk.command(1, { data: 32 }));
  return talk;
};

const write = (talk: Talk, maxR2t = 1): Talk => {
  talk.send(up, talk.icReq(maxR2t));
  talk.send(down, talk.icResp());
  talk.send(up, talk.command(1, { opcode: 1, data: 8192 }));
  return talk;
};

const asked = (talk: Talk): Talk => {
  write(talk).send(down, talk.r2t(1, 7, 0, 8192));
  return talk;
};

const malformed: readonly Breach[] = [
  ["I32", "wrong HLEN", (t) => t.initialize().send(up, t.command(1, {}, { hlen: 71 }))],
  ["I32", "flags of its own", (t) => t.initialize().send(up, t.command(1, {}, { flags: 4 }))],
  ["I32", "PDO without data", (t) => t.initialize().send(up, t.command(1, {}, { pdo: 72 }))],
  ["I32", "PLEN too long", (t) => read(t).send(down, t.response(1, {}, { plen: 28 }))],
  [
    "I32",
    "a digest that was not agreed on",
    (t) => read(t).send(down, t.response(1, {}, { flags: 1 })),
  ],
  [
    "I32",
    "reserved bytes",
    (t) => read(t).send(down, t.data(1, undefined, 0, 32, 4, { bytes: { 21: 1 } })),
  ],
  [
    "I32",
    "data that is not aligned",
    (t) => {
      t.alignment = 128;
      t.initialize();
      t.alignment = 4;
      t.send(up, t.command(1, { opcode: 1, data: 8, inCapsule: true }));
    },
  ],
  [
    "I32",
    "padding that is not 0",
    (t) => {
      t.alignment = 128;
      t.initialize().send(
        up,
        t.command(1, { opcode: 1, data: 8, inCapsule: true }, { bytes: { 100: 1 } }),
      );
    },
  ],
  [
    "I32",
    "a wrong header digest",
    (t) => {
      t.headerDigest = true;
      const pdu = t.initialize().command(1);
      pdu[20]! ^= 1;
      t.send(up, pdu);
    },
  ],
  [
    "I32",
    "a wrong data digest",
    (t) => {
      t.dataDigest = true;
      const pdu = t.initialize().command(1, { opcode: 1, data: 8, inCapsule: true });
      pdu[75]! ^= 1;
      t.send(up, pdu);
    },
  ],
  [
    "I32",
    "an SGL that tells of less than there is",
    (t) => t.initialize().send(up, t.command(1, { opcode: 1, data: 8, inCapsule: true, sent: 12 })),
  ],
  [
    "I32",
    "a close in the middle of a PDU",
    (t) => {
      t.initialize().send(up, t.command(1).subarray(0, 30));
      t.close(up);
    },
  ],
  [
    "I32",
    "MAXH2CDATA below 4,096",
    (t) => {
      t.send(up, t.icReq());
      t.send(down, t.icResp(4092));
    },
  ],
  [
    "I33",
    "a PDU inside another",
    (t) => {
      t.initialize();
      const outer = t.command(1, { opcode: 1, data: 100, inCapsule: true });
      t.send(up, outer.subarray(0, 90));
      t.send(up, t.command(2));
      t.send(up, outer.subarray(90));
    },
  ],
  ["I33", "a PDU of the other direction", (t) => t.initialize().send(up, t.response(1))],
];

const data: readonly Breach[] = [
  ["I34", "H2CData that nobody asked for", (t) => write(t).send(up, t.data(1, 7, 0, 4096, 0))],
  [
    "I34",
    "H2CData for an R2T that has not arrived",
    (t) => {
      write(t).send(down, t.r2t(1, 7, 0, 4096), "holds");
      t.send(up, t.data(1, 7, 0, 4096));
    },
  ],
  ["I34", "H2CData with another tag", (t) => asked(t).send(up, t.data(1, 8, 0, 4096, 0))],
  ["I34", "H2CData with a gap", (t) => asked(t).send(up, t.data(1, 7, 4, 4092, 0))],
  ["I34", "H2CData longer than MAXH2CDATA", (t) => asked(t).send(up, t.data(1, 7, 0, 8192))],
  [
    "I34",
    "H2CData beyond its R2T",
    (t) => {
      write(t).send(down, t.r2t(1, 7, 0, 100));
      t.send(up, t.data(1, 7, 0, 104));
    },
  ],
  ["I34", "LAST_PDU too early", (t) => asked(t).send(up, t.data(1, 7, 0, 4096, 4))],
  [
    "I34",
    "LAST_PDU missing",
    (t) => {
      asked(t).send(up, t.data(1, 7, 0, 4096, 0));
      t.send(up, t.data(1, 7, 4096, 4096, 0));
    },
  ],
  [
    "I34",
    "a length of no whole dwords with more to come",
    (t) => asked(t).send(up, t.data(1, 7, 0, 4095, 0)),
  ],
  ["I35", "an R2T for a read", (t) => read(t).send(down, t.r2t(1, 7, 0, 32))],
  ["I35", "an R2T for nothing", (t) => write(t).send(down, t.r2t(1, 7, 0, 0))],
  ["I35", "an R2T beyond the command", (t) => write(t).send(down, t.r2t(1, 7, 0, 8196))],
  [
    "I35",
    "an R2T for what was asked for",
    (t) => {
      asked(t).send(up, t.data(1, 7, 0, 4096, 0));
      t.send(up, t.data(1, 7, 4096, 4096));
      t.send(down, t.r2t(1, 7, 0, 8192));
    },
  ],
  [
    "I35",
    "more R2Ts than MAXR2T",
    (t) => {
      write(t, 2).send(down, t.r2t(1, 7, 0, 100));
      t.send(down, t.r2t(1, 8, 100, 100));
      expect(t.complaints).toEqual([]);
      t.send(down, t.r2t(1, 9, 200, 100));
    },
  ],
  [
    "I35",
    "a tag that is in use",
    (t) => {
      write(t, 2).send(down, t.r2t(1, 7, 0, 100));
      t.send(down, t.r2t(1, 7, 100, 100));
    },
  ],
  [
    "I35",
    "more commands than the queue holds, which is one less than its entries",
    (t) => {
      t.connect(4);
      for (let cid = 1; cid <= 3; cid++) t.send(up, t.command(cid));
      expect(t.complaints).toEqual([]);
      t.send(up, t.command(4));
    },
  ],
  ["I32", "C2HData with a gap", (t) => read(t).send(down, t.data(1, undefined, 4, 28))],
  ["I32", "C2HData beyond the command", (t) => read(t).send(down, t.data(1, undefined, 0, 36))],
  [
    "I32",
    "C2HData after the last",
    (t) => {
      read(t).send(down, t.data(1, undefined, 0, 20));
      t.send(down, t.data(1, undefined, 20, 12));
    },
  ],
  ["I32", "C2HData for a write", (t) => write(t).send(down, t.data(1, undefined, 0, 32))],
  [
    "I6",
    "success of a read with less than all",
    (t) => {
      read(t).send(down, t.data(1, undefined, 0, 20));
      t.send(down, t.response(1, { head: 2 }));
    },
  ],
  [
    "I7",
    "success of a write with less than all",
    (t) => {
      write(t).send(down, t.r2t(1, 7, 0, 4096));
      t.send(up, t.data(1, 7, 0, 4096));
      t.send(down, t.response(1));
    },
  ],
  [
    "I7",
    "an end with an R2T that is not answered",
    (t) => asked(t).send(down, t.response(1, { status: 6 })),
  ],
];

const order: readonly Breach[] = [
  [
    "I36",
    "a command after a TermReq",
    (t) => {
      t.initialize().send(up, t.termReq(up));
      t.send(up, t.command(1));
    },
  ],
  [
    "I36",
    "a TermReq in answer to one",
    (t) => {
      t.initialize().send(down, t.termReq(down));
      t.send(up, t.termReq(up));
    },
  ],
  ["I37", "a command first", (t) => t.send(up, t.command(1))],
  [
    "I37",
    "a command before ICResp has arrived",
    (t) => {
      t.send(up, t.icReq());
      t.send(down, t.icResp(), "holds");
      t.send(up, t.command(1));
    },
  ],
  ["I37", "ICResp first", (t) => t.send(down, t.icResp())],
  ["I37", "a second ICReq", (t) => t.initialize().send(up, t.icReq())],
  ["I37", "a second ICResp", (t) => t.initialize().send(down, t.icResp())],
  ["I38", "a CID that is in use", (t) => read(t).send(up, t.command(1))],
  [
    "I38",
    "a CID whose answer is under way",
    (t) => {
      read(t).send(down, t.response(1, { head: 2, status: 6 }), "holds");
      t.send(up, t.command(1));
    },
  ],
  ["I38", "an answer to nothing", (t) => read(t).send(down, t.response(3, { head: 2 }))],
  [
    "I38",
    "a second answer",
    (t) => {
      read(t).send(down, t.response(1, { head: 2, status: 6 }));
      t.send(down, t.response(1, { head: 2, status: 6 }));
    },
  ],
  [
    "I38",
    "an answer to what has not arrived",
    (t) => {
      t.connect().send(up, t.command(1), "holds");
      t.send(down, t.response(1, { head: 2 }));
    },
  ],
  [
    "I38",
    "SQHD outside the queue",
    (t) => read(t).send(down, t.response(1, { head: 8, status: 6 })),
  ],
  [
    "I38",
    "SQHD ahead of what was sent",
    (t) => read(t).send(down, t.response(1, { head: 3, status: 6 })),
  ],
  [
    "I38",
    "SQHD that stands still",
    (t) => read(t).send(down, t.response(1, { head: 1, status: 6 })),
  ],
  [
    "I38",
    "SQHD without flow control",
    (t) => {
      t.connect(8, false).send(up, t.command(1));
      t.send(down, t.response(1, { head: 1 }));
    },
  ],
  ["I38", "SUCCESS with flow control", (t) => read(t).send(down, t.data(1, undefined, 0, 32, 12))],
];

test.each([...malformed, ...data, ...order])("%s: %s", (invariant, _what, does) => {
  const talk = new Talk();
  does(talk);
  expect(talk.complaints[0]).toBe(invariant);
});

test("two TermReqs that cross are nobody's fault", () => {
  const talk = new Talk().initialize();
  talk.send(down, talk.termReq(down), "holds");
  talk.send(up, talk.termReq(up));
  expect(talk.complaints).toEqual([]);
});
