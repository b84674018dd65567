// `show-regs`, `get-property` and `set-property`: what would be registers on PCIe.
// Read first: Base 2.0 §3.1.3 "Controller Properties".

import {
  Cap,
  Cc,
  Crto,
  Csts,
  Property,
  Vs,
  decodeDwords,
  nameIn,
  propertyBytes,
  versionText,
} from "@nvmeof/codec";
import { NvmeStatusError, propertySetCommand } from "@nvmeof/core";
import { ask } from "../ask.ts";
import { confirm } from "../confirm.ts";
import type { Verb } from "../context.ts";
import { type DryRunOptions, dryRun } from "../dry-run.ts";
import { usage } from "../errors.ts";
import { fieldLines } from "../fields.ts";
import type { ConsentOptions, TargetOptions } from "../options.ts";

interface Value {
  readonly dw0: number;
  readonly dw1: number;
}

const layouts: Readonly<Record<number, { readonly size: number }>> = {
  [Property.Cap]: Cap,
  [Property.Vs]: Vs,
  [Property.Cc]: Cc,
  [Property.Csts]: Csts,
  [Property.Crto]: Crto,
};

const nameOf = (offset: number): string =>
  propertyBytes(offset) === undefined ? `0x${offset.toString(16)}` : nameIn(Property, offset);

const numberOf = (offset: number, { dw0, dw1 }: Value): bigint =>
  propertyBytes(offset) === 8 ? (BigInt(dw1) << 32n) | BigInt(dw0) : BigInt(dw0);

const fieldsOf = (offset: number, { dw0, dw1 }: Value): object => {
  const layout = layouts[offset];
  return layout === undefined ? {} : decodeDwords(layout, dw0, dw1);
};

interface Shown {
  readonly offset: number;
  readonly name: string;
  readonly value: bigint;
  readonly fields: object;
}

const shownOf = (offset: number, value: Value): Shown => ({
  offset,
  name: nameOf(offset).toLowerCase(),
  value: numberOf(offset, value),
  fields: fieldsOf(offset, value),
});

/** One line, and with -H the fields below it. */
function textOf({ offset, name, value, fields }: Shown, human: boolean): string {
  const digits = propertyBytes(offset) === 8 ? 16 : 8;
  const version = offset === Property.Vs ? ` (NVMe ${versionText(Number(value))})` : "";
  const head = `${name.padEnd(5)}: 0x${value.toString(16).padStart(digits, "0")}${version}\n`;
  const lines = human && Object.keys(fields).length > 0 ? fieldLines(fields) : "";
  return head + lines.replace(/^(?=.)/gm, "  ");
}

const dataOf = (each: Shown): object => ({ ...each, value: `0x${each.value.toString(16)}` });

interface ShowOptions extends TargetOptions {
  readonly humanReadable?: boolean;
}

/** `show-regs`: every property that the controller has. */
export const showRegs: { readonly run: Verb<ShowOptions> } = {
  run: async (context, options, uri?: string) => {
    const found = await ask(context, uri, options, "admin", async (handle) => {
      const all: Shown[] = [];
      for (const offset of Object.values(Property)) {
        try {
          all.push(shownOf(offset, await handle.property(offset)));
        } catch (error) {
          // Optional ones are refused.
          if (!(error instanceof NvmeStatusError)) throw error;
        }
      }
      return all;
    });
    return {
      data: { properties: found.map(dataOf) },
      text: () => found.map((each) => textOf(each, options.humanReadable === true)).join(""),
    };
  },
};

interface GetOptions extends ShowOptions {
  readonly offset: number;
}

/** `get-property`. */
export const getProperty: { readonly run: Verb<GetOptions> } = {
  run: async (context, options, uri?: string) => {
    const { offset, humanReadable } = options;
    const value = await ask(context, uri, options, "admin", (handle) => handle.property(offset));
    const shown = shownOf(offset, value);
    return { data: dataOf(shown), text: () => textOf(shown, humanReadable === true) };
  },
};

interface SetOptions extends TargetOptions, ConsentOptions, DryRunOptions {
  readonly offset: number;
  readonly value: number;
}

/** `set-property`. */
export const setProperty: { readonly run: Verb<SetOptions> } = {
  run: async (context, options, uri?: string) => {
    const { offset, value } = options;
    if (propertyBytes(offset) === 8) throw usage(`${nameOf(offset)} cannot be written`);
    return ask(context, uri, options, "admin", async (handle) => {
      const command = propertySetCommand(offset, value);
      if (options.dryRun === true) return dryRun("admin", [command]);
      const what = `this sets ${nameOf(offset).toUpperCase()} of the controller to 0x${value.toString(16)}`;
      await confirm(context, what, options.yes === true);
      await handle.admin(command);
      context.notes.say(`${nameOf(offset).toLowerCase()} is set`);
      return { data: { offset, name: nameOf(offset).toLowerCase(), value }, text: () => "" };
    });
  },
};
