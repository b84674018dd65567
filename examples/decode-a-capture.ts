// Decode what went over an NVMe/TCP connection, with the codec alone: this runs in a browser as well.
//
// The bytes are as Wireshark saves them by "Follow, TCP Stream, Raw". For whole captures, with both
// directions, losses and verdicts, there is `CaptureDecoder` of @nvmeof/tools/capture.
//
// Expected output:
//   CapsuleCmd: Read, CID 42, namespace 1, 8 blocks from LBA 256
//   CapsuleCmd: Read, CID 43, namespace 1, 8 blocks from LBA 4096
//   C2HData: CID 42, bytes 0 to 15
//   CapsuleResp: CID 42, Successful Completion
//   CapsuleResp: CID 43, LBA Out of Range, not to be retried
import {
  CAPSULE_OFFSET,
  Cqe,
  DataPdu,
  PduHeader,
  PduType,
  RwCommand,
  Sqe,
  cqeStatus,
  describeStatus,
  hexBytes,
  opcodeName,
  pduName,
  viewOf,
} from "@nvmeof/codec";

const fromHost = hexBytes(`
  04 00 48 00  48 00 00 00   02 40 2a 00  01 00 00 00   00 00 00 00  00 00 00 00
  00 00 00 00  00 00 00 00   00 00 00 00  00 00 00 00   00 10 00 00  00 00 00 5a
  00 01 00 00  00 00 00 00   07 00 00 00  00 00 00 00   00 00 00 00  00 00 00 00
  04 00 48 00  48 00 00 00   02 40 2b 00  01 00 00 00   00 00 00 00  00 00 00 00
  00 00 00 00  00 00 00 00   00 00 00 00  00 00 00 00   00 10 00 00  00 00 00 5a
  00 10 00 00  00 00 00 00   07 00 00 00  00 00 00 00   00 00 00 00  00 00 00 00`);

const fromController = hexBytes(`
  07 04 18 18  28 00 00 00   2a 00 00 00  00 00 00 00   10 00 00 00  00 00 00 00
  68 65 6c 6c  6f 2c 20 62   6c 6f 63 6b  73 00 00 00
  05 00 18 00  18 00 00 00   00 00 00 00  00 00 00 00   01 00 01 00  2a 00 00 00
  05 00 18 00  18 00 00 00   00 00 00 00  00 00 00 00   02 00 01 00  2b 00 00 81`);

/** What one PDU says, in a line. `at` is where it begins; one view serves the whole capture. */
function describe(view: DataView, at: number): string {
  const type = PduHeader.type.get(view, at);
  const capsule = at + CAPSULE_OFFSET; // an SQE or a CQE follows the common header
  if (type === PduType.CapsuleCmd) {
    const name = opcodeName(false, Sqe.opc.get(view, capsule)); // of an I/O queue
    const [cid, nsid] = [Sqe.cid.get(view, capsule), Sqe.nsid.get(view, capsule)];
    const [slba, nlb] = [RwCommand.slba.get(view, capsule), RwCommand.nlb.get(view, capsule)];
    return `${name}, CID ${cid}, namespace ${nsid}, ${nlb} blocks from LBA ${slba}`;
  }
  if (type === PduType.CapsuleResp) {
    const { name, dnr } = describeStatus(cqeStatus.get(view, capsule));
    return `CID ${Cqe.cid.get(view, capsule)}, ${name}${dnr ? ", not to be retried" : ""}`;
  }
  const [datao, datal] = [DataPdu.datao.get(view, at), DataPdu.datal.get(view, at)];
  return `CID ${DataPdu.cccid.get(view, at)}, bytes ${datao} to ${datao + datal - 1}`;
}

for (const bytes of [fromHost, fromController]) {
  const view = viewOf(bytes);
  // PLEN says where the next one begins. What a stranger sends has to pass `checkPduHeader` first.
  for (let at = 0; at < bytes.length; at += PduHeader.plen.get(view, at)) {
    console.log(`${pduName(PduHeader.type.get(view, at))}: ${describe(view, at)}`);
  }
}
