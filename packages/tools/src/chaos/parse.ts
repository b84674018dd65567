// JSON into a fault plan: everything is checked, and what is wrong is told with its place.
// Read first: plan.ts; place.ts; kinds.ts for the values of each kind.

import { PduType } from "@nvmeof/codec";
import { nearestName } from "@nvmeof/core";
import { type FaultKind, type Params, type PduName, faultKinds, isByteKind } from "./kinds.ts";
import { readOpcode } from "./opcode.ts";
import { oneOf, share, time, whole } from "./param.ts";
import { type ObjectPlace, Place } from "./place.ts";
import type { ChaosPlan, Fault, Scope, Select } from "./plan.ts";

/** Faults of one plan. */
export const FAULTS_MAX = 1_000;

/** Values of one list in a selector. */
const LIST_MAX = 256;

const NSID_MAX = 0xffff_ffff;
const COUNT_MAX = Number.MAX_SAFE_INTEGER;
const NAME_MAX = 64;

const kindNames = Object.keys(faultKinds) as FaultKind[];
const pduNames = Object.keys(PduType) as PduName[];
const scopeNames = ["connection", "queue", "direction", "afterMs", "untilMs"] as const;
const selectNames = [
  ...scopeNames,
  "pdu",
  "opcode",
  "nsid",
  "lba",
  "nth",
  "every",
  "count",
  "per",
  "probability",
] as const;

const ordinal = whole(1, COUNT_MAX);
const direction = oneOf(["upstream", "downstream"]);
const qid = whole(0, 0xffff);

/** Words of Toxiproxy for what is called otherwise here, where no name is near. */
const otherWords: Readonly<Record<string, string>> = {
  stream: "select.direction",
  attributes: "the values beside kind",
  type: "kind",
  rate: "bytesPerSecond",
};

/**
 * Reads a plan.
 *
 * @param value what `JSON.parse` gave.
 * @param seed of the plan, where somebody says so beside it.
 * @throws PlanError with the place of the first thing that is wrong.
 */
export function parseChaosPlan(value: unknown, seed?: number): ChaosPlan {
  const plan = new Place("plan", value).object([
    "version",
    "seed",
    "faults",
    "name",
    "description",
  ]);
  const root = new PlanRoot(plan);
  const version = root.at("version");
  if (version.value !== 1) throw version.wrong("1: no other version is known");
  const given = root.at("seed").read(whole(0, 0xffff_ffff, 1));
  const faults = root.at("faults").list(FAULTS_MAX).map(readFault);
  return { seed: seed ?? given, faults };
}

/** The plan itself: what stands in it has no path before its name. */
class PlanRoot {
  readonly #plan: ObjectPlace;
  constructor(plan: ObjectPlace) {
    this.#plan = plan;
  }
  at(name: string): Place {
    return new Place(name, this.#plan.at(name).value);
  }
}

function readKind(place: Place): FaultKind {
  const kind = kindNames.find((name) => name === place.value);
  if (kind !== undefined) return kind;
  if (place.value === undefined) throw place.refuse("is missing: which fault is it?");
  const meant = nearestName(typeof place.value === "string" ? place.value : "", kindNames);
  const hint = meant === undefined ? "docs/chaos.md has all of them." : `Did you mean ${meant}?`;
  throw place.refuse(`there is no fault ${JSON.stringify(place.value)}`, hint);
}

function readFault(place: Place): Fault {
  const { value } = place;
  const given = typeof value === "object" && value !== null ? value : {};
  const kind = readKind(new Place(`${place.path}.kind`, "kind" in given ? given.kind : undefined));
  const { params }: { readonly params: Params } = faultKinds[kind];
  for (const [word, ours] of Object.entries(otherWords)) {
    if (!(word in given) || word in params) continue;
    throw place.refuse(`"${word}" is not known here`, `It is called ${ours}.`);
  }
  const names = ["kind", "name", "select", ...Object.keys(params)];
  const fault = place.object(names);
  const name = fault.has("name") ? readName(fault.at("name")) : kind;
  const values = Object.fromEntries(
    Object.entries(params).map(([each, param]) => [each, fault.at(each).read(param)]),
  );
  const select = readSelect(fault.at("select"), kind);
  // The table says which values belong to which kind, and so do its types.
  return { kind, name, select, values } as unknown as Fault;
}

function readName(place: Place): string {
  const { value } = place;
  const fits = typeof value === "string" && value.length > 0 && value.length <= NAME_MAX;
  if (!fits) throw place.wrong(`a text of at most ${NAME_MAX} characters`);
  return value;
}

function readSelect(place: Place, kind: FaultKind): Scope | Select {
  const given = place.value === undefined ? new Place(place.path, {}) : place;
  const select = given.object(selectNames);
  if (!isByteKind(kind)) return pduSelect(select, kind);
  for (const name of selectNames) {
    if ((scopeNames as readonly string[]).includes(name) || !select.has(name)) continue;
    const hint = `It takes ${scopeNames.join(", ")}; its share of connections is toxicity.`;
    throw select.at(name).refuse(`${kind} works on bytes, and knows no PDUs`, hint);
  }
  return readScope(select);
}

function readScope(select: ObjectPlace): Scope {
  const afterMs = select.at("afterMs").read(time(0));
  const until = select.at("untilMs");
  const untilMs = until.value === undefined ? Infinity : until.read(time());
  if (untilMs <= afterMs)
    throw until.refuse(`is ${untilMs}, and must be after afterMs, ${afterMs}`);
  return {
    connections: select
      .at("connection")
      .oneOrMore(LIST_MAX)
      .map((each) => each.read(ordinal)),
    queues: select.at("queue").oneOrMore(LIST_MAX).map(readQueue),
    direction: select.has("direction") ? select.at("direction").read(direction) : undefined,
    afterMs,
    untilMs,
  };
}

function readQueue(place: Place): "admin" | "io" | number {
  const { value } = place;
  if (value === "admin" || value === "io") return value;
  const number = qid.read(value);
  if (number === undefined) throw place.wrong('"admin", "io", or the number of a queue');
  return number;
}

function readPdu(place: Place, kind: FaultKind): PduName {
  const { value } = place;
  const text = typeof value === "string" ? value.toLowerCase() : "";
  const found = pduNames.find((name) => name.toLowerCase() === text);
  if (found === undefined) {
    const meant = nearestName(text, pduNames);
    const hint =
      meant === undefined ? `PDUs are ${pduNames.join(", ")}.` : `Did you mean ${meant}?`;
    throw place.refuse(`there is no PDU ${JSON.stringify(value) ?? ""}`, hint);
  }
  const acts = actsOf(kind);
  if (acts.length > 0 && !acts.includes(found)) {
    throw place.refuse(`${kind} acts on ${acts.join(", ")}, and not on ${found}`);
  }
  return found;
}

const actsOf = (kind: FaultKind): readonly PduName[] => {
  const found = faultKinds[kind];
  return "acts" in found ? found.acts : [];
};

function readLba(place: Place): Select["lba"] {
  if (place.value === undefined) return undefined;
  const range = place.object(["first", "last"]);
  const block = whole(0, COUNT_MAX);
  const first = range.at("first").read(block);
  const last = range.at("last").read({ ...block, fallback: first });
  if (last < first) throw range.at("last").refuse(`is ${last}, and must not be before ${first}`);
  return { first, last };
}

function pduSelect(select: ObjectPlace, kind: FaultKind): Select {
  const list = (name: string): Place[] => select.at(name).oneOrMore(LIST_MAX);
  const count = select.at("count");
  return {
    ...readScope(select),
    pdus: list("pdu").map((each) => readPdu(each, kind)),
    opcodes: list("opcode").map(readOpcode),
    nsids: list("nsid").map((each) => each.read(whole(1, NSID_MAX))),
    lba: readLba(select.at("lba")),
    nth: list("nth").map((each) => each.read(ordinal)),
    every: select.at("every").read({ ...ordinal, fallback: 1 }),
    count: count.value === undefined ? Infinity : count.read(ordinal),
    per: select.at("per").read(oneOf(["run", "connection"], "run")),
    probability: select.at("probability").read(share(1)),
  };
}
