// Every rule by a conversation that breaks it, and by nothing else; with what a receiver answers.

import { AdminOpcode, PduType, Status, encoded, IdentifyController, Ctratt } from "@nvmeof/codec";
import { describe, expect, test } from "vitest";
import { pcapFile } from "../testing/files.ts";
import { Wire } from "../testing/packets.ts";
import { told } from "../testing/recording.ts";
import { Talk } from "../testing/talk.ts";
import {
  type Answer,
  type RuleId,
  noAnswer,
  rules,
  silentClose,
  status,
  termReq,
} from "./rules.ts";

const READ = 0x02;
const WRITE = 0x01;
const FLUSH = 0x00;

interface Row {
  readonly rule: RuleId;
  /** What is particular about it, where a rule has several rows. */
  readonly when?: string;
  readonly answer: Answer;
  readonly by?: "host" | "controller";
  readonly talk: () => Pick<Talk, "told">;
}

/** A queue that is connected. */
const queue = (entries = 32, flowControl = false): Talk =>
  new Talk().initialize().connect({ entries, flowControl });

/** A queue with a write of 8 KiB, of which an R2T asked for all. */
const asked = (bytes = 8192): Talk => {
  const talk = new Talk().initialize(4, 8192).connect();
  talk.host(talk.command(1, { opcode: WRITE, bytes }));
  return talk.controller(talk.pdus.r2t({ cccid: 1, ttag: 5, r2to: 0, r2tl: bytes }));
};

/** A queue with a read of 8 KiB. */
const reading = (): Talk => {
  const talk = queue();
  return talk.host(talk.command(1, { opcode: READ, bytes: 8192 }));
};

const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(0x5a);

const field = (fei: number): Answer => termReq(1, fei);

const headers: readonly Row[] = [
  {
    rule: "header-type",
    answer: field(0),
    talk: () => queue().host(new Uint8Array(8).fill(0x0a)),
  },
  {
    rule: "header-type",
    when: "HTTP at a port of NVMe/TCP",
    answer: field(0),
    talk: () => new Talk().host(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")),
  },
  {
    rule: "header-flags",
    answer: field(1),
    talk: () => {
      const talk = queue();
      return talk.host(talk.pdus.capsuleCmd({ cid: 1 }, { flags: 1 }));
    },
  },
  {
    rule: "header-hlen",
    answer: field(2),
    talk: () => {
      const talk = queue();
      return talk.host(talk.pdus.capsuleCmd({ cid: 1 }, { hlen: 71 }));
    },
  },
  {
    rule: "header-pdo",
    answer: field(3),
    talk: () => {
      const talk = queue();
      return talk.host(talk.pdus.capsuleCmd({ cid: 1 }, { pdo: 72 }));
    },
  },
  {
    rule: "header-plen",
    answer: field(4),
    talk: () => {
      const talk = queue();
      return talk.controller(talk.pdus.capsuleResp({ cid: 1 }, { plen: 28 }));
    },
    by: "controller",
  },
  {
    rule: "header-plen",
    when: "of a TermReq, which is never answered",
    answer: silentClose,
    talk: () => {
      const talk = queue();
      return talk.host(talk.pdus.termReq(PduType.H2CTermReq, 1, 0, undefined, { plen: 23 }));
    },
  },
  {
    rule: "header-digest",
    answer: termReq(3, 0),
    talk: () => {
      const talk = new Talk({ headerDigest: true }).initialize().connect();
      const pdu = talk.command(1, { opcode: FLUSH });
      pdu.fill(0, 72, 76);
      return talk.host(pdu);
    },
  },
  {
    rule: "data-digest",
    answer: status(Status.TransientTransport),
    by: "controller",
    talk: () => {
      const talk = new Talk({ dataDigest: true }).initialize().connect();
      talk.host(talk.command(1, { bytes: 512 }));
      const parts = { data: bytes(512), badDataDigest: true };
      return talk
        .controller(talk.pdus.c2hData({ cccid: 1 }, parts))
        .controller(talk.pdus.capsuleResp({ cid: 1, sqhd: 0xffff }));
    },
  },
];

const initialisation: readonly Row[] = [
  {
    rule: "ic-first",
    answer: termReq(2),
    talk: () => {
      const talk = new Talk();
      return talk.host(talk.connectCapsule());
    },
  },
  {
    rule: "ic-early",
    answer: noAnswer,
    talk: () => {
      const talk = new Talk();
      talk.host(talk.pdus.icReq(), talk.connectCapsule());
      return talk.controller(talk.pdus.icResp());
    },
  },
  {
    rule: "ic-again",
    answer: termReq(2),
    talk: () => {
      const talk = queue();
      return talk.host(talk.pdus.icReq());
    },
  },
  {
    rule: "ic-pfv",
    answer: termReq(6, 8),
    talk: () => {
      const talk = new Talk();
      return talk.host(talk.pdus.icReq({ pfv: 1 }));
    },
  },
  {
    rule: "ic-pda",
    answer: field(10),
    talk: () => {
      const talk = new Talk();
      return talk.host(talk.pdus.icReq({ hpda: 32 }));
    },
  },
  {
    rule: "ic-digest",
    answer: field(11),
    by: "controller",
    talk: () => {
      const talk = new Talk();
      talk.host(talk.pdus.icReq({}));
      return talk.controller(talk.pdus.icResp({ hdgst: 1 }));
    },
  },
  {
    rule: "ic-maxh2cdata",
    answer: field(12),
    by: "controller",
    talk: () => {
      const talk = new Talk();
      talk.host(talk.pdus.icReq({}));
      return talk.controller(talk.pdus.icResp({ maxh2cdata: 4094 }));
    },
  },
  {
    rule: "term-first",
    answer: silentClose,
    talk: () => {
      const talk = new Talk();
      return talk.host(talk.pdus.termReq(PduType.H2CTermReq, 1));
    },
  },
  {
    rule: "term-answered",
    answer: noAnswer,
    by: "controller",
    talk: () => {
      const talk = queue();
      talk.host(talk.pdus.termReq(PduType.H2CTermReq, 2));
      return talk.controller(talk.pdus.termReq(PduType.C2HTermReq, 2));
    },
  },
  {
    rule: "term-last",
    answer: noAnswer,
    by: "controller",
    talk: () => {
      const talk = queue();
      talk.host(talk.command(1, { opcode: FLUSH }));
      talk.controller(talk.pdus.termReq(PduType.C2HTermReq, 2));
      return talk.controller(talk.pdus.capsuleResp({ cid: 1, sqhd: 0xffff }));
    },
  },
];

/** A capsule on a connected queue. */
const capsule = (
  fields: Parameters<Talk["pdus"]["capsuleCmd"]>[0],
  data?: Uint8Array,
): (() => Talk) => {
  return () => {
    const talk = queue();
    const all = { opc: WRITE, cid: 1, nsid: 1, sglId: 0x01, ...fields };
    return talk.host(talk.pdus.capsuleCmd(all, { data }));
  };
};

const capsules: readonly Row[] = [
  {
    rule: "connect-first",
    answer: status(Status.CommandSequenceError),
    talk: () => {
      const talk = new Talk().initialize();
      return talk.host(talk.command(1, { opcode: FLUSH }));
    },
  },
  {
    rule: "capsule-cid",
    answer: status(Status.CommandIdConflict),
    talk: () => {
      const talk = queue();
      const flush = talk.command(1, { opcode: FLUSH });
      return talk.host(flush, flush);
    },
  },
  {
    rule: "capsule-limit",
    when: "a Fabrics command, which has 8 KiB",
    answer: termReq(5),
    talk: () => {
      const talk = new Talk().initialize();
      const connect = talk.pdus.capsuleCmd(
        { opc: 0x7f, nsid: 1, sglId: 0x01, sglLength: 8196 },
        { data: bytes(8196) },
      );
      return talk.host(connect);
    },
  },
  {
    rule: "capsule-psdt",
    answer: status(Status.InvalidField),
    talk: capsule({ psdt: 0, opc: FLUSH, sglId: 0x5a }),
  },
  {
    rule: "capsule-sgl-type",
    answer: status(Status.SglTypeInvalid),
    talk: capsule({ sglId: 0x40, sglLength: 512 }),
  },
  {
    rule: "capsule-sgl-offset",
    answer: status(Status.SglOffsetInvalid),
    talk: capsule({ sglAddress: 4, sglLength: 512 }, bytes(512)),
  },
  {
    rule: "capsule-sgl-length",
    answer: status(Status.SglDataLengthInvalid),
    talk: capsule({ sglLength: 512 }, bytes(1024)),
  },
  {
    rule: "capsule-data",
    when: "of a command that reads",
    answer: status(Status.InvalidField),
    talk: capsule({ opc: READ, sglLength: 512 }, bytes(512)),
  },
  {
    rule: "capsule-data",
    when: "that the SGL does not tell of",
    answer: status(Status.InvalidField),
    talk: capsule({ sglId: 0x5a, sglLength: 512 }, bytes(512)),
  },
  {
    rule: "sq-full",
    answer: termReq(2),
    talk: () => {
      const talk = queue(3);
      return talk.host(...[1, 2, 3].map((cid) => talk.command(cid, { opcode: FLUSH })));
    },
  },
  {
    rule: "sq-full",
    when: "with flow control, by what was fetched",
    answer: termReq(2),
    talk: () => {
      const talk = queue(3, true);
      talk.host(talk.command(1, { opcode: FLUSH }), talk.command(2, { opcode: FLUSH }));
      talk.controller(talk.pdus.capsuleResp({ cid: 1, sqhd: 2 }));
      talk.host(talk.command(1, { opcode: FLUSH }));
      return talk.host(talk.command(3, { opcode: FLUSH }));
    },
  },
];

/** An R2T for a write of 8 KiB. */
const r2t =
  (fields: Parameters<Talk["pdus"]["r2t"]>[0], maxR2t = 4): (() => Talk) =>
  () => {
    const talk = new Talk().initialize(maxR2t).connect();
    talk.host(talk.command(1, { opcode: WRITE, bytes: 8192 }));
    return talk.controller(talk.pdus.r2t({ cccid: 1, ttag: 5, r2tl: 4096, ...fields }));
  };

const transfers: readonly Row[] = [
  { rule: "r2t-command", answer: field(8), by: "controller", talk: r2t({ cccid: 2 }) },
  {
    rule: "r2t-direction",
    answer: field(8),
    by: "controller",
    talk: () => {
      const talk = reading();
      return talk.controller(talk.pdus.r2t({ cccid: 1, ttag: 5, r2tl: 4096 }));
    },
  },
  { rule: "r2t-offset", answer: field(12), by: "controller", talk: r2t({ r2to: 4 }) },
  { rule: "r2t-length", answer: field(16), by: "controller", talk: r2t({ r2tl: 0 }) },
  { rule: "r2t-range", answer: termReq(4), by: "controller", talk: r2t({ r2tl: 8196 }) },
  {
    rule: "r2t-limit",
    answer: termReq(5),
    by: "controller",
    talk: () => {
      const talk = r2t({}, 1)();
      return talk.controller(talk.pdus.r2t({ cccid: 1, ttag: 6, r2to: 4096, r2tl: 4096 }));
    },
  },
  {
    rule: "r2t-tag",
    answer: field(10),
    by: "controller",
    talk: () => {
      const talk = r2t({})();
      return talk.controller(talk.pdus.r2t({ cccid: 1, ttag: 5, r2to: 4096, r2tl: 4096 }));
    },
  },
  {
    rule: "h2cdata-none",
    answer: termReq(2),
    talk: () => {
      const talk = queue();
      return talk.host(talk.pdus.h2cData({ cccid: 1, ttag: 5 }, { data: bytes(4096) }));
    },
  },
  {
    rule: "h2cdata-tag",
    answer: field(10),
    talk: () => {
      const talk = asked();
      return talk.host(talk.pdus.h2cData({ cccid: 1, ttag: 6 }, { data: bytes(8192) }));
    },
  },
  {
    rule: "h2cdata-command",
    answer: field(8),
    talk: () => {
      const talk = asked();
      return talk.host(talk.pdus.h2cData({ cccid: 2, ttag: 5 }, { data: bytes(8192) }));
    },
  },
  {
    rule: "h2cdata-command",
    when: "of a command that reads",
    answer: field(8),
    talk: () => {
      const talk = reading();
      return talk.host(talk.pdus.h2cData({ cccid: 1, ttag: 5 }, { data: bytes(4096) }));
    },
  },
  {
    rule: "h2cdata-length",
    answer: field(16),
    talk: () => {
      const talk = asked();
      return talk.host(
        talk.pdus.h2cData({ cccid: 1, ttag: 5, datal: 4096 }, { data: bytes(8192) }),
      );
    },
  },
  {
    rule: "h2cdata-limit",
    answer: termReq(5),
    talk: () => {
      const talk = new Talk().initialize(1, 4096).connect();
      talk.host(talk.command(1, { opcode: WRITE, bytes: 8192 }));
      talk.controller(talk.pdus.r2t({ cccid: 1, ttag: 5, r2tl: 8192 }));
      return talk.host(talk.pdus.h2cData({ cccid: 1, ttag: 5 }, { data: bytes(8192) }));
    },
  },
  {
    rule: "h2cdata-range",
    answer: termReq(4),
    talk: () => {
      const talk = asked(4096);
      return talk.host(talk.pdus.h2cData({ cccid: 1, ttag: 5 }, { data: bytes(8192) }));
    },
  },
  {
    rule: "h2cdata-offset",
    answer: termReq(2),
    talk: () => {
      const talk = asked();
      return talk.host(
        talk.pdus.h2cData({ cccid: 1, ttag: 5, datao: 4096 }, { data: bytes(4096) }),
      );
    },
  },
  {
    rule: "h2cdata-last",
    when: "too early",
    answer: termReq(2),
    talk: () => {
      const talk = asked();
      return talk.host(talk.pdus.h2cData({ cccid: 1, ttag: 5 }, { data: bytes(4096) }));
    },
  },
  {
    rule: "h2cdata-multiple",
    answer: field(16),
    talk: () => {
      const talk = asked();
      const parts = { data: bytes(4094), flags: 0 };
      return talk.host(talk.pdus.h2cData({ cccid: 1, ttag: 5 }, parts));
    },
  },
];

/** C2HData for a read of 8 KiB. */
const c2h =
  (fields: Parameters<Talk["pdus"]["c2hData"]>[0], count = 8192, flags = 4): (() => Talk) =>
  () => {
    const talk = reading();
    return talk.controller(
      talk.pdus.c2hData({ cccid: 1, ...fields }, { data: bytes(count), flags }),
    );
  };

const answers: readonly Row[] = [
  { rule: "c2hdata-command", answer: field(8), by: "controller", talk: c2h({ cccid: 2 }) },
  {
    rule: "c2hdata-direction",
    answer: field(8),
    by: "controller",
    talk: () => {
      const talk = queue();
      talk.host(talk.command(1, { opcode: FLUSH }));
      return talk.controller(talk.pdus.c2hData({ cccid: 1 }, { data: bytes(512) }));
    },
  },
  {
    rule: "c2hdata-last",
    answer: termReq(2),
    by: "controller",
    talk: () => {
      const talk = c2h({}, 4096)();
      return talk.controller(talk.pdus.c2hData({ cccid: 1, datao: 4096 }, { data: bytes(4096) }));
    },
  },
  { rule: "c2hdata-range", answer: termReq(4), by: "controller", talk: c2h({}, 8196) },
  { rule: "c2hdata-offset", answer: field(12), by: "controller", talk: c2h({ datao: 4 }, 4096, 0) },
  { rule: "c2hdata-length", answer: field(16), by: "controller", talk: c2h({ datal: 4096 }) },
  { rule: "c2hdata-success", answer: field(1), by: "controller", talk: c2h({}, 8192, 8) },
  {
    rule: "c2hdata-flow-control",
    answer: noAnswer,
    by: "controller",
    talk: () => {
      const talk = queue(32, true);
      talk.host(talk.command(1, { bytes: 512 }));
      return talk.controller(talk.pdus.c2hData({ cccid: 1 }, { data: bytes(512), flags: 12 }));
    },
  },
  {
    rule: "response-command",
    answer: field(20),
    by: "controller",
    talk: () => {
      const talk = queue();
      return talk.controller(talk.pdus.capsuleResp({ cid: 9, sqhd: 0xffff }));
    },
  },
  {
    rule: "response-again",
    answer: field(20),
    by: "controller",
    talk: () => {
      const talk = queue();
      talk.host(talk.command(1, { opcode: FLUSH }));
      const answer = talk.pdus.capsuleResp({ cid: 1, sqhd: 0xffff });
      return talk.controller(answer, answer);
    },
  },
  {
    rule: "response-queue",
    answer: field(18),
    by: "controller",
    talk: () => {
      const talk = queue();
      talk.host(talk.command(1, { opcode: FLUSH }));
      return talk.controller(talk.pdus.capsuleResp({ cid: 1, sqid: 2, sqhd: 0xffff }));
    },
  },
  {
    rule: "response-short",
    answer: status(Status.DataTransferError),
    by: "controller",
    talk: () => {
      const talk = c2h({}, 4096)();
      return talk.controller(talk.pdus.capsuleResp({ cid: 1, sqhd: 0xffff }));
    },
  },
  {
    rule: "response-sqhd",
    answer: noAnswer,
    by: "controller",
    talk: () => {
      const talk = queue(4, true);
      talk.host(talk.command(1, { opcode: FLUSH }));
      return talk.controller(talk.pdus.capsuleResp({ cid: 1, sqhd: 3 }));
    },
  },
  {
    rule: "response-unsent",
    answer: noAnswer,
    by: "controller",
    talk: () => {
      const talk = asked();
      return talk.controller(talk.pdus.capsuleResp({ cid: 1, sqhd: 0xffff }));
    },
  },
];

const oddities: readonly Row[] = [
  {
    rule: "reserved",
    answer: noAnswer,
    talk: () => {
      const talk = new Talk();
      const pdu = talk.pdus.icReq();
      pdu[100] = 1;
      return talk.host(pdu);
    },
  },
  {
    rule: "padding",
    answer: noAnswer,
    talk: () => {
      const talk = new Talk();
      talk.host(talk.pdus.icReq()).controller(talk.pdus.icResp({ cpda: 31 }));
      const padded = new Talk({ alignment: 128 }).connectCapsule();
      padded[80] = 1;
      return talk.host(padded);
    },
  },
  {
    rule: "response-late",
    answer: noAnswer,
    by: "controller",
    talk: () => {
      const talk = queue();
      talk.host(talk.command(1, { opcode: FLUSH }));
      talk.nowMs += 40_000;
      return talk.controller(talk.pdus.capsuleResp({ cid: 1, sqhd: 0xffff }));
    },
  },
  {
    rule: "keep-alive-gap",
    answer: noAnswer,
    talk: () => {
      const talk = new Talk().initialize().connect({ qid: 0, keepAliveTimeoutMs: 5_000 });
      talk.nowMs += 6_000;
      return talk.host(talk.command(1, { opcode: AdminOpcode.KeepAlive, nsid: 0 }));
    },
  },
  {
    rule: "keep-alive-gap",
    when: "in the middle of traffic that does not count",
    answer: noAnswer,
    talk: () => {
      const talk = new Talk().initialize().connect({ qid: 0, keepAliveTimeoutMs: 5_000 });
      const identify = talk.pdus.capsuleCmd({
        opc: AdminOpcode.Identify,
        cid: 1,
        sglId: 0x5a,
        sglLength: 4096,
        cdw10: 1,
      });
      talk.host(identify);
      const data = encoded(IdentifyController, { ctratt: Ctratt.HostId128 });
      talk.controller(talk.pdus.c2hData({ cccid: 1 }, { data, flags: 12 }));
      for (let round = 0; round < 3; round++) {
        talk.nowMs += 2_500;
        const abort = talk.command(2, { opcode: AdminOpcode.Abort, nsid: 0 });
        talk.host(abort).controller(talk.pdus.capsuleResp({ cid: 2, sqhd: 0xffff }));
      }
      return talk;
    },
  },
  {
    rule: "end-inside",
    answer: noAnswer,
    talk: () => {
      const talk = queue();
      talk.host(talk.command(1, { opcode: FLUSH }).subarray(0, 40));
      talk.stream.close("toController");
      return talk;
    },
  },
  {
    rule: "tcp-differs",
    answer: noAnswer,
    talk: () => {
      const pdu = new Talk().pdus.icReq();
      const wire = new Wire().send("host", pdu);
      // The same place in the stream once more, with another byte in it.
      const again = pdu.with(50, 1);
      wire.raw({ from: "host", seq: 1, payload: again });
      const file = pcapFile(wire.frames.map((frame) => ({ bytes: frame })));
      return { told: () => told(file) };
    },
  },
];

const rows = [...headers, ...initialisation, ...capsules, ...transfers, ...answers, ...oddities];

describe.each(rows)("$rule $when", ({ rule, answer, by = "host", talk }) => {
  test("is found, with what its receiver answers", () => {
    const { verdicts } = talk().told();
    expect(verdicts.map((verdict) => verdict.rule)).toEqual([rule]);
    expect(verdicts[0]).toMatchObject({ answer, by, severity: rules[rule].severity });
  });
});

test("every rule has its row", () => {
  const found = new Set(rows.map(({ rule }) => rule));
  expect(Object.keys(rules).filter((rule) => !found.has(rule as RuleId))).toEqual([]);
});

test("a conversation that keeps the rules breaks none", () => {
  const talk = asked();
  talk.host(talk.pdus.h2cData({ cccid: 1, ttag: 5 }, { data: bytes(8192) }));
  talk.controller(talk.pdus.capsuleResp({ cid: 1, sqhd: 0xffff }));
  expect(talk.rules).toEqual([]);
});
