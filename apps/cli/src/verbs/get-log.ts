// `get-log`: any log page, as bytes.

import { DataDirection, GetLogPageCommand, AdminOpcode, NSID_ALL } from "@nvmeof/codec";
import { ask } from "../ask.ts";
import type { Verb } from "../context.ts";
import { usage } from "../errors.ts";
import { hexDump } from "../hex-dump.ts";
import type { NamespaceOptions } from "../options.ts";

interface Options extends NamespaceOptions {
  readonly logId: number;
  readonly logLen: number;
  readonly lpo: number;
  readonly lsp: number;
  readonly lsi: number;
  readonly csi: number;
  readonly uuidIndex: number;
  readonly rae?: boolean;
  readonly ot?: boolean;
}

/** More than this is not held in memory. */
const LOG_BYTES_MAX = 64 * 1024 * 1024;
const PIECE_BYTES = 4096;

export const run: Verb<Options> = async (context, options, uri?: string) => {
  const { logId, logLen, lpo } = options;
  if (logLen === 0 || logLen % 4 !== 0 || logLen > LOG_BYTES_MAX) {
    throw usage(`--log-len must be a multiple of 4, up to ${LOG_BYTES_MAX}, not ${logLen}`);
  }
  const log = new Uint8Array(logLen);
  await ask(context, uri, options, "admin", async (handle, endpoint) => {
    // With an index in place of an offset there is no telling where the next piece begins.
    const step = options.ot === true ? logLen : PIECE_BYTES;
    for (let at = 0; at < logLen; at += step) {
      const data = log.subarray(at, Math.min(at + step, logLen));
      const isLast = at + step >= logLen;
      await handle.admin({
        opcode: AdminOpcode.GetLogPage,
        nsid: endpoint.nsid ?? NSID_ALL,
        fill: (sqe) => {
          GetLogPageCommand.lid.set(sqe, 0, logId);
          GetLogPageCommand.lsp.set(sqe, 0, options.lsp);
          GetLogPageCommand.rae.set(sqe, 0, !isLast || options.rae === true ? 1 : 0);
          GetLogPageCommand.numd.set(sqe, 0, data.length / 4);
          GetLogPageCommand.lsi.set(sqe, 0, options.lsi);
          GetLogPageCommand.lpo.set(sqe, 0, lpo + at);
          GetLogPageCommand.uidx.set(sqe, 0, options.uuidIndex);
          GetLogPageCommand.ot.set(sqe, 0, options.ot === true ? 1 : 0);
          GetLogPageCommand.csi.set(sqe, 0, options.csi);
        },
        direction: DataDirection.ToHost,
        data,
      });
    }
  });
  return {
    data: { lid: logId, offset: lpo, bytes: logLen, content: log },
    text: () => hexDump(log, lpo),
    binary: log,
  };
};
