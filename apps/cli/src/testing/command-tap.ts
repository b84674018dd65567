// A relay in front of a target that keeps every command that comes by: what a host has sent, and nothing else.
// Read first: TCP 1.0 §3.6.2 "PDUs"; never-ready.ts speaks to a host by itself.

import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import {
  Cqe,
  Fctype,
  OPC_FABRICS,
  PduHeader,
  PduType,
  Property,
  PropertyGetCommand,
  Sqe,
  viewOf,
} from "@nvmeof/codec";
import { formatAddress } from "../address.ts";
import { NQN } from "./target.ts";

const SQE_OFFSET = 8;
/** CAP.NSSRS, in the upper half. */
const NSSRS_HIGH = 1 << 4;

/** What a relay has seen. */
export interface CommandTap extends AsyncDisposable {
  readonly uri: string;
  /** SQEs in their order. */
  readonly commands: readonly DataView[];
}

/** Calls `each` with every PDU of a stream. */
function pdus(each: (pdu: Buffer) => void): (chunk: Buffer) => void {
  let held = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= PduHeader.size && held.length >= held.readUInt32LE(4)) {
      const bytes = held.readUInt32LE(4);
      each(held.subarray(0, bytes));
      held = held.subarray(bytes);
    }
  };
}

const isCapRead = (sqe: DataView): boolean =>
  Sqe.opc.get(sqe, 0) === OPC_FABRICS &&
  PropertyGetCommand.fctype.get(sqe, 0) === Fctype.PropertyGet &&
  PropertyGetCommand.ofst.get(sqe, 0) === Property.Cap;

/** Relays one connection. The controller behind it seems to be able to reset its subsystem (CAP.NSSRS). */
function relay(host: Socket, port: number, commands: DataView[]): Socket {
  const target = connect(port, "127.0.0.1");
  let capCid = -1;
  host.on(
    "data",
    pdus((pdu) => {
      if (PduHeader.type.get(viewOf(pdu), 0) === PduType.CapsuleCmd) {
        const sqe = viewOf(Uint8Array.from(pdu.subarray(SQE_OFFSET, SQE_OFFSET + Sqe.size)));
        commands.push(sqe);
        if (isCapRead(sqe)) capCid = Sqe.cid.get(sqe, 0);
      }
      target.write(pdu);
    }),
  );
  target.on(
    "data",
    pdus((pdu) => {
      const copy = Uint8Array.from(pdu);
      const view = viewOf(copy);
      const isAnswer = PduHeader.type.get(view, 0) === PduType.CapsuleResp;
      if (isAnswer && Cqe.cid.get(view, SQE_OFFSET) === capCid) {
        Cqe.dw1.set(view, SQE_OFFSET, Cqe.dw1.get(view, SQE_OFFSET) | NSSRS_HIGH);
        capCid = -1;
      }
      host.write(copy);
    }),
  );
  for (const [from, to] of [
    [host, target],
    [target, host],
  ] as const) {
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  }
  return target;
}

/** Starts a relay on loopback to the target at `port`. */
export async function commandTap(port: number): Promise<CommandTap> {
  const commands: DataView[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((host) => {
    sockets.add(host);
    sockets.add(relay(host, port, commands));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: own } = server.address() as AddressInfo;
  return {
    uri: formatAddress({ host: "127.0.0.1", port: own, subsystemNqn: NQN }),
    commands,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
