// `feat …`, `get-feature` and `set-feature`: one feature, read or set.

import { FeatureSelect, NSID_ALL } from "@nvmeof/codec";
import { featureOf, featureTable } from "@nvmeof/codec/management";
import { type ControllerHandle, setFeatureCommand } from "@nvmeof/core";
import { ask } from "../ask.ts";
import { confirm } from "../confirm.ts";
import type { Context, Report, Verb } from "../context.ts";
import { type DryRunOptions, dryRun } from "../dry-run.ts";
import { usage } from "../errors.ts";
import {
  type SelectName,
  type FeatureValue,
  featureName,
  featureShown,
  readFeature,
  selectOf,
} from "../features.ts";
import { readWholeFile } from "../files.ts";
import type { ConsentOptions, NamespaceOptions } from "../options.ts";
import { onlyNamespace } from "../session.ts";
import type { Endpoint } from "../target-options.ts";

interface GetOptions extends NamespaceOptions {
  readonly featureId?: number;
  readonly sel: SelectName;
  readonly dataLen?: number;
  readonly cdw11?: number;
  readonly uuidIndex?: number;
}

interface SetOptions extends NamespaceOptions, ConsentOptions, DryRunOptions {
  readonly featureId: number;
  readonly value?: number;
  readonly cdw12?: number;
  readonly save?: boolean;
  readonly data?: string;
  readonly dataLen?: number;
  readonly uuidIndex?: number;
}

/** Whose feature is meant: the only namespace where the feature is one of namespaces. */
const meant = async (
  handle: ControllerHandle,
  { nsid }: Endpoint,
  fid: number,
): Promise<number | undefined> =>
  nsid ?? (featureOf(fid)?.perNamespace === true ? onlyNamespace(handle) : undefined);

async function get(context: Context, options: GetOptions, uri: string | undefined, fid: number) {
  const found = await ask(context, uri, options, "admin", async (handle, endpoint) =>
    readFeature(handle, {
      fid,
      select: selectOf(options.sel),
      nsid: await meant(handle, endpoint, fid),
      cdw11: options.cdw11,
      uidx: options.uuidIndex,
      dataBytes: options.dataLen,
    }),
  );
  return { ...featureShown(found), binary: found.bytes ?? dword(found.value) };
}

const dword = (value: number): Uint8Array =>
  Uint8Array.from({ length: 4 }, (_, i) => (value >>> (8 * i)) & 0xff);

/** `get-feature`: the one that was named, or all that there are. */
export const getFeature: { readonly run: Verb<GetOptions> } = {
  run: async (context, options, uri?: string) => {
    const { featureId } = options;
    return featureId === undefined
      ? all(context, options, uri)
      : get(context, options, uri, featureId);
  },
};

/** Every feature of the table that the controller has. */
async function all(
  context: Context,
  options: GetOptions,
  uri: string | undefined,
): Promise<Report> {
  const found = await ask(context, uri, options, "admin", async (handle, endpoint) => {
    const values: FeatureValue[] = [];
    for (const { fid, perNamespace } of featureTable) {
      const nsid = perNamespace ? (endpoint.nsid ?? NSID_ALL) : undefined;
      const request = { fid, select: selectOf(options.sel), nsid };
      // Those that there are not are refused, which is what is to be found out.
      const value = await readFeature(handle, request).catch((error: unknown) => {
        if ((error as { code?: string }).code === "NVME_ERR_STATUS") return undefined;
        throw error;
      });
      if (value !== undefined) values.push(value);
    }
    return values;
  });
  const shown = found.map(featureShown);
  return {
    data: { features: shown.map(({ data }) => data) },
    text: (style) => shown.map(({ text }) => text(style)).join(""),
  };
}

async function setDataOf(options: SetOptions, wanted: number): Promise<Uint8Array | undefined> {
  const { data: file } = options;
  const bytes = options.dataLen ?? wanted;
  if (file === undefined) {
    if (bytes === 0) return undefined;
    throw usage(`this feature has ${bytes} bytes of data`, "Give a file with them: -d <file>.");
  }
  const content = await readWholeFile(file);
  if (bytes !== 0 && content.length !== bytes) {
    throw usage(`${file} has ${content.length} bytes, the feature has ${bytes}`);
  }
  return content;
}

async function set(context: Context, options: SetOptions, uri: string | undefined, fid: number) {
  const facts = featureOf(fid);
  const data = await setDataOf(options, facts?.dataBytes ?? 0);
  const { value = 0, cdw12 = 0, save = false, uuidIndex: uidx = 0 } = options;
  if (options.value === undefined && data === undefined) {
    throw usage("which value?", "Give it with --value, or its data with -d.");
  }
  return ask(context, uri, options, "admin", async (handle, endpoint) => {
    const nsid = (await meant(handle, endpoint, fid)) ?? 0;
    const command = setFeatureCommand(fid, value, data, { nsid, cdw12, save, uidx });
    if (options.dryRun === true) return dryRun("admin", [command]);
    const name = featureName(fid);
    await confirm(context, `this sets ${name} (0x${fid.toString(16)})`, options.yes === true);
    const { dw0 } = await handle.admin(command);
    context.notes.say(`${name} is set`);
    return { data: { fid, name, value: data === undefined ? value : null, dw0 }, text: () => "" };
  });
}

/** `set-feature`. */
export const setFeature: { readonly run: Verb<SetOptions> } = {
  run: (context, options, uri?: string) => set(context, options, uri, options.featureId),
};

/** `feat <key>`: reads the feature; with --value or -d sets it. */
export const verbOf = (key: string): { readonly run: Verb<GetOptions & SetOptions> } => ({
  run: async (context, options, uri?: string) => {
    const { fid } = featureTable.find((each) => each.key === key)!;
    const sets = options.value !== undefined || options.data !== undefined;
    if (sets && options.sel !== "current") {
      throw usage("--sel asks for a value, and --value sets one", "Give one of them.");
    }
    if (!sets && options.dryRun === true) {
      throw usage("--dry-run: nothing is to be set", "Give --value or -d, or leave out --dry-run.");
    }
    return sets ? set(context, options, uri, fid) : get(context, options, uri, fid);
  },
});

/** SEL of the capabilities. */
export const CAPABILITIES = FeatureSelect.Capabilities;
