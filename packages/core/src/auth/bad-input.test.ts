// The table of bad input, "Authentication": what a peer may get wrong, as either side meets it. Rows that
// are about commands are tested where those are served, in the target.

import * as check from "fast-check";
import {
  AUTH_REASON_FAILED,
  AuthExplanation,
  type AuthMessage,
  DhGroup,
  type DhGroupName,
  DhchapChallenge,
  DhchapReply,
  DhchapSuccess1,
  decodeAuthMessage,
  encodeAuthMessage,
  ffdhePrime,
} from "@nvmeof/codec/auth";
import { describe, expect, test } from "vitest";
import { AuthPair, keyOf } from "../node/testing/auth-pair.ts";
import { authFailures } from "./errors.ts";
import { controllerAuthTable } from "./controller-table.ts";
import { hostAuthTable } from "./host-exchange.ts";

const { Failed, HashUnusable, GroupUnusable, IncorrectPayload, IncorrectMessage } = AuthExplanation;

type Change = (message: Uint8Array) => Uint8Array;

/** Changes the message of a type; the others pass as they are. */
const changing =
  (type: AuthMessage["type"], change: Change) =>
  (message: Uint8Array): Uint8Array =>
    decodeAuthMessage(message).type === type ? change(message) : message;

/** The bytes with some of them as given, by offset. */
const poke =
  (bytes: Readonly<Record<number, number>>): Change =>
  (message) => {
    const changed = message.slice();
    for (const [at, byte] of Object.entries(bytes)) changed[Number(at)] = byte;
    return changed;
  };

const cut =
  (length: number): Change =>
  (message) =>
    message.subarray(0, length);

/** The message with some of its values as given. */
const say =
  (values: object): Change =>
  (message) =>
    encodeAuthMessage({ ...decodeAuthMessage(message), ...values } as AuthMessage);

const pairOf = (groups: readonly DhGroupName[] = ["ffdhe2048"], isMutual = true): AuthPair =>
  new AuthPair({
    algorithms: { hashes: ["sha256"], groups },
    controllerKey: isMutual ? keyOf(2) : undefined,
  });

/** What a host says of it, and tells the controller. */
interface HostVerdict {
  readonly code: string;
  readonly explanation: number;
}

const protocol = (explanation: number): HostVerdict => ({
  code: "NVME_ERR_AUTH_PROTOCOL",
  explanation,
});
const unusable = (explanation: number): HostVerdict => ({
  code: "NVME_ERR_AUTH_UNUSABLE",
  explanation,
});

const prime = ffdhePrime(DhGroup.Ffdhe2048);
const dhValue = (value: number): Uint8Array => {
  const bytes = new Uint8Array(prime.length);
  bytes[bytes.length - 1] = value;
  return bytes;
};
const belowPrime = (by: number): Uint8Array => {
  const bytes = prime.slice();
  bytes[bytes.length - 1]! -= by;
  return bytes;
};

/** Public values that must not be used, with the group. */
const badValues: readonly (readonly [what: string, value: Uint8Array])[] = [
  ["0", dhValue(0)],
  ["1", dhValue(1)],
  ["p - 1", belowPrime(1)],
  ["p", prime],
  ["all ones", new Uint8Array(prime.length).fill(0xff)],
  ["4 bytes too few", dhValue(5).subarray(4)],
  ["4 bytes too many", new Uint8Array(prime.length + 4).fill(5)],
  ["none", new Uint8Array(0)],
];

describe("a host, and what a controller says to it", () => {
  const { hl, hashid, dhgid } = DhchapChallenge;
  const rows: readonly (readonly [string, AuthMessage["type"], Change, HostVerdict])[] = [
    [
      "[A4] HL is not that of the hash",
      "challenge",
      poke({ [hl.offset]: 48 }),
      protocol(IncorrectPayload),
    ],
    [
      "[A4] the hash was not offered",
      "challenge",
      poke({ [hashid.offset]: 2 }),
      unusable(HashUnusable),
    ],
    [
      "[A4] there is no such hash",
      "challenge",
      poke({ [hashid.offset]: 0 }),
      unusable(HashUnusable),
    ],
    [
      "[A4] the group was not offered",
      "challenge",
      poke({ [dhgid.offset]: 2 }),
      unusable(GroupUnusable),
    ],
    [
      "[A4] the null group was not offered",
      "challenge",
      say({ group: 0, dhValue: dhValue(0).subarray(256) }),
      unusable(GroupUnusable),
    ],
    [
      "[A4] there is no such group",
      "challenge",
      poke({ [dhgid.offset]: 0x21 }),
      unusable(GroupUnusable),
    ],
    ["[A4] the challenge is cut short", "challenge", cut(40), protocol(IncorrectPayload)],
    ["[A4] HL 0", "challenge", say({ challenge: new Uint8Array(0) }), protocol(IncorrectPayload)],
    ["[A5] SEQNUM is 0", "challenge", say({ seqnum: 0 }), protocol(IncorrectPayload)],
    [
      "[A7] Success1 in place of the challenge",
      "challenge",
      () => encodeAuthMessage({ type: "success1", tid: 7, hashBytes: 32, response: undefined }),
      protocol(IncorrectMessage),
    ],
    [
      "[A7] Success2 in place of the challenge",
      "challenge",
      () => encodeAuthMessage({ type: "success2", tid: 7 }),
      protocol(IncorrectMessage),
    ],
    [
      "[A7] the host's own kind of message",
      "challenge",
      () => encodeAuthMessage({ type: "failure2", tid: 7, reason: 1, explanation: 1 }),
      protocol(IncorrectMessage),
    ],
    [
      "[A7] a challenge in place of the verdict",
      "success1",
      () =>
        encodeAuthMessage({
          type: "challenge",
          tid: 7,
          hash: 1,
          group: 0,
          seqnum: 5,
          challenge: new Uint8Array(32),
          dhValue: new Uint8Array(0),
        }),
      protocol(IncorrectMessage),
    ],
    [
      "[A10] the challenge is of another transaction",
      "challenge",
      say({ tid: 8 }),
      protocol(IncorrectPayload),
    ],
    [
      "[A10] Success1 is of another transaction",
      "success1",
      say({ tid: 6 }),
      protocol(IncorrectPayload),
    ],
    [
      "[A16] the host's own response comes back",
      "success1",
      (message) => message,
      { code: "NVME_ERR_AUTH_CONTROLLER", explanation: Failed },
    ],
    [
      "[A19] the controller gives no proof",
      "success1",
      poke({ [DhchapSuccess1.rvalid.offset]: 0 }),
      { code: "NVME_ERR_AUTH_CONTROLLER", explanation: Failed },
    ],
    [
      "HL of Success1 is another",
      "success1",
      poke({ [DhchapSuccess1.hl.offset]: 31 }),
      protocol(IncorrectPayload),
    ],
    [
      "bytes that are no message",
      "challenge",
      () => new Uint8Array(64).fill(0xff),
      protocol(IncorrectMessage),
    ],
    ["nothing at all", "challenge", () => new Uint8Array(0), protocol(IncorrectPayload)],
    [
      "zeroes, as of a buffer that nobody has filled",
      "challenge",
      () => new Uint8Array(4096),
      protocol(IncorrectPayload),
    ],
  ];

  test.each(rows)("%s", (what, type, change, verdict) => {
    const pair = pairOf();
    const reflect: Change = (message) => {
      const reply = pair.messages
        .map((each) => decodeAuthMessage(each))
        .find((each) => each.type === "reply");
      return say({ response: (reply as { response: Uint8Array }).response })(message);
    };
    const { host } = pair.run(changing(type, what.startsWith("[A16]") ? reflect : change));
    expect(host).toMatchObject(verdict);
    // The controller is told, in words of its own.
    const last = decodeAuthMessage(pair.messages.at(-1)!);
    const said = { type: "failure2", tid: 7, reason: AUTH_REASON_FAILED };
    expect(last).toEqual({ ...said, explanation: verdict.explanation });
    expect(pair.host.phase).toBe("over");
  });

  test.each(badValues)("[A6] the controller's public value is %s", (_what, value) => {
    const pair = pairOf();
    const { host } = pair.run(changing("challenge", say({ dhValue: value })));
    expect(host).toMatchObject(protocol(IncorrectPayload));
    // Always the same words: they do not say what about the value is wrong.
    expect((host as Error).message).toContain("the controller's DH value cannot be used");
  });

  test("[A4] a value where there is no group", () => {
    const pair = pairOf(["null"]);
    const { host } = pair.run(changing("challenge", say({ dhValue: dhValue(5) })));
    expect(host).toMatchObject(protocol(IncorrectPayload));
  });

  test("[A5] a challenge that was used before, with its number", () => {
    const first = pairOf(["null"], false);
    first.run();
    const old = first.messages.find((each) => decodeAuthMessage(each).type === "challenge")!;
    // The same host, in a transaction of the same ID.
    first.host.handle({ type: "begin" });
    first.host.poll();
    first.host.poll();
    first.host.handle({ type: "received", message: old });
    const told: unknown[] = [];
    for (let output = first.host.poll(); output !== undefined; output = first.host.poll()) {
      if (output.type === "failed") told.push(output.error);
    }
    expect(told).toMatchObject([protocol(IncorrectPayload)]);
  });

  test.each([
    [Failed, "NVME_ERR_AUTH_FAILED", true],
    [AuthExplanation.ProtocolUnusable, "NVME_ERR_AUTH_UNUSABLE", true],
    [AuthExplanation.ConcatenationMismatch, "NVME_ERR_AUTH_UNUSABLE", true],
    [HashUnusable, "NVME_ERR_AUTH_UNUSABLE", true],
    [GroupUnusable, "NVME_ERR_AUTH_UNUSABLE", true],
    [IncorrectPayload, "NVME_ERR_AUTH_PROTOCOL", false],
    [IncorrectMessage, "NVME_ERR_AUTH_PROTOCOL", false],
    [0, "NVME_ERR_AUTH_FAILED", true],
    [200, "NVME_ERR_AUTH_FAILED", true],
  ])("AUTH_Failure1 with explanation %d is %s", (explanation, code, permanent) => {
    const pair = pairOf();
    const failure = { type: "failure1", tid: 7, reason: 1, explanation } as const;
    const { host } = pair.run(changing("challenge", () => encodeAuthMessage(failure)));
    expect(host).toMatchObject({ code, permanent, explanation });
    // To a failure nothing is answered.
    expect(decodeAuthMessage(pair.messages.at(-1)!).type).toBe("failure1");
  });
});

describe("a controller, and what a host says to it", () => {
  const { hl, dhvlen } = DhchapReply;
  const negotiate = (values: object): Change => say(values);
  const rows: readonly (readonly [string, AuthMessage["type"], Change, number])[] = [
    ["[A3] NAPD 0", "negotiate", poke({ 7: 0 }), IncorrectPayload],
    ["[A3] NAPD 255", "negotiate", poke({ 7: 255 }), IncorrectPayload],
    ["[A3] HALEN beyond its list", "negotiate", poke({ 10: 31 }), IncorrectPayload],
    ["[A3] DHLEN beyond its list", "negotiate", poke({ 11: 255 }), IncorrectPayload],
    ["[A3] HALEN 0", "negotiate", poke({ 10: 0 }), HashUnusable],
    ["[A3] DHLEN 0", "negotiate", poke({ 11: 0 }), GroupUnusable],
    [
      "[A3] hashes that there are not",
      "negotiate",
      negotiate({ hashes: [0, 4, 255] }),
      HashUnusable,
    ],
    ["[A3] groups that there are not", "negotiate", negotiate({ groups: [6, 255] }), GroupUnusable],
    ["[A3] another protocol", "negotiate", poke({ 8: 2 }), AuthExplanation.ProtocolUnusable],
    [
      "[A3] SC_C of a new TLS key",
      "negotiate",
      poke({ 6: 2 }),
      AuthExplanation.ConcatenationMismatch,
    ],
    ["[A3] SC_C reserved", "negotiate", poke({ 6: 255 }), AuthExplanation.ConcatenationMismatch],
    ["[A5] SEQNUM 0 with a challenge", "reply", say({ seqnum: 0 }), IncorrectPayload],
    [
      "[A7] Success2 in place of the reply",
      "reply",
      () => encodeAuthMessage({ type: "success2", tid: 7 }),
      IncorrectMessage,
    ],
    [
      "[A7] a message of the controller's",
      "reply",
      () => encodeAuthMessage({ type: "success1", tid: 7, hashBytes: 32, response: undefined }),
      IncorrectMessage,
    ],
    [
      "[A7] the reply again, in place of Success2",
      "success2",
      () =>
        encodeAuthMessage({
          type: "reply",
          tid: 7,
          seqnum: 9,
          response: new Uint8Array(32),
          challenge: undefined,
          dhValue: new Uint8Array(0),
        }),
      IncorrectMessage,
    ],
    [
      "[A8] HL is another",
      "reply",
      say({ response: new Uint8Array(48), challenge: new Uint8Array(48) }),
      IncorrectPayload,
    ],
    ["[A8] HL beyond what was sent", "reply", poke({ [hl.offset]: 255 }), IncorrectPayload],
    ["[A8] HL 0", "reply", poke({ [hl.offset]: 0 }), IncorrectPayload],
    [
      "[A9] DHVLEN beyond what was sent",
      "reply",
      poke({ [dhvlen.offset]: 4, [dhvlen.offset + 1]: 1 }),
      IncorrectPayload,
    ],
    [
      "[A9] DHVLEN FFFCh",
      "reply",
      poke({ [dhvlen.offset]: 0xfc, [dhvlen.offset + 1]: 0xff }),
      IncorrectPayload,
    ],
    [
      "[A9] DHVLEN is odd",
      "reply",
      poke({ [dhvlen.offset]: 255, [dhvlen.offset + 1]: 0 }),
      IncorrectPayload,
    ],
    ["[A9] the reply is cut short", "reply", cut(200), IncorrectPayload],
    ["[A10] the reply is of another transaction", "reply", say({ tid: 6 }), IncorrectPayload],
    ["[A10] Success2 is of another transaction", "success2", say({ tid: 8 }), IncorrectPayload],
    [
      "the response is wrong by a bit",
      "reply",
      (message) => poke({ 16: message[16]! ^ 1 })(message),
      Failed,
    ],
    ["bytes that are no message", "reply", () => new Uint8Array(64).fill(0xff), IncorrectMessage],
    ["nothing at all", "negotiate", () => new Uint8Array(0), IncorrectPayload],
  ];

  test.each(rows)("%s", (_what, type, change, explanation) => {
    const pair = pairOf();
    const { controller } = pair.run(changing(type, change));
    expect(controller).toMatchObject({ explanation });
    // The host learns of it when it asks next, then all is over.
    const given = pair.controller.pending ? pair.fetch() : pair.messages.at(-1);
    expect(decodeAuthMessage(given!)).toMatchObject({ type: "failure1", reason: 1, explanation });
    expect(pair.controller.phase).toBe("over");
  });

  test.each(badValues)("[A6] the host's public value is %s", (_what, value) => {
    const { controller } = pairOf().run(changing("reply", say({ dhValue: value })));
    const text = "the host's DH value cannot be used";
    expect(controller).toEqual({ explanation: IncorrectPayload, text });
  });

  test("[A5] a number of the host that was used before", () => {
    const pair = pairOf(["null"]);
    pair.run();
    const reply = pair.messages
      .map((each) => decodeAuthMessage(each))
      .find((each) => each.type === "reply");
    const { seqnum } = reply as { seqnum: number };
    const { controller } = pair.run(changing("reply", say({ seqnum })));
    expect(controller).toMatchObject({ explanation: IncorrectPayload });
  });

  test("[A7] a reply before there was a challenge, a message after Success", () => {
    const reply = encodeAuthMessage({
      type: "reply",
      tid: 7,
      seqnum: 0,
      response: new Uint8Array(32),
      challenge: undefined,
      dhValue: new Uint8Array(0),
    });
    const early = pairOf();
    early.tell(reply);
    expect(decodeAuthMessage(early.fetch()!)).toMatchObject({
      explanation: IncorrectMessage,
      tid: 7,
    });
    const late = pairOf(["null"], false);
    late.run();
    late.tell(reply);
    expect(decodeAuthMessage(late.fetch()!)).toMatchObject({ explanation: IncorrectMessage });
    expect(late.controller.phase).toBe("over");
  });

  test("[A14] there is nothing to receive before anything was sent, nor twice", () => {
    const pair = pairOf();
    expect(pair.fetch()).toBeUndefined();
    pair.host.handle({ type: "begin" });
    const begun = pair.host.poll();
    pair.tell((begun as { message: Uint8Array }).message);
    expect(pair.fetch()).toBeDefined();
    expect(pair.fetch()).toBeUndefined();
    expect(pair.controller.phase).toBe("challenged");
  });

  test("[A15] who begins again and again without an end has failed, and holds nothing", () => {
    const pair = pairOf();
    const negotiation = encodeAuthMessage({
      type: "negotiate",
      tid: 1,
      scc: 0,
      hashes: [1],
      groups: [1],
    });
    for (let i = 0; i < 3; i++) pair.tell(negotiation);
    expect(pair.controller.phase).toBe("challenging");
    for (let i = 0; i < 1_000; i++) pair.tell(negotiation);
    expect(pair.controller.phase).toBe("failing");
    expect(pair.messages.length).toBe(1_003);
    expect(decodeAuthMessage(pair.fetch()!)).toMatchObject({
      type: "failure1",
      explanation: Failed,
    });
  });

  test("[A15] a host that authenticates again and again is welcome", () => {
    const pair = pairOf(["null"]);
    for (let i = 0; i < 20; i++) expect(pair.run().controller).toMatchObject({ mutual: true });
  });

  test.each([
    ["removed", undefined],
    ["changed", "changed"],
  ])("[A18] a secret is %s while an exchange runs", (_what, change) => {
    const pair = pairOf();
    const { controller } = pair.run((message) => {
      if (decodeAuthMessage(message).type === "reply") {
        pair.secrets = change === undefined ? undefined : { ...pair.secrets! };
      }
      return message;
    });
    expect(controller).toMatchObject({ explanation: Failed });
  });

  test("a host that gives up is not heard any more", () => {
    const pair = pairOf();
    const failure = { type: "failure2", tid: 7, reason: 1, explanation: 5 } as const;
    const giveUp = changing("reply", () => encodeAuthMessage(failure));
    // The host of the test goes on, and there is nothing for it.
    expect(() => pair.run(giveUp)).toThrow("nothing to give");
    expect(pair.controller.phase).toBe("over");
    expect(pair.fetch()).toBeUndefined();
  });
});

test("whatever a host says, without the secret it is never authenticated", () => {
  const byte = check.nat(255);
  const negotiation = encodeAuthMessage({
    type: "negotiate",
    tid: 7,
    scc: 0,
    hashes: [1],
    groups: [0, 1],
  });
  const reply = encodeAuthMessage({
    type: "reply",
    tid: 7,
    seqnum: 5,
    response: new Uint8Array(32),
    challenge: new Uint8Array(32),
    dhValue: new Uint8Array(0),
  });
  const success = encodeAuthMessage({ type: "success2", tid: 7 });
  const known = check.constantFrom(negotiation, reply, success);
  const changed = check
    .tuple(known, check.nat(80), byte)
    .map(([message, at, to]) => poke({ [at]: to })(message));
  const step = check.oneof(
    check.constant("fetch" as const),
    known,
    changed,
    check.uint8Array({ maxLength: 100 }),
  );
  check.assert(
    check.property(check.array(step, { maxLength: 12 }), (steps) => {
      const pair = new AuthPair({
        algorithms: { hashes: ["sha256"], groups: ["null"] },
        knownControllerKey: keyOf(2),
      });
      for (const each of steps) {
        if (each === "fetch") pair.fetch();
        else pair.tell(each);
        expect(["done", "succeeding", "confirming"]).not.toContain(pair.controller.phase);
      }
    }),
    { numRuns: 3_000 },
  );
});

describe("the tables", () => {
  test("let a host authenticate by no other way than challenge, reply and success", () => {
    const cells = Object.entries(hostAuthTable).flatMap(([phase, row]) =>
      Object.entries(row).map(([message, cell]) => [phase, message, cell]),
    );
    expect(cells.filter(([, , cell]) => cell === "answer")).toEqual([
      ["negotiating", "challenge", "answer"],
    ]);
    expect(cells.filter(([, , cell]) => cell === "conclude")).toEqual([
      ["proving", "success1", "conclude"],
    ]);
  });

  test("let a controller take a proof in one phase only", () => {
    const cells = Object.entries(controllerAuthTable).flatMap(([phase, row]) =>
      Object.entries(row).map(([message, cell]) => [phase, message, cell]),
    );
    expect(cells.filter(([, , cell]) => cell === "verify")).toEqual([
      ["challenged", "reply", "verify"],
    ]);
    expect(cells.filter(([, , cell]) => cell === "confirm")).toEqual([
      ["confirming", "success2", "confirm"],
    ]);
  });

  test("name every failure, and say what to do about it", () => {
    for (const { code, message, hint } of Object.values(authFailures)) {
      expect(code).toMatch(/^NVME_ERR_AUTH_/);
      expect(message.length * hint.length).toBeGreaterThan(0);
    }
  });
});
