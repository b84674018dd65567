// What a Connect says of the queue that it connects.
// Read first: Base 2.0 §6.3 "Connect Command and Response".

import {
  ConnectCommand,
  ConnectData,
  ConnectResult,
  decodeDwords,
  uuidText,
  viewOf,
} from "@nvmeof/codec";
import type { CapturedCommand } from "./command.ts";
import type { Connected } from "./connection.ts";

/** What the capsule of a Connect asks for. */
export function noteConnect({ sqe, data }: CapturedCommand): Connected {
  const view = data !== undefined && data.length >= ConnectData.size ? viewOf(data) : undefined;
  const qid = ConnectCommand.qid.get(sqe);
  return {
    qid,
    entries: ConnectCommand.sqsize.get(sqe),
    hostId: view === undefined ? undefined : uuidText(ConnectData.hostid.get(view)),
    hostNqn: view === undefined ? undefined : ConnectData.hostnqn.get(view),
    subsystemNqn: view === undefined ? undefined : ConnectData.subnqn.get(view),
    keepAliveTimeoutMs: qid === 0 ? ConnectCommand.kato.get(sqe) : 0,
    disablesFlowControl: ConnectCommand.dsqfc.get(sqe) === 1,
    cntlid: undefined,
  };
}

/** The same once it was answered with success; its data may have come since, in answer to an R2T. */
export const acceptConnect = (command: CapturedCommand, dw0: number): Connected => ({
  ...noteConnect(command),
  cntlid: decodeDwords(ConnectResult, dw0).cntlid,
});
