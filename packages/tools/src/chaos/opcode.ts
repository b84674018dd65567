// Opcodes by the names that people type: "read", "keep-alive", "Get Log Page", "property-set", 0x06.
// Read first: @nvmeof/codec opcode.ts.

import { AdminOpcode, Fctype, NvmOpcode, OPC_FABRICS } from "@nvmeof/codec";
import { nearestName } from "@nvmeof/core";
import type { WantedOpcode } from "./plan.ts";
import type { Place } from "./place.ts";

/** Names are compared without case, spaces and hyphens. */
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z\d]/g, "");

const named: ReadonlyMap<string, WantedOpcode> = /*@__PURE__*/ (() => {
  const found = new Map<string, WantedOpcode>();
  for (const [name, opcode] of Object.entries(AdminOpcode)) {
    if (opcode !== OPC_FABRICS) found.set(plain(name), { opcode, fctype: -1, queue: "admin" });
  }
  for (const [name, opcode] of Object.entries(NvmOpcode)) {
    if (opcode !== OPC_FABRICS) found.set(plain(name), { opcode, fctype: -1, queue: "io" });
  }
  for (const [name, fctype] of Object.entries(Fctype)) {
    found.set(plain(name), { opcode: OPC_FABRICS, fctype, queue: undefined });
  }
  found.set("fabrics", { opcode: OPC_FABRICS, fctype: -1, queue: undefined });
  return found;
})();

/** @throws PlanError for what is no opcode. */
export function readOpcode(place: Place): WantedOpcode {
  const { value } = place;
  const text = typeof value === "string" ? value.trim() : "";
  const number = /^(0x[\da-f]{1,2}|\d{1,3})$/i.test(text) ? Number(text) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= 0xff) {
    return { opcode: number, fctype: -1, queue: undefined };
  }
  const found = named.get(plain(text));
  if (found !== undefined) return found;
  const meant = nearestName(plain(text), [...named.keys()]);
  const hint =
    meant === undefined ? "Names are those of the specification." : `Did you mean ${meant}?`;
  throw place.refuse(`${JSON.stringify(value) ?? "nothing"} is no opcode, by name or number`, hint);
}
