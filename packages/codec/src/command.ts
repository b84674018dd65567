// Commands of the Admin and NVM command sets: the SQE fields that are theirs, and their results.
// Read first: Base 2.0 §5 "Admin Command Set", §3.3.3.1 "Common Command Format"; NVM Command Set
// 1.0 §3 "I/O Commands for the NVM Command Set"; Base 2.3 §5.4.3 "Cross-Controller Reset command".

import { bits, u16, u32, u64, u64n, u8, zeroBased } from "./field.ts";
import { Sqe } from "./sqe.ts";

/**
 * A command's SQE: the fields that all commands have, and those of this one, so that `encode`
 * writes a whole SQE and `decode` reads one.
 */
/* @__NO_SIDE_EFFECTS__ */
export function command<F extends object>(fields: F) {
  const { opc, fuse, psdt, cid, nsid, mptr, sglAddress, sglLength, sglId } = Sqe;
  return {
    size: 64 as const,
    opc,
    fuse,
    psdt,
    cid,
    nsid,
    mptr,
    sglAddress,
    sglLength,
    sglId,
    ...fields,
  };
}

const cdw10 = u32(40);
const cdw11 = u32(44);
const cdw12 = u32(48);
const cdw13 = u32(52);
const cdw14 = u32(56);
const uidx = bits(cdw14, 0, 7); // UUID Index

/** Identify. Base 2.0 §5.17 "Identify command". Which structure is asked for: `Cns`. */
export const IdentifyCommand = command({
  cns: u8(40), // Controller or Namespace Structure
  cntid: u16(42), // Controller Identifier
  cnssid: u16(44), // CNS Specific Identifier: NVM Set, domain, endurance group …
  csi: u8(47), // Command Set Identifier
  uidx,
});

/** Get Log Page. Base 2.0 §5.16 "Get Log Page command". Which log: `Lid`. */
export const GetLogPageCommand = command({
  lid: u8(40), // Log Page Identifier
  lsp: bits(u8(41), 0, 7), // Log Specific Parameter
  rae: bits(u8(41), 7, 1), // Retain Asynchronous Event
  // NUMDL and NUMDU, in CDW10 and CDW11, lie side by side: one number of 32 bits.
  numd: zeroBased(u32(42)), // Number of Dwords
  lsi: u16(46), // Log Specific Identifier
  lpo: u64n(48), // Log Page Offset: bytes, or an index where `ot` is 1
  uidx,
  ot: bits(cdw14, 23, 1), // Offset Type
  csi: bits(cdw14, 24, 8), // Command Set Identifier
});

/** Set Features. Base 2.0 §5.27 "Set Features command". Which feature: `Fid`. */
export const SetFeaturesCommand = command({
  fid: bits(cdw10, 0, 8), // Feature Identifier
  sv: bits(cdw10, 31, 1), // Save
  cdw11, // the value, where the feature has no data
  cdw12,
  cdw13,
  uidx,
});

/** Get Features. Base 2.0 §5.15 "Get Features command". Which feature: `Fid`. */
export const GetFeaturesCommand = command({
  fid: bits(cdw10, 0, 8), // Feature Identifier
  sel: bits(cdw10, 8, 3), // Select, see `FeatureSelect`
  cdw11,
  uidx,
});

/** Which value Get Features asks for (SEL). Base 2.0 §5.15 "Get Features command". */
export const FeatureSelect = { Current: 0, Default: 1, Saved: 2, Capabilities: 3 } as const;
export type FeatureSelect = (typeof FeatureSelect)[keyof typeof FeatureSelect];

/** Abort. Base 2.0 §5.1 "Abort command". */
export const AbortCommand = command({
  sqid: u16(40), // Submission Queue Identifier of the command to abort
  abortedCid: u16(42), // CID of the command to abort; the spec calls it CID as well
});

/** Result of Abort, Dword 0. Base 2.0 §5.1.1 "Command Completion". */
export const AbortResult = {
  size: 4,
  ianp: bits(u32(0), 0, 1), // Immediate Abort Not Performed: 1 when the command was not aborted
} as const;

/** Cross-Controller Reset, no data. Base 2.3 §5.4.3 "Cross-Controller Reset command". */
export const CrossControllerResetCommand = command({
  icid: u16(40), // Impacted Controller ID
  ciu: u8(42), // Controller Instance Uniquifier of the impacted controller
  cirn: u64(48), // Controller Instance Random Number of the impacted controller
});

/** Result of Cross-Controller Reset, Dword 0. Base 2.3 §5.4.3 "Cross-Controller Reset command". */
export const CrossControllerResetResult = {
  size: 4,
  irs: bits(u32(0), 0, 1), // Immediate Reset Successful: nothing more will be reported
} as const;

const slba = u64n(40); // Starting LBA; compare with MAX_SAFE_INTEGER before use
const nlb = zeroBased(u16(48)); // Number of Logical Blocks
const stc = bits(cdw12, 24, 1); // Storage Tag Check
const prinfo = bits(cdw12, 26, 4); // Protection Information: PRACT and PRCHK
const fua = bits(cdw12, 30, 1); // Force Unit Access
const lr = bits(cdw12, 31, 1); // Limited Retry

/**
 * Read and Write. NVM Command Set 1.0 §3.2.4 "Read command", §3.2.6 "Write command". For the I/O
 * path: read and write single fields.
 */
export const RwCommand = command({
  slba,
  nlb,
  cetype: bits(cdw12, 16, 4), // Command Extension Type
  dtype: bits(cdw12, 20, 4), // Directive Type
  stc,
  prinfo,
  fua,
  lr,
  dsm: bits(cdw13, 0, 8), // Dataset Management hints
  dspec: bits(cdw13, 16, 16), // Directive Specific
  ilbrt: cdw14, // Initial (Expected) Logical Block Reference Tag
  lbat: u16(60), // Logical Block Application Tag
  lbatm: u16(62), // Logical Block Application Tag Mask
});

/** Compare. NVM Command Set 1.0 §3.2.1 "Compare command". Fails with `Status.CompareFailure`. */
export const CompareCommand = command({ slba, nlb, stc, prinfo, fua, lr });

/** Verify, no data. NVM Command Set 1.0 §3.2.5 "Verify command". */
export const VerifyCommand = command({ slba, nlb, stc, prinfo, fua, lr });

/** Write Zeroes, no data. NVM Command Set 1.0 §3.2.8 "Write Zeroes command". */
export const WriteZeroesCommand = command({
  slba,
  nlb,
  stc,
  deac: bits(cdw12, 25, 1), // Deallocate
  prinfo,
  fua,
  lr,
});

/**
 * Dataset Management; the data are `nr` ranges, see {@link DsmRange}.
 * NVM Command Set 1.0 §3.2.3 "Dataset Management command".
 */
export const DsmCommand = command({
  nr: zeroBased(u8(40)), // Number of Ranges, 1 to 256
  idr: bits(cdw11, 0, 1), // Attribute – Integral Dataset for Read
  idw: bits(cdw11, 1, 1), // Attribute – Integral Dataset for Write
  ad: bits(cdw11, 2, 1), // Attribute – Deallocate
});

/**
 * One range of Dataset Management, 16 bytes. NVM Command Set 1.0 §3.2.3 "Dataset Management
 * command".
 */
export const DsmRange = {
  size: 16,
  cattr: u32(0), // Context Attributes
  nlb: u32(4), // Length in logical blocks; not 0's based
  slba: u64n(8), // Starting LBA
} as const;
