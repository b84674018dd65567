// Opcodes of the Admin, NVM and Fabrics command sets, and their names.
// Read first: Base 2.0 §5 "Admin Command Set", §6 "Fabrics Command Set", §7 "I/O Commands";
// NVM Command Set 1.0 §3 "I/O Commands for the NVM Command Set".

import { hexh, nameIn } from "./name.ts";

/**
 * Opcodes on the admin queue. Base 2.0 §5 "Admin Command Set", with those of Base 2.3. The four
 * that create and delete queues are illegal over fabrics.
 */
export const AdminOpcode = {
  DeleteIoSq: 0x00,
  CreateIoSq: 0x01,
  GetLogPage: 0x02,
  DeleteIoCq: 0x04,
  CreateIoCq: 0x05,
  Identify: 0x06,
  Abort: 0x08,
  SetFeatures: 0x09,
  GetFeatures: 0x0a,
  AsyncEventRequest: 0x0c,
  NamespaceManagement: 0x0d,
  FirmwareCommit: 0x10,
  FirmwareImageDownload: 0x11,
  DeviceSelfTest: 0x14,
  NamespaceAttachment: 0x15,
  KeepAlive: 0x18,
  DirectiveSend: 0x19,
  DirectiveReceive: 0x1a,
  VirtualizationManagement: 0x1c,
  NvmeMiSend: 0x1d,
  NvmeMiReceive: 0x1e,
  CapacityManagement: 0x20,
  DiscoveryInformationManagement: 0x21,
  FabricZoningReceive: 0x22,
  Lockdown: 0x24,
  FabricZoningLookup: 0x25,
  ClearExportedNvmResourceConfiguration: 0x28,
  FabricZoningSend: 0x29,
  CreateExportedNvmSubsystem: 0x2a,
  ManageExportedNvmSubsystem: 0x2d,
  ManageExportedNamespace: 0x31,
  ManageExportedPort: 0x35,
  CrossControllerReset: 0x38,
  SendDiscoveryLogPage: 0x39,
  TrackSend: 0x3d,
  TrackReceive: 0x3e,
  MigrationSend: 0x41,
  MigrationReceive: 0x42,
  ControllerDataQueue: 0x45,
  DoorbellBufferConfig: 0x7c,
  Fabrics: 0x7f,
  FormatNvm: 0x80,
  SecuritySend: 0x81,
  SecurityReceive: 0x82,
  Sanitize: 0x84,
  LoadProgram: 0x85,
  GetLbaStatus: 0x86,
  ProgramActivationManagement: 0x88,
  MemoryRangeSetManagement: 0x89,
  SanitizeNamespace: 0x8c,
} as const;
export type AdminOpcode = (typeof AdminOpcode)[keyof typeof AdminOpcode];

/**
 * Opcodes on I/O queues, for namespaces of the NVM Command Set and of those built on it.
 * NVM Command Set 1.0 §3 "I/O Commands for the NVM Command Set"; Base 2.0 §7 "I/O Commands"; Zoned
 * Namespace Command Set 1.1 §3.
 */
export const NvmOpcode = {
  Flush: 0x00,
  Write: 0x01,
  Read: 0x02,
  WriteUncorrectable: 0x04,
  Compare: 0x05,
  WriteZeroes: 0x08,
  DatasetManagement: 0x09,
  Verify: 0x0c,
  ReservationRegister: 0x0d,
  ReservationReport: 0x0e,
  ReservationAcquire: 0x11,
  IoManagementReceive: 0x12,
  ReservationRelease: 0x15,
  Cancel: 0x18,
  Copy: 0x19,
  IoManagementSend: 0x1d,
  ZoneManagementSend: 0x79,
  ZoneManagementReceive: 0x7a,
  ZoneAppend: 0x7d,
  Fabrics: 0x7f,
} as const;
export type NvmOpcode = (typeof NvmOpcode)[keyof typeof NvmOpcode];

/**
 * Fabrics Command Types (FCTYPE), byte 4 of a command with opcode 7Fh. Base 2.0 §6 "Fabrics Command
 * Set".
 */
export const Fctype = {
  PropertySet: 0x00,
  Connect: 0x01,
  PropertyGet: 0x04,
  AuthenticationSend: 0x05,
  AuthenticationReceive: 0x06,
  Disconnect: 0x08,
} as const;
export type Fctype = (typeof Fctype)[keyof typeof Fctype];

/** The opcode of every Fabrics command, on admin and I/O queues; FCTYPE says which one it is. */
export const OPC_FABRICS = 0x7f;

/**
 * The name of a command, for people: "Get Log Page", "Connect". What is not in the tables is named
 * by its range and number: "vendor specific (C1h)", "unknown (0Fh)".
 *
 * @param fctype byte 4 of the SQE, looked at for opcode 7Fh only.
 */
export function opcodeName(queueIsAdmin: boolean, opc: number, fctype = -1): string {
  const fabrics = opc === OPC_FABRICS && fctype >= 0;
  const [table, code]: [Readonly<Record<string, number>>, number] = fabrics
    ? [Fctype, fctype]
    : [queueIsAdmin ? AdminOpcode : NvmOpcode, opc];
  // C0h to FFh are the vendor's among admin opcodes and FCTYPEs, 80h to FFh among I/O opcodes.
  const vendor = code >= (queueIsAdmin || fabrics ? 0xc0 : 0x80);
  return vendor ? `vendor specific (${hexh(code)})` : nameIn(table, code);
}
