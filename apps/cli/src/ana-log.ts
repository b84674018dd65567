// Reads the ANA log no further than it goes: a controller refuses what lies beyond its end.
// Read first: Base 2.0 §5.16.1.13 "Asymmetric Namespace Access".

import { type AnaLog, Lid, anaLogBytesMax, decodeAnaLog } from "@nvmeof/codec";
import type { ControllerHandle } from "@nvmeof/core";

/** Of one request, so that no piece of it is a request of its own. */
const PIECE_BYTES = 4096;
/** As many namespaces as it is read for. */
const NAMESPACES_MAX = 65_536;

/** The log as it came, up to the piece that completes it. */
export async function anaLogBytes(
  handle: ControllerHandle,
  parameters: { readonly lsp?: number } = {},
): Promise<Uint8Array> {
  const { anagrpmax, nanagrpid, mnan, nn } = handle.facts.identify;
  const most = anaLogBytesMax(nanagrpid, Math.min(mnan || nn, NAMESPACES_MAX));
  const log = new Uint8Array(most);
  for (let offset = 0; ; offset += PIECE_BYTES) {
    const bytes = Math.min(PIECE_BYTES, most - offset);
    // The first piece counts as having seen the change: one that comes between brings another event.
    const request = { lid: Lid.Ana, nsid: 0xffff_ffff, ...parameters, offset, rae: offset > 0 };
    log.set(await handle.logPage(request, bytes), offset);
    const sofar = log.subarray(0, offset + bytes);
    try {
      decodeAnaLog(sofar, anagrpmax);
      return sofar;
    } catch (error) {
      // Not all of it yet, or not to be understood at all.
      if (sofar.length === most) throw error;
    }
  }
}

/** The log, understood. */
export const readAnaLog = async (handle: ControllerHandle): Promise<AnaLog> =>
  decodeAnaLog(await anaLogBytes(handle), handle.facts.identify.anagrpmax);
