// Host and controller as a pair: every hash, group and form of secret, both directions, and a recount of
// the proofs with nothing but HMAC.

import { createDiffieHellman, createHash, createHmac } from "node:crypto";
import {
  AuthHash,
  type AuthMessage,
  DhGroup,
  DhchapKey,
  type KeyTransform,
  authHashBytes,
  authHashName,
  authHashNames,
  decodeAuthMessage,
  dhGroupName,
  dhGroupNames,
  ffdhePrime,
} from "@nvmeof/codec/auth";
import { describe, expect, test } from "vitest";
import { authCrypto } from "../node/auth-crypto.ts";
import { AuthPair, HOST_NQN, SUBSYSTEM_NQN, keyOf } from "../node/testing/auth-pair.ts";

const hashes = Object.values(authHashNames);
const groups = Object.values(dhGroupNames);

const combinations = hashes.flatMap((hash) =>
  groups.flatMap((group) => [false, true].map((mutual) => ({ hash, group, mutual }))),
);

test.each(combinations)(
  "hash $hash, group $group, both ways: $mutual",
  ({ hash, group, mutual }) => {
    const pair = new AuthPair({
      algorithms: { hashes: [authHashName(hash)], groups: [dhGroupName(group)] },
      controllerKey: mutual ? keyOf(2) : undefined,
    });
    const result = { hash, group, mutual };
    expect(pair.run()).toEqual({ host: result, controller: result });
    const messages = ["negotiate", "challenge", "reply", "success1"];
    expect(pair.types).toEqual(mutual ? [...messages, "success2"] : messages);
  },
);

const forms: readonly (readonly [KeyTransform, number])[] = [
  [0, 32],
  [0, 48],
  [0, 64],
  [1, 32],
  [2, 48],
  [3, 64],
];

test.each(forms.flatMap((host) => forms.map((controller) => [...host, ...controller] as const)))(
  "secrets DHHC-1:0%d of %d bytes and DHHC-1:0%d of %d bytes",
  (hostTransform, hostBytes, controllerTransform, controllerBytes) => {
    const pair = new AuthPair({
      hostKey: keyOf(1, hostTransform, hostBytes),
      controllerKey: keyOf(2, controllerTransform, controllerBytes),
    });
    expect(pair.run()).toMatchObject({ host: { mutual: true }, controller: { mutual: true } });
  },
);

const nodeHash = (hash: AuthHash): string => authHashName(hash);

/** R1 or R2 as the specification words it, made without anything of the project's. */
function proof(
  of: { hash: AuthHash; tid: number; secret: Uint8Array | undefined },
  key: Uint8Array,
  challenge: Uint8Array,
  seqnum: number,
  text: string,
): string {
  const { hash, tid, secret } = of;
  const session = secret && createHash(nodeHash(hash)).update(secret).digest();
  const augmented = session
    ? createHmac(nodeHash(hash), session).update(challenge).digest()
    : challenge;
  const numbers = Buffer.alloc(7);
  numbers.writeUInt32LE(seqnum);
  numbers.writeUInt16LE(tid, 4);
  return createHmac(nodeHash(hash), key)
    .update(augmented)
    .update(numbers)
    .update(text)
    .digest("hex");
}

type Said<T> = Extract<AuthMessage, { readonly type: T }>;

const found = <T extends AuthMessage["type"]>(pair: AuthPair, type: T): Said<T> =>
  pair.messages
    .map((bytes) => decodeAuthMessage(bytes))
    .find((each) => each.type === type) as Said<T>;

describe.each([DhGroup.Null, DhGroup.Ffdhe2048])("the proofs with group %d", (group) => {
  test.each(hashes)("and hash %d are those of the specification", (hash) => {
    const secret = Uint8Array.from({ length: 32 }, (_, i) => i);
    const other = Uint8Array.from({ length: 48 }, (_, i) => 200 - i);
    const pair = new AuthPair({
      algorithms: { hashes: [authHashName(hash)], groups: [dhGroupName(group)] },
      hostKey: new DhchapKey(secret, 1),
      controllerKey: new DhchapKey(other, 2),
      // A Diffie-Hellman whose private halves are known: 2^5 and 2^7.
      privateValues: [5n, 7n],
    });
    pair.run();
    const challenge = found(pair, "challenge");
    const reply = found(pair, "reply");
    const prime = group === DhGroup.Null ? undefined : Buffer.from(ffdhePrime(group));
    const shared = prime && Buffer.alloc(prime.length);
    if (shared) {
      shared[shared.length - 5] = 8; // 2^35
      expect([challenge.dhValue.at(-1), reply.dhValue.at(-1)]).toEqual([2 ** 5, 2 ** 7]);
    }
    const of = { hash, tid: reply.tid, secret: shared };
    const hostKey = createHmac("sha256", secret)
      .update(HOST_NQN)
      .update("NVMe-over-Fabrics")
      .digest();
    expect(Buffer.from(reply.response).toString("hex")).toBe(
      proof(
        of,
        hostKey,
        challenge.challenge,
        challenge.seqnum,
        `HostHost${HOST_NQN}\0${SUBSYSTEM_NQN}`,
      ),
    );
    const controllerKey = createHmac("sha384", other)
      .update(SUBSYSTEM_NQN)
      .update("NVMe-over-Fabrics")
      .digest();
    expect(Buffer.from(found(pair, "success1").response!).toString("hex")).toBe(
      proof(
        of,
        controllerKey,
        reply.challenge!,
        reply.seqnum,
        `Controller${SUBSYSTEM_NQN}\0${HOST_NQN}`,
      ),
    );
  });
});

test("the cryptography for Node is that of Node, and its secrets have the length of the prime", () => {
  for (const group of groups.filter((each) => each !== DhGroup.Null)) {
    const [one, other] = [authCrypto.dh(group), authCrypto.dh(group)];
    const secret = one.secret(other.publicValue);
    expect(other.secret(one.publicValue)).toEqual(secret);
    expect([one.publicValue.length, secret.length]).toEqual([
      ffdhePrime(group).length,
      ffdhePrime(group).length,
    ]);
  }
  // A value with zeroes before it: 2^3 mod p, of which a peer makes 8^x.
  const pair = createDiffieHellman(Buffer.from(ffdhePrime(DhGroup.Ffdhe2048)), 2);
  pair.setPrivateKey(Buffer.of(3));
  pair.generateKeys();
  const mine = authCrypto.dh(DhGroup.Ffdhe2048);
  const eight = new Uint8Array(256);
  eight[255] = 8;
  expect(Buffer.from(mine.secret(eight))).toEqual(
    pair.computeSecret(Buffer.from(mine.publicValue)),
  );
  expect(authCrypto.random(16).length).toBe(16);
  expect(authCrypto.equal(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(authCrypto.equal(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(authCrypto.equal(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
});

describe("what is agreed upon", () => {
  test("is the controller's first choice among what the host offers", () => {
    const pair = new AuthPair({
      host: { hashes: ["sha256", "sha384"], groups: ["null", "ffdhe2048", "ffdhe3072"] },
      controller: { hashes: ["sha512", "sha384", "sha256"], groups: ["ffdhe2048", "null"] },
    });
    const agreed = { hash: AuthHash.Sha384, group: DhGroup.Ffdhe2048 };
    expect(pair.run().host).toMatchObject(agreed);
  });

  test("is by default the strongest hash, and a group", () => {
    const agreed = { hash: AuthHash.Sha512, group: DhGroup.Ffdhe3072 };
    expect(new AuthPair({}).run().host).toMatchObject(agreed);
  });

  test("is not the null group, unless the controller allows it", () => {
    const strict = new AuthPair({ host: { groups: ["null"] } });
    expect(strict.run().host).toMatchObject({ code: "NVME_ERR_AUTH_UNUSABLE", explanation: 5 });
    const lenient = new AuthPair({ host: { groups: ["null"] }, controller: { groups: ["null"] } });
    expect(lenient.run().host).toMatchObject({ group: DhGroup.Null });
  });

  test("is nothing where the hashes differ", () => {
    const pair = new AuthPair({ host: { hashes: ["sha256"] }, controller: { hashes: ["sha384"] } });
    expect(pair.run()).toMatchObject({
      host: { code: "NVME_ERR_AUTH_UNUSABLE", explanation: 4, permanent: true },
      controller: { explanation: 4 },
    });
  });
});

describe("who fails", () => {
  const wrong = keyOf(9);

  test("a host with another secret is refused, and that is final", () => {
    const pair = new AuthPair({ hostKey: keyOf(1), knownHostKey: wrong });
    expect(pair.run()).toMatchObject({
      host: { code: "NVME_ERR_AUTH_FAILED", kind: "refused", explanation: 1, permanent: true },
      controller: { explanation: 1 },
    });
    expect(pair.types.at(-1)).toBe("failure1");
  });

  test("the right secret with another transformation is another one, and the hint says so [A11]", () => {
    const bytes = new Uint8Array(32).fill(7);
    const pair = new AuthPair({
      hostKey: new DhchapKey(bytes, 1),
      knownHostKey: new DhchapKey(bytes, 0),
    });
    const { host } = pair.run();
    expect(host).toMatchObject({ code: "NVME_ERR_AUTH_FAILED" });
    expect((host as { hint: string }).hint).toContain("digits after DHHC-1:");
  });

  test("a controller with another secret is found out, and told", () => {
    const pair = new AuthPair({ controllerKey: keyOf(2), knownControllerKey: wrong });
    expect(pair.run()).toMatchObject({
      host: { code: "NVME_ERR_AUTH_CONTROLLER", kind: "unproven", permanent: true },
      controller: { explanation: 1 },
    });
    expect(pair.types.at(-1)).toBe("failure2");
  });

  test("a controller that is asked for a proof and has no secret fails the host [A19]", () => {
    const pair = new AuthPair({ controllerKey: keyOf(2), knownControllerKey: "none" });
    expect(pair.run().host).toMatchObject({ code: "NVME_ERR_AUTH_FAILED", explanation: 1 });
  });

  test("a host NQN in other letters is another host", () => {
    const pair = new AuthPair({ claimedNqn: HOST_NQN.toUpperCase() });
    expect(pair.run().host).toMatchObject({ code: "NVME_ERR_AUTH_FAILED" });
  });
});

test("a challenge is of the length of its hash, and never the same", () => {
  const pairs = hashes.map((hash) => {
    const pair = new AuthPair({ algorithms: { hashes: [authHashName(hash)] } });
    pair.run();
    expect(found(pair, "challenge").challenge.length).toBe(authHashBytes(hash));
    return Buffer.from(found(pair, "challenge").challenge).toString("hex");
  });
  expect(new Set(pairs).size).toBe(3);
});
