// `resv …`: reservations of a namespace, in the words of their commands.
// Read first: Base 2.0 §8.19 "Reservations".

import { hexText, nameIn } from "@nvmeof/codec";
import {
  type RegistrantFacts,
  ReservationType,
  decodeReservationReport,
} from "@nvmeof/codec/management";
import {
  type IoCommand,
  reservationAcquireCommand,
  reservationRegisterCommand,
  reservationReleaseCommand,
  reservationReportCommand,
} from "@nvmeof/core";
import { ask, namespaceMeant } from "../ask.ts";
import { confirm } from "../confirm.ts";
import type { Context, Report, Verb } from "../context.ts";
import { type DryRunOptions, dryRun } from "../dry-run.ts";
import { fieldLines } from "../fields.ts";
import type { ConsentOptions, NamespaceOptions } from "../options.ts";
import type { Style } from "../style.ts";
import { type Column, table } from "../table.ts";

interface ChangeOptions extends NamespaceOptions, ConsentOptions, DryRunOptions {
  readonly crkey: bigint;
  readonly iekey?: boolean;
}

/** Sends one command, and says so. */
function change(
  context: Context,
  uri: string | undefined,
  options: ChangeOptions,
  command: (nsid: number) => IoCommand,
  what: string,
  consents: boolean,
): Promise<Report> {
  return ask(context, uri, options, "io", async (handle, endpoint) => {
    const nsid = await namespaceMeant(handle, endpoint);
    if (options.dryRun === true) return dryRun("io", [command(nsid)]);
    if (consents) await confirm(context, `${what} of namespace ${nsid}`, options.yes === true);
    await handle.io(command(nsid));
    return { data: { nsid }, text: () => "NVME Reservation success\n" };
  });
}

interface RegisterOptions extends ChangeOptions {
  readonly nrkey: bigint;
  readonly rrega: number;
  readonly cptpl: number;
}

/** `resv register`. */
export const register: { readonly run: Verb<RegisterOptions> } = {
  run: (context, options, uri?: string) => {
    const { rrega, crkey, nrkey, iekey, cptpl } = options;
    const request = {
      action: rrega,
      currentKey: crkey,
      newKey: nrkey,
      ignoreExistingKey: iekey === true,
      changePtpl: cptpl,
    };
    const command = (nsid: number): IoCommand => reservationRegisterCommand(nsid, request);
    return change(context, uri, options, command, "this changes registrations", false);
  },
};

interface AcquireOptions extends ChangeOptions {
  readonly prkey: bigint;
  readonly rtype: number;
  readonly racqa: number;
}

/** `resv acquire`; to preempt somebody it asks. */
export const acquire: { readonly run: Verb<AcquireOptions> } = {
  run: (context, options, uri?: string) => {
    const { racqa, rtype, crkey, prkey, iekey } = options;
    const request = {
      action: racqa,
      type: rtype,
      currentKey: crkey,
      preemptKey: prkey,
      ignoreExistingKey: iekey === true,
    };
    const command = (nsid: number): IoCommand => reservationAcquireCommand(nsid, request);
    const what = "this takes the reservation or the registration from other hosts";
    return change(context, uri, options, command, what, racqa !== 0);
  },
};

interface ReleaseOptions extends ChangeOptions {
  readonly rtype: number;
  readonly rrela: number;
}

/** `resv release`; to clear all of it, it asks. */
export const release: { readonly run: Verb<ReleaseOptions> } = {
  run: (context, options, uri?: string) => {
    const { rrela, rtype, crkey, iekey } = options;
    const request = {
      action: rrela,
      type: rtype,
      currentKey: crkey,
      ignoreExistingKey: iekey === true,
    };
    const command = (nsid: number): IoCommand => reservationReleaseCommand(nsid, request);
    return change(context, uri, options, command, "this ends all registrations", rrela !== 0);
  },
};

interface ReportOptions extends NamespaceOptions {
  readonly numd: number;
  readonly eds: boolean;
}

const columns: readonly Column<RegistrantFacts>[] = [
  {
    title: "Controller",
    value: ({ cntlid }) => (cntlid === 0xffff ? "-" : String(cntlid)),
    align: "right",
  },
  { title: "Holds", value: ({ holds }) => (holds ? "yes" : "no") },
  { title: "Key", value: ({ rkey }) => `0x${rkey.toString(16)}`, align: "right" },
  { title: "Host ID", value: ({ hostid }) => hexText(hostid) },
];

/** 64 bits, in JSON as far as a number can say it. */
const keyOf = (key: bigint): number | string =>
  key <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(key) : key.toString();

/** `resv report`. */
export const report: { readonly run: Verb<ReportOptions> } = {
  run: async (context, options, uri?: string) => {
    const data = new Uint8Array((options.numd + 1) * 4);
    const nsid = await ask(context, uri, options, "io", async (handle, endpoint) => {
      const meant = await namespaceMeant(handle, endpoint);
      await handle.io(reservationReportCommand(meant, data, options.eds));
      return meant;
    });
    const found = decodeReservationReport(data, options.eds);
    const { generation, rtype, ptpls, registrantCount, registrants } = found;
    const type = rtype === 0 ? "none" : nameIn(ReservationType, rtype).toLowerCase();
    const head = { generation, reservation: type, registrants: registrantCount, ptpls };
    return {
      data: { nsid, generation, rtype, type, ptpls, registrantCount, registrants },
      text: (style: Style) => fieldLines(head) + table(columns, registrants, style),
      binary: data,
      compat: () => ({
        gen: generation,
        rtype,
        regctl: registrantCount,
        ptpls,
        [options.eds ? "regctlext" : "regctls"]: registrants.map(
          ({ cntlid, holds, rkey, hostid }) => ({
            cntlid,
            rcsts: holds ? 1 : 0,
            rkey: keyOf(rkey),
            hostid: hexText(hostid),
          }),
        ),
      }),
    };
  },
};
