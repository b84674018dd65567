// Commands that manage a subsystem and its namespaces: the SQE fields that are theirs.
// Read first: Base 2.0 §5 "Admin Command Set", §7 "I/O Commands" (reservations); NVM Command Set 1.0
// §3.2.2 "Copy command".

import { command } from "../command.ts";
import { bits, u16, u32, u64n, u8, zeroBased } from "../field.ts";

const cdw10 = u32(40);
const cdw11 = u32(44);
const cdw12 = u32(48);
const cdw13 = u32(52);

/**
 * Namespace Management. Create carries an Identify Namespace structure of which the fields in
 * `IdentifyNamespace` that a host may choose count; Dword 0 of its completion is the NSID.
 * Base 2.0 §5.23 "Namespace Management command".
 */
export const NamespaceManagementCommand = command({
  sel: bits(cdw10, 0, 4), // Select, see `NamespaceManagement`
  csi: bits(cdw11, 24, 8), // Command Set Identifier of what is created
});

/** SEL of Namespace Management. Base 2.0 §5.23. */
export const NamespaceManagement = { Create: 0, Delete: 1 } as const;

/**
 * Namespace Attachment; the data are a Controller List. Base 2.0 §5.22 "Namespace Attachment
 * command".
 */
export const NamespaceAttachmentCommand = command({
  sel: bits(cdw10, 0, 4), // Select, see `NamespaceAttachment`
});

/** SEL of Namespace Attachment. Base 2.0 §5.22. */
export const NamespaceAttachment = { Attach: 0, Detach: 1 } as const;

/** Format NVM, no data. Base 2.0 §5.14 "Format NVM command". */
export const FormatNvmCommand = command({
  lbafl: bits(cdw10, 0, 4), // LBA Format, lower bits
  mset: bits(cdw10, 4, 1), // Metadata Settings: 1 metadata follows each block's data
  pi: bits(cdw10, 5, 3), // Protection Information: 0 none, 1 to 3 its type
  pil: bits(cdw10, 8, 1), // Protection Information Location: 1 first bytes of metadata
  ses: bits(cdw10, 9, 3), // Secure Erase Settings, see `SecureErase`
  lbafu: bits(cdw10, 12, 2), // LBA Format, upper bits
});

/** SES of Format NVM. Base 2.0 §5.14. */
export const SecureErase = { None: 0, UserData: 1, Cryptographic: 2 } as const;

/** Sanitize, no data. Base 2.0 §5.24 "Sanitize command". */
export const SanitizeCommand = command({
  sanact: bits(cdw10, 0, 3), // Sanitize Action, see `SanitizeAction`
  ause: bits(cdw10, 3, 1), // Allow Unrestricted Sanitize Exit
  owpass: bits(cdw10, 4, 4), // Overwrite Pass Count; 0 for 16
  oipbp: bits(cdw10, 8, 1), // Overwrite Invert Pattern Between Passes
  ndas: bits(cdw10, 9, 1), // No-Deallocate After Sanitize
  emvs: bits(cdw10, 10, 1), // Enter Media Verification State
  ovrpat: cdw11, // Overwrite Pattern
});

/** SANACT of Sanitize. Base 2.0 §5.24. */
export const SanitizeAction = {
  ExitFailureMode: 1,
  BlockErase: 2,
  Overwrite: 3,
  CryptoErase: 4,
} as const;

/** Device Self-test, no data. Base 2.0 §5.9 "Device Self-test command". */
export const DeviceSelfTestCommand = command({
  stc: bits(cdw10, 0, 4), // Self-test Code, see `SelfTest`
});

/** STC of Device Self-test, and the operations of its log. Base 2.0 §5.9. */
export const SelfTest = {
  None: 0,
  Short: 1,
  Extended: 2,
  VendorSpecific: 0xe,
  Abort: 0xf,
} as const;

/**
 * Reservation Register; the data are CRKEY and NRKEY. Base 2.0 §7.3 "Reservation Register command".
 */
export const ReservationRegisterCommand = command({
  rrega: bits(cdw10, 0, 3), // Reservation Register Action, see `RegisterAction`
  iekey: bits(cdw10, 3, 1), // Ignore Existing Key
  disnsrs: bits(cdw10, 4, 1), // Dispersed Namespace Reservation Support
  cptpl: bits(cdw10, 30, 2), // Change Persist Through Power Loss State, see `ChangePtpl`
});

/** RREGA. Base 2.0 §7.3. */
export const RegisterAction = { Register: 0, Unregister: 1, Replace: 2 } as const;

/** CPTPL: no change, released and cleared on power on, or kept. Base 2.0 §7.3. */
export const ChangePtpl = { NoChange: 0, Clear: 2, Persist: 3 } as const;

/**
 * Reservation Acquire; the data are CRKEY and PRKEY. Base 2.0 §7.2 "Reservation Acquire command".
 */
export const ReservationAcquireCommand = command({
  racqa: bits(cdw10, 0, 3), // Reservation Acquire Action, see `AcquireAction`
  iekey: bits(cdw10, 3, 1), // Ignore Existing Key
  disnsrs: bits(cdw10, 4, 1), // Dispersed Namespace Reservation Support
  rtype: bits(cdw10, 8, 8), // Reservation Type, see `ReservationType`
});

/** RACQA. Base 2.0 §7.2. */
export const AcquireAction = { Acquire: 0, Preempt: 1, PreemptAndAbort: 2 } as const;

/** Reservation Release; the data are CRKEY. Base 2.0 §7.4 "Reservation Release command". */
export const ReservationReleaseCommand = command({
  rrela: bits(cdw10, 0, 3), // Reservation Release Action, see `ReleaseAction`
  iekey: bits(cdw10, 3, 1), // Ignore Existing Key
  disnsrs: bits(cdw10, 4, 1), // Dispersed Namespace Reservation Support
  rtype: bits(cdw10, 8, 8), // Reservation Type, see `ReservationType`
});

/** RRELA. Base 2.0 §7.4. */
export const ReleaseAction = { Release: 0, Clear: 1 } as const;

/** Reservation Report. Base 2.0 §7.5 "Reservation Report command". */
export const ReservationReportCommand = command({
  numd: zeroBased(cdw10), // Number of Dwords to transfer
  eds: bits(cdw11, 0, 1), // Extended Data Structure: Host Identifiers of 128 bits
});

/** Copy; the data are source ranges, see `CopyRange`. NVM Command Set 1.0 §3.2.2 "Copy command". */
export const CopyCommand = command({
  sdlba: u64n(40), // Starting Destination LBA; compare with MAX_SAFE_INTEGER before use
  nr: zeroBased(u8(48)), // Number of Ranges, 1 to 256
  cdfmt: bits(cdw12, 8, 4), // Copy Descriptor Format, see `CopyFormat`
  prinfor: bits(cdw12, 12, 4), // Protection Information of the read part
  dtype: bits(cdw12, 20, 4), // Directive Type
  stcw: bits(cdw12, 24, 1), // Storage Tag Check of the write part
  stcr: bits(cdw12, 25, 1), // Storage Tag Check of the read part
  prinfow: bits(cdw12, 26, 4), // Protection Information of the write part
  fua: bits(cdw12, 30, 1), // Force Unit Access
  lr: bits(cdw12, 31, 1), // Limited Retry
  dspec: bits(cdw13, 16, 16), // Directive Specific
  ilbrt: u32(56), // Initial Logical Block Reference Tag
  lbat: u16(60), // Logical Block Application Tag
  lbatm: u16(62), // Logical Block Application Tag Mask
});

/** Write Uncorrectable, no data. NVM Command Set 1.0 §3.2.7 "Write Uncorrectable command". */
export const WriteUncorrectableCommand = command({
  slba: u64n(40), // Starting LBA
  nlb: zeroBased(u16(48)), // Number of Logical Blocks
});
