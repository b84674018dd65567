// Every declared structure of the package: sound, of its size, and clean whatever the buffer held.

import { describe, expect, test } from "vitest";
import * as auth from "./auth/index.ts";
import * as fc from "./fc/index.ts";
import { u16, u32, u8, bits, type Field } from "./field.ts";
import * as codec from "./index.ts";
import { decode, encode, encoded, fieldsOf, layoutFaults, viewOf } from "./layout.ts";
import * as management from "./management/index.ts";

type AnyLayout = { readonly size: number };

const isLayout = (value: unknown): value is AnyLayout =>
  typeof value === "object" && value !== null && "size" in value && fieldsOf(value).length > 0;

const layouts = Object.entries<unknown>({ ...codec, ...fc, ...auth, ...management }).filter(
  (entry): entry is [string, AnyLayout] => isLayout(entry[1]),
);

/**
 * A value that sets every bit of a field that it can; `empty` is what the field reads of zeroes.
 */
function fullest(field: Field<unknown>, empty: unknown): unknown {
  if (typeof empty === "string") return "x";
  if (empty instanceof Uint8Array) return new Uint8Array(field.bytes).fill(0xff);
  if (typeof empty === "bigint") return 2n ** BigInt(8 * field.bytes) - 1n;
  const width = Math.min(field.bit?.width ?? 8 * field.bytes, 53);
  return 2 ** width - 1 + Number(empty); // a 0's based field reads 1 of zeroes
}

describe.each(layouts)("%s", (_name, layout) => {
  test("has its fields inside, and no two that share a bit", () => {
    expect(layoutFaults(layout)).toEqual([]);
  });

  test("comes out of a dirty buffer as out of a clean one, its surroundings untouched", () => {
    const dirty = new Uint8Array(layout.size + 16).fill(0xa5);
    encode(layout, viewOf(dirty), 8, {});
    expect(dirty.subarray(8, 8 + layout.size)).toEqual(encoded(layout, {}));
    expect(dirty.subarray(0, 8)).toEqual(new Uint8Array(8).fill(0xa5));
    expect(dirty.subarray(8 + layout.size)).toEqual(new Uint8Array(8).fill(0xa5));
  });

  test("gives back what was written to each field, and nothing of it in the others", () => {
    const empty = decode(layout, viewOf(encoded(layout, {}))) as Record<string, unknown>;
    for (const [name, field] of fieldsOf(layout)) {
      const value = fullest(field, empty[name]);
      const view = viewOf(encoded(layout, { [name]: value }));
      expect(decode(layout, view)).toEqual({ ...empty, [name]: value });
    }
  });

  test("is not read from fewer bytes than it has", () => {
    const short = viewOf(new Uint8Array(layout.size - 1));
    expect(() => decode(layout, short)).toThrow(RangeError);
  });
});

test("every structure has the size that the specifications give it", () => {
  const sizes = Object.fromEntries(layouts.map(([name, { size }]) => [name, size]));
  expect(sizes).toMatchObject({
    Sqe: 64,
    Cqe: 16,
    ConnectCommand: 64,
    ConnectData: 1024,
    ConnectResult: 4,
    PropertyGetCommand: 64,
    PropertySetCommand: 64,
    DisconnectCommand: 64,
    AuthSendCommand: 64,
    AuthReceiveCommand: 64,
    IdentifyCommand: 64,
    GetLogPageCommand: 64,
    SetFeaturesCommand: 64,
    GetFeaturesCommand: 64,
    AbortCommand: 64,
    CrossControllerResetCommand: 64,
    RwCommand: 64,
    CompareCommand: 64,
    VerifyCommand: 64,
    WriteZeroesCommand: 64,
    DsmCommand: 64,
    DsmRange: 16,
    Cap: 8,
    Vs: 4,
    Cc: 4,
    Csts: 4,
    Crto: 4,
    IdentifyController: 4096,
    IdentifyControllerNvm: 4096,
    IdentifyNamespace: 4096,
    IdentifyNamespaceIndependent: 4096,
    LbaFormat: 4,
    ErrorLogEntry: 64,
    SmartLog: 512,
    FirmwareSlotLog: 512,
    CommandEffects: 4,
    SupportedLogPage: 4,
    CrossControllerResetEntry: 8,
    LostHostEntry: 8,
    AnaLogHeader: 16,
    AnaGroupDescriptor: 32,
    DiscoveryLogHeader: 1024,
    DiscoveryLogEntry: 1024,
    RdmaTsas: 256,
    NumberOfQueues: 4,
    VolatileWriteCache: 4,
    KeepAliveTimer: 4,
    HostBehaviorSupport: 512,
    HostIdentifier: 16,
    Timestamp: 8,
    AsyncEvent: 4,
    AuthNegotiate: 8,
    AuthDescriptor: 64,
    AuthFailure: 8,
    DhchapChallenge: 16,
    DhchapReply: 16,
    DhchapSuccess1: 16,
    DhchapSuccess2: 16,
    FcHeader: 24,
    BaAcc: 12,
    BaRjt: 4,
    CmdIu: 96,
    ErspIu: 32,
    XferRdyIu: 12,
    CreateAssociationLs: 1024,
    CreateAssociationAcc: 56,
    CreateConnectionLs: 80,
    CreateConnectionAcc: 40,
    DisconnectAssociationLs: 48,
    DisconnectConnectionLs: 40,
    DisconnectAcc: 24,
    LsReject: 40,
  });
});

test("a declaration with a fault is told which", () => {
  const word = u16(2);
  expect(layoutFaults({ size: 4, a: u32(0), b: u8(3), c: u16(3) } as AnyLayout)).toEqual([
    "b overlaps a",
    "c ends beyond 4",
    "c overlaps a",
  ]);
  expect(layoutFaults({ size: 4, a: bits(word, 0, 9), b: bits(word, 8, 2) } as AnyLayout)).toEqual([
    "b overlaps a",
  ]);
  expect(layoutFaults({ size: 4, a: bits(word, 12, 5) } as AnyLayout)).toEqual([
    "a has bits beyond its container",
  ]);
});
