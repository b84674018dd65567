// The oracle of authentication on the wire: right orders pass, and whoever goes ahead is found out.

import { describe, expect, test } from "vitest";
import { Proof } from "./proof.ts";
import { Talk } from "./talk.ts";

const up = "toController";
const down = "toHost";
const REQUIRED = 1 << 17;

/** Connect, answered with a result; messages of authentication; and reads. */
class ProofTalk extends Talk {
  #cid = 1;

  begin(result: number): this {
    return this.connect(8, true, 1, result);
  }

  /** Authentication Send: in the capsule, or asked for. */
  tells(type: number, id: number, how: "in capsule" | "asked for" = "in capsule"): this {
    const cid = this.#cid++;
    const inCapsule = how === "in capsule";
    this.send(up, this.authentication(cid, 0x05, inCapsule ? [type, id] : undefined));
    if (!inCapsule) {
      this.send(down, this.r2t(cid, 1, 0, 16));
      this.send(up, this.data(cid, 1, 0, 16, 4, {}, [type, id]));
    }
    this.send(down, this.response(cid, { head: this.#cid % 8 }));
    return this;
  }

  /** Authentication Receive. */
  hears(type: number, id: number): this {
    const cid = this.#cid++;
    this.send(up, this.authentication(cid, 0x06));
    this.send(down, this.data(cid, undefined, 0, 16, 4, {}, [type, id]));
    this.send(down, this.response(cid, { head: this.#cid % 8 }));
    return this;
  }

  reads(status = 0): this {
    const cid = this.#cid++;
    this.send(up, this.command(cid, { opcode: 0 }));
    this.send(down, this.response(cid, { head: this.#cid % 8, status }));
    return this;
  }
}

const talkOf = (ways: "one" | "both" | undefined): ProofTalk => new ProofTalk(ways);

/** Up to the host's proof. */
const proof = (talk: ProofTalk): ProofTalk => talk.tells(0, 0).hears(1, 1).tells(1, 2);

describe("passes", () => {
  test("a host that proves itself, and then reads", () => {
    const talk = proof(talkOf("one").begin(REQUIRED)).hears(1, 3).reads();
    expect(talk.complaints).toEqual([]);
  });

  test("both, and messages that do not fit into a capsule", () => {
    const talk = proof(talkOf("both").begin(REQUIRED)).hears(1, 3).tells(1, 4, "asked for").reads();
    expect(talk.complaints).toEqual([]);
  });

  test("with digests, and cut anywhere", () => {
    const talk = talkOf("one");
    talk.headerDigest = talk.dataDigest = true;
    const whole = talk.checker.bytes.bind(talk.checker);
    talk.checker.bytes = (connection, direction, buffer, start, end, moment) => {
      for (let at = start; at < end; at++) {
        whole(connection, direction, buffer, at, at + 1, moment);
      }
    };
    proof(talk.begin(REQUIRED)).hears(1, 3).reads();
    expect(talk.complaints).toEqual([]);
  });

  test("another exchange later, with reads in its midst", () => {
    const talk = proof(talkOf("one").begin(REQUIRED)).hears(1, 3);
    proof(talk).reads().hears(1, 3).reads();
    expect(talk.complaints).toEqual([]);
  });

  test("a run without secrets", () => {
    expect(talkOf(undefined).begin(0).reads().complaints).toEqual([]);
  });
});

describe("finds out", () => {
  test.each([
    ["a queue without proof", (talk: ProofTalk) => talk.begin(0)],
    ["a host that reads at once", (talk: ProofTalk) => talk.begin(REQUIRED).reads(0x191)],
    [
      "one that reads before the verdict",
      (talk: ProofTalk) => proof(talk.begin(REQUIRED)).reads(1),
    ],
    [
      "one that reads after a refusal",
      (talk: ProofTalk) => proof(talk.begin(REQUIRED)).hears(0, 0xf1).reads(0x191),
    ],
    [
      "one that reads before its own verdict, where both prove themselves",
      (talk: ProofTalk) => proof(talk.begin(REQUIRED)).hears(1, 3).reads(0x191),
    ],
  ] as const)("%s", (what, talks) => {
    const talk = talkOf(what.includes("both") ? "both" : "one");
    talks(talk);
    expect(talk.complaints).toEqual(["I39"]);
  });

  test("a controller that serves a host that is ahead of its proof", () => {
    expect(talkOf("one").begin(REQUIRED).reads().complaints).toEqual(["I39", "I39"]);
  });

  test("what has not arrived yet binds nobody, and frees nobody", () => {
    const wrongs: string[] = [];
    const proof = new Proof("one", (direction) => wrongs.push(direction));
    const read = { opcode: 2, fctype: 0, cid: 1 } as Parameters<Proof["asks"]>[0];
    const reached = proof.connected(REQUIRED);
    proof.asks(read); // the host has not heard of it
    expect(wrongs).toEqual([]);
    reached();
    const verdict = proof.says(down, 0x0301);
    proof.serves(read);
    expect(wrongs).toEqual([]);
    proof.asks(read);
    expect(wrongs).toEqual([up]);
    verdict();
    proof.asks(read);
    expect(wrongs).toEqual([up]);
  });
});
