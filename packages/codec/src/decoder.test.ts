// All decoders of cold structures against random bytes: they read, or say ParseError, and end.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeAuthMessage } from "./auth/index.ts";
import * as codec from "./index.ts";

const { viewOf, decode } = codec;

const decoders: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  decodeNsidList: codec.decodeNsidList,
  decodeControllerList: codec.decodeControllerList,
  decodeNamespaceDescriptors: codec.decodeNamespaceDescriptors,
  decodeCommandSets: codec.decodeCommandSets,
  decodeChangedNamespaces: codec.decodeChangedNamespaces,
  decodeEntryLog: (bytes) => codec.decodeEntryLog(codec.CrossControllerResetEntry, bytes),
  decodeAnaLog: codec.decodeAnaLog,
  decodeDiscoveryHeader: codec.decodeDiscoveryHeader,
  decodeDiscoveryLog: codec.decodeDiscoveryLog,
  decodeAuthMessage,
};

/** Identify pages and entries have a size; the transport sees to it that it is met. */
const pages: Readonly<Record<string, (view: DataView) => unknown>> = {
  IdentifyController: (view) => decode(codec.IdentifyController, view),
  IdentifyNamespace: (view) => decode(codec.IdentifyNamespace, view),
  currentLbaFormat: (view) => codec.currentLbaFormat(view),
  checkNamespaceSize: (view) => codec.checkNamespaceSize(view),
  readNqn: (view) => codec.readNqn(view, 768),
  decodeDiscoveryEntry: (view) => codec.decodeDiscoveryEntry(view),
};

/** Runs `read`; what it throws must be a `ParseError` or an `NqnError`. */
function readsOrRefuses(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(codec.isNvmeofError(error)).toBe(true);
  }
}

// Small numbers make counts that nearly fit, which uniform bytes hardly ever do.
const byte = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 0, max: 8 }),
  fc.integer({ max: 255, min: 0 }),
);

describe.each(Object.entries(decoders))("%s", (_name, decoder) => {
  test("reads any bytes or refuses them", () => {
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 200 }), (bytes) => {
        readsOrRefuses(() => decoder(Uint8Array.from(bytes)));
      }),
    );
  });

  test("reads or refuses a page of FFh", () => {
    readsOrRefuses(() => decoder(new Uint8Array(8192).fill(0xff)));
  });
});

test.each(Object.entries(pages))("%s reads any page or refuses it", (_name, reader) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), (bytes) => {
      readsOrRefuses(() => reader(viewOf(bytes)));
    }),
    { numRuns: 20 },
  );
});

const groups = fc.uniqueArray(fc.nat(1000), { maxLength: 6 }).chain((ids) =>
  fc.record({
    chgcnt: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    groups: fc.tuple(
      ...ids.map((id, i) =>
        fc.record({
          anagrpid: fc.constant(id + 1),
          chgcnt: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
          state: fc.nat(15),
          nsids: fc
            .uniqueArray(fc.nat(99), { maxLength: 9 })
            .map((nsids) => nsids.map((nsid) => 100 * i + nsid + 1)),
        }),
      ),
    ),
  }),
);

test("an ANA log reads back as it was written", () => {
  fc.assert(
    fc.property(groups, (log) => {
      expect(codec.decodeAnaLog(codec.encodeAnaLog(log))).toEqual(log);
    }),
  );
});

test("a name reads back as it was written, in any script", () => {
  const view = viewOf(new Uint8Array(256).fill(0xa5));
  const field = codec.nqnField(0);
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }), (text) => {
      fc.pre(!/[\p{C}\p{Zl}\p{Zp}]/u.test(text) && new TextEncoder().encode(text).length <= 223);
      field.set(view, 0, text);
      expect(field.get(view)).toBe(text);
      expect(codec.readNqn(view, 0)).toBe(text);
    }),
  );
});
