// Authentication: messages as either side gets them, one after another, and secrets as text. Without the
// secret nobody is ever authenticated, and no text repeats one.
// Read first: packages/core/src/auth/host-exchange.ts, controller-exchange.ts.

import { isNvmeofError, viewOf } from "@nvmeof/codec";
import {
  type AuthMessage,
  DhchapKey,
  decodeAuthMessage,
  dhGroupBytes,
  encodeAuthMessage,
} from "@nvmeof/codec/auth";
import {
  ControllerExchange,
  HostExchange,
  SequenceNumbers,
  resolveAuthentication,
} from "@nvmeof/core/auth";
import { authCrypto } from "@nvmeof/core/node";
import { changed } from "../bytes.ts";
import { Broken, type FuzzTarget } from "../fuzz-target.ts";
import type { Random } from "../random.ts";
import { parsers } from "./parser.ts";

const names = {
  hostNqn: "nqn.2024-01.org.example:host",
  subsystemNqn: "nqn.2024-01.org.example:disk",
};
const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

/** Chance that is the same each time: what comes of an input must be, too. */
function fixedCrypto(): typeof authCrypto {
  let next = 1;
  return { ...authCrypto, random: (bytes) => new Uint8Array(bytes).fill(next++) };
}

const hash = (random: Random): number => random.pick([0, 1, 1, 1, 2, 3, 4, 255]);
const group = (random: Random): number => random.pick([0, 0, 0, 1, 2, 5, 6, 255]);
const ids = (random: Random, one: (random: Random) => number): number[] =>
  Array.from({ length: random.below(6) }, () => one(random));

/** A message that could be meant, of any kind, with lengths that mostly fit. */
function message(random: Random): AuthMessage {
  const tid = random.once(5) ? random.edge() & 0xffff : 7;
  const hashBytes = random.pick([32, 32, 32, 48, 64, 0, 31]);
  const value = (bytes: number): Uint8Array => random.bytes(bytes);
  const dhValue = value(random.once(2) ? 0 : random.pick([dhGroupBytes(1), 4, 252, 260]));
  const seqnum = random.once(4) ? 0 : random.next32();
  switch (random.below(7)) {
    case 0:
      return {
        type: "negotiate",
        tid,
        scc: random.once(6) ? random.byte() : 0,
        hashes: ids(random, hash),
        groups: ids(random, group),
      };
    case 1:
      return {
        type: "challenge",
        tid,
        hash: hash(random),
        group: group(random),
        seqnum,
        challenge: value(hashBytes),
        dhValue,
      };
    case 2:
      return {
        type: "reply",
        tid,
        seqnum,
        response: value(hashBytes),
        challenge: random.once(2) ? undefined : value(hashBytes),
        dhValue,
      };
    case 3:
      return {
        type: "success1",
        tid,
        hashBytes,
        response: random.once(2) ? undefined : value(hashBytes),
      };
    case 4:
      return { type: "success2", tid };
    default: {
      const type = random.once(2) ? "failure1" : "failure2";
      return { type, tid, reason: 1, explanation: random.byte() };
    }
  }
}

/** Steps of an input: a length of two bytes before each message; FFFFh asks for one instead. */
const ASK = 0xffff;

function steps(input: Uint8Array): readonly (Uint8Array | "ask")[] {
  const found: (Uint8Array | "ask")[] = [];
  const view = viewOf(input);
  let at = 0;
  while (at + 2 <= input.length && found.length < 32) {
    const length = view.getUint16(at, true);
    at += 2;
    if (length === ASK) {
      found.push("ask");
    } else {
      found.push(input.subarray(at, at + length));
      at += length;
    }
  }
  return found;
}

/** A beginning that the other side takes, so that what follows is looked at. */
const beginnings = {
  host: { type: "negotiate", tid: 7, scc: 0, hashes: [1], groups: [0] },
  controller: {
    type: "challenge",
    tid: 7,
    hash: 1,
    group: 0,
    seqnum: 5,
    challenge: new Uint8Array(32),
    dhValue: new Uint8Array(0),
  },
} as const;

function makeSteps(random: Random, by: "host" | "controller"): Uint8Array {
  const pieces: number[] = [];
  const asks = by === "host";
  if (!random.once(3)) {
    const begun = encodeAuthMessage(beginnings[by]);
    pieces.push(begun.length & 0xff, begun.length >> 8, ...begun);
    if (asks) pieces.push(0xff, 0xff);
  }
  for (let count = random.between(1, 8); count > 0; count--) {
    if (asks && random.once(2)) pieces.push(0xff, 0xff);
    const good = encodeAuthMessage(message(random));
    const bytes = random.once(2) ? good : changed(good, random, good);
    pieces.push(bytes.length & 0xff, bytes.length >> 8, ...bytes);
  }
  if (asks) pieces.push(0xff, 0xff);
  return Uint8Array.from(pieces);
}

/** A controller whose host has no secret at all. */
export const authController: FuzzTarget = {
  name: "auth-controller",
  reads: "what a host without a secret says while a controller authenticates it",
  quickCases: 1_500,
  make: (random) => makeSteps(random, "host"),
  run(input) {
    const crypto = fixedCrypto();
    const secrets = {
      hostKey: key(1),
      controllerKey: key(2),
      hashes: [1, 2] as const,
      groups: [0, 1] as const,
    };
    const numbers = new SequenceNumbers(crypto);
    const machine = new ControllerExchange({ ...names, crypto, numbers, secrets: () => secrets });
    const told: string[] = [];
    for (const each of steps(input)) {
      machine.handle(each === "ask" ? { type: "receive" } : { type: "message", message: each });
      for (let output = machine.poll(); output !== undefined; output = machine.poll()) {
        if (output.type === "authenticated") throw new Broken("authenticated without the secret");
        if (output.type === "give") {
          const given = decodeAuthMessage(output.message);
          if (given.type === "success1") throw new Broken("success without the secret");
          told.push(given.type);
        } else {
          told.push(
            output.type === "failed" ? `failed ${output.explanation}: ${output.text}` : output.type,
          );
        }
      }
    }
    return `${told.join("; ")}; ${machine.phase}`;
  },
};

/** A host that wants a proof, of a controller that has no secret. */
export const authHost: FuzzTarget = {
  name: "auth-host",
  reads: "what a controller without a secret says to a host that wants its proof",
  quickCases: 1_500,
  make: (random) => makeSteps(random, "controller"),
  run(input) {
    const crypto = fixedCrypto();
    const authentication = resolveAuthentication({
      crypto,
      hostKey: new DhchapKey(key(1)),
      controllerKey: new DhchapKey(key(2)),
      hashes: ["sha256", "sha384"],
      groups: ["null", "ffdhe2048"],
    });
    const machine = new HostExchange({
      ...names,
      authentication,
      tid: 7,
      numbers: new SequenceNumbers(crypto),
    });
    machine.handle({ type: "begin" });
    const told: string[] = [];
    for (const each of steps(input)) {
      if (each !== "ask" && machine.phase !== "over")
        machine.handle({ type: "received", message: each });
      for (let output = machine.poll(); output !== undefined; output = machine.poll()) {
        if (output.type === "authenticated")
          throw new Broken("it takes a proof without the secret");
        told.push(
          output.type === "failed" ? `${output.error.code}: ${output.error.message}` : output.type,
        );
      }
    }
    return `${told.join("; ")}; ${machine.phase}`;
  },
};

/** Part of the secret below. */
const secretPart = "ICQoLDA0ODxAREhMUFRYX";
const secretText = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";

function readSecret(input: Uint8Array): unknown {
  const given = new TextDecoder().decode(input.subarray(0, 1_024));
  try {
    const read = DhchapKey.parse(given);
    if (read.revealText() !== given)
      throw new Broken("a secret is written otherwise than it was read");
    return [String(read), read.transform, read.length];
  } catch (error) {
    const said = isNvmeofError(error) ? `${error.message} ${error.hint}` : "";
    if (said.includes(secretPart)) throw new Broken(`it is told: ${said}`);
    throw error;
  }
}

const anyMessage = (random: Random): Uint8Array => encodeAuthMessage(message(random));

export const authSecrets: FuzzTarget = parsers(
  "auth-secrets",
  "secrets of DH-HMAC-CHAP as text, and single messages",
  [
    { valid: () => new TextEncoder().encode(secretText), decode: readSecret },
    { valid: anyMessage, decode: decodeAuthMessage },
  ],
  2_000,
);
