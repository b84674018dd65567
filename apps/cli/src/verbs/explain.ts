// `explain`: statuses, fatal errors, exit codes, error codes and abbreviations, from the tables of the command.

import { describeStatus, fesName, hexh, statusOf } from "@nvmeof/codec";
import { nearestName } from "@nvmeof/core";
import { codeMeanings } from "../code-meanings.ts";
import type { Report, Verb } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { ExitCode, type ExitName, type ErrorCode, verdicts } from "../exit-code.ts";
import { hintFor } from "../hints.ts";
import { exitMeanings, fesMeanings, terms } from "../meanings.ts";

/** One thing that was meant. */
interface Meaning {
  readonly kind: "status" | "fes" | "exit" | "code" | "term";
  readonly name: string;
  readonly text: string;
  readonly more?: object;
}

const number = (text: string): number =>
  /^0x[\da-f]+$/i.test(text)
    ? Number(text)
    : /^[\da-f]+h$/i.test(text)
      ? Number.parseInt(text, 16)
      : /^\d+$/.test(text)
        ? Number(text)
        : Number.NaN;

/** "2h/85h", "sct=2,sc=0x85", "2/85h". */
function statusPair(text: string): readonly [sct: number, sc: number] | undefined {
  const [, sct, sc] =
    /^sct\s*[=:\s]\s*(\w+)[,;\s]+sc\s*[=:\s]\s*(\w+)$/i.exec(text) ??
    /^(\w+)\/(\w+)$/.exec(text) ??
    [];
  if (sct === undefined || sc === undefined) return undefined;
  const pair = [number(sct), number(sc)] as const;
  return pair[0] <= 7 && pair[1] <= 255 ? pair : undefined;
}

function statusMeanings(sct: number, sc: number): Meaning[] {
  const packed = statusOf(sct, sc);
  const plain = describeStatus(packed);
  const fabrics = describeStatus(packed, { fabrics: true });
  const code = `${hexh(sct, 1)}/${hexh(sc)}`;
  const of = ({ name, text }: typeof plain, where: string): Meaning => ({
    kind: "status",
    name: `${name} (${code})${where}`,
    text,
    more: { sct, sc },
  });
  if (plain.name === fabrics.name) return [of(plain, "")];
  return [of(plain, ", of NVM commands"), of(fabrics, ", of Fabrics commands")];
}

function fesMeaning(fes: number): Meaning | undefined {
  if (!(fes >= 0 && fes <= 0xffff)) return undefined;
  const text = fesMeanings[fes] ?? "The specification gives it no meaning.";
  return { kind: "fes", name: `${fesName(fes)} (FES ${fes})`, text, more: { fes } };
}

function exitMeaning(code: number): Meaning | undefined {
  const found = Object.entries(ExitCode).find(([, value]) => value === code);
  if (found === undefined) return undefined;
  const name = found[0] as ExitName;
  const codes = Object.entries(verdicts)
    .filter(([, { exit }]) => exit === name)
    .map(([each]) => each);
  return {
    kind: "exit",
    name: `exit code ${code} (${name})`,
    text: `${exitMeanings[name][0]!.toUpperCase()}${exitMeanings[name].slice(1)}.`,
    more: { exitCode: code, codes },
  };
}

function codeMeaning(code: ErrorCode): Meaning {
  const { exit, retryable } = verdicts[code];
  const hint = hintFor(code, true);
  const again = retryable
    ? "The same command may succeed later."
    : "The same command would fail again.";
  return {
    kind: "code",
    name: code,
    text: `${codeMeanings[code]} Ends with exit code ${ExitCode[exit]}: ${exitMeanings[exit]}. ${again}${hint === undefined ? "" : ` ${hint}`}`,
    more: { exitCode: ExitCode[exit], retryable, hint: hint ?? null },
  };
}

const isCode = (text: string): text is ErrorCode => Object.hasOwn(verdicts, text);

const known = (meaning: Meaning | undefined): Meaning[] => (meaning === undefined ? [] : [meaning]);

/** All that `text` can mean. */
export function meaningsOf(text: string): Meaning[] {
  const [, kind, rest = ""] = /^(fes|exit|status)\s*[=:\s]\s*(\S.*)$/i.exec(text) ?? [];
  const pair = statusPair(text);
  if (pair !== undefined) return statusMeanings(...pair);
  if (kind?.toLowerCase() === "fes") return known(fesMeaning(number(rest)));
  if (kind?.toLowerCase() === "exit") return known(exitMeaning(number(rest)));
  if (kind !== undefined) return meaningsOf(rest);
  const upper = text.toUpperCase();
  if (isCode(upper)) return [codeMeaning(upper)];
  const term = terms[upper];
  if (term !== undefined) return [{ kind: "term", name: upper, text: term }];
  const value = number(text);
  if (Number.isNaN(value) || value > 0x7ff) return [];
  // A packed status has its type above its code.
  if (value > 0xff) return statusMeanings(value >> 8, value & 0xff);
  const isHex = !/^\d+$/.test(text);
  return [
    ...(isHex ? [] : known(exitMeaning(value))),
    ...(fesMeanings[value] === undefined ? [] : known(fesMeaning(value))),
    ...statusMeanings(0, value),
  ];
}

export const run: Verb = (_context, _options, ...words): Promise<Report> => {
  const text = words.join(" ").trim();
  if (text === "") throw usage("what?", "For example: nvmeof explain 0x285");
  const meanings = meaningsOf(text);
  if (meanings.length === 0) {
    const near = nearestName(text.toUpperCase(), [...Object.keys(verdicts), ...Object.keys(terms)]);
    const known = "Statuses (2h/85h), fes 3, exit 7, NVME_ERR_… and abbreviations are.";
    throw new CliError("NVME_ERR_UNKNOWN_TERM", `nothing is known of "${text}"`, {
      hint: near === undefined ? known : `Did you mean ${near}? ${known}`,
    });
  }
  return Promise.resolve({
    data: { meanings: meanings.map(({ more, ...each }) => ({ ...each, ...more })) },
    text: (style) => meanings.map((each) => `${style.bold(each.name)}\n  ${each.text}\n`).join(""),
  });
};
