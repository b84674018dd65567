// A controller that takes a host's connection, and never gets ready: CSTS.RDY stays 0.
// Read first: Base 2.0 §3.5.1 "Memory-based Controller Initialization", whose steps fabrics share.

import type { Socket } from "node:net";
import {
  Cqe,
  Fctype,
  IcResp,
  OPC_FABRICS,
  PduHeader,
  PduType,
  PropertyGetCommand,
  Property,
  Sqe,
  encoded,
  viewOf,
} from "@nvmeof/codec";

/** 128 entries, 500 ms to get ready, the NVM command set. */
const CAP_LOW = 0x0101_007f;
const CAP_HIGH = 1 << 5;

const VS_2_0 = 0x0002_0000;

function pdu(type: PduType, hlen: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(hlen);
  const view = viewOf(bytes);
  fill(view);
  PduHeader.type.set(view, 0, type);
  PduHeader.hlen.set(view, 0, hlen);
  PduHeader.plen.set(view, 0, hlen);
  return bytes;
}

/** What a property holds, as the two halves of a completion. */
function propertyValue(offset: number): readonly [low: number, high: number] {
  if (offset === Property.Cap) return [CAP_LOW, CAP_HIGH];
  return [offset === Property.Vs ? VS_2_0 : 0, 0];
}

function answer(capsule: DataView): Uint8Array {
  const sqe = 8;
  const type =
    Sqe.opc.get(capsule, sqe) === OPC_FABRICS ? PropertyGetCommand.fctype.get(capsule, sqe) : -1;
  const [low, high] =
    type === Fctype.PropertyGet ? propertyValue(PropertyGetCommand.ofst.get(capsule, sqe)) : [1, 0];
  return pdu(PduType.CapsuleResp, 24, (view) => {
    Cqe.dw0.set(view, 8, low);
    Cqe.dw1.set(view, 8, high);
    Cqe.cid.set(view, 8, Sqe.cid.get(capsule, sqe));
  });
}

/** Serves one connection. */
export function neverReady(socket: Socket): void {
  let held = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= PduHeader.size && held.length >= held.readUInt32LE(4)) {
      const view = viewOf(held.subarray(0, held.readUInt32LE(4)));
      held = held.subarray(view.byteLength);
      if (PduHeader.type.get(view, 0) === PduType.ICReq) {
        const fields = viewOf(encoded(IcResp, { pfv: 0, maxh2cdata: 131_072 }));
        socket.write(
          pdu(PduType.ICResp, IcResp.size, (into) => {
            for (let at = 0; at < IcResp.size; at++) into.setUint8(at, fields.getUint8(at));
          }),
        );
      } else socket.write(answer(view));
    }
  });
}
