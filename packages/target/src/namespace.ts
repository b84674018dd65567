// One namespace: a block device with the names and settings that hosts see.
// Read first: Base 2.0 §4.7 "Unique Identifier", NVM Command Set 1.0 §4.1.5 "Identify Command".

import type { BlockDevice } from "@nvmeof/bdev";
import { hexText, uuidBytes } from "@nvmeof/codec";
import { derivedUuid } from "./identity.ts";
import { Reservations } from "./reservations.ts";
import type { Seat } from "./seat.ts";

/** A block device as a namespace. */
export interface NamespaceOptions {
  /** Stays its owner's: neither the namespace nor the target closes it. */
  readonly device: BlockDevice;
  /** Namespace ID, from 1. Default: the lowest that is free. */
  readonly nsid?: number | undefined;
  /** RFC 9562 text. Default: the device's, else made of NQN, NSID and device name. */
  readonly uuid?: string | undefined;
  /** Namespace Globally Unique Identifier, 16 bytes. Default: the device's, if it has one. */
  readonly nguid?: Uint8Array | undefined;
  /** IEEE Extended Unique Identifier, 8 bytes. Default: the device's, if it has one. */
  readonly eui64?: Uint8Array | undefined;
  /** ANA group, from 1. Default 1. */
  readonly anaGroup?: number | undefined;
  /** Refuse what changes blocks. Default: whether the device does. */
  readonly readOnly?: boolean | undefined;
  /**
   * Whom it is attached to until hosts say otherwise (Namespace Attachment): all controllers, or none.
   * Default "all".
   */
  readonly attach?: "all" | "none" | undefined;
  /** Several controllers may have it at the same time (NMIC). Default true. */
  readonly isShared?: boolean | undefined;
  /** Hosts may delete it; its device then goes back to the provider. Default false. */
  readonly isManaged?: boolean | undefined;
  /** Hosts that may be registered for reservations at the same time. Default 256. */
  readonly registrantsMax?: number | undefined;
}

const REGISTRANTS_MAX = 256;

/** The one endurance group that all namespaces of a subsystem are in. */
export const ENDURANCE_GROUP = 1;

/** What hosts did, for SMART / Health. */
export class Counters {
  readBytes = 0;
  writtenBytes = 0;
  readCommands = 0;
  writeCommands = 0;
  mediaErrors = 0;

  add(other: Counters): void {
    this.readBytes += other.readBytes;
    this.writtenBytes += other.writtenBytes;
    this.readCommands += other.readCommands;
    this.writeCommands += other.writeCommands;
    this.mediaErrors += other.mediaErrors;
  }
}

/** A namespace of a subsystem. */
export class Namespace {
  readonly nsid: number;
  readonly device: BlockDevice;
  /** RFC 9562 text, lower case. */
  readonly uuid: string;
  readonly nguid: Uint8Array | undefined;
  readonly eui64: Uint8Array | undefined;
  readonly anaGroup: number;
  readonly attach: "all" | "none";
  readonly isShared: boolean;
  readonly isManaged: boolean;
  readonly reservations: Reservations;
  /** Queues that use it, and those that are gone while its device still has requests of theirs. */
  readonly seats = new Set<Seat>();
  /** What commands have to look at first, see `Guard`; 0 for nothing. Read for every I/O command. */
  guard = 0;
  /** How much of a format is done, 0 to 1; undefined when there is none. */
  formatProgress: number | undefined;
  /** A host has set it to be write protected. */
  writeProtection: "none" | "protected" = "none";
  readonly #ownReadOnly: boolean;
  readonly blockBytes: number;
  /** Number of blocks now. */
  blockCount: number;
  readonly counters = new Counters();
  /** Most blocks of one request to the device that moves data. */
  readonly transferBlocksMax: number;
  /** Such a request may not cross a multiple of this; 0 for no such boundary. */
  readonly boundaryBlocks: number;

  /** @throws RangeError for an identifier of the wrong length, NqnError for a bad UUID. */
  constructor(nqn: string, nsid: number, options: NamespaceOptions) {
    const { device } = options;
    const { identity } = device;
    this.nsid = nsid;
    this.device = device;
    this.uuid = options.uuid ?? identity.uuid ?? derivedUuid(`${nqn} ${nsid} ${device.name}`);
    uuidBytes(this.uuid);
    this.nguid = ofLength("nguid", 16, options.nguid ?? identity.nguid);
    this.eui64 = ofLength("eui64", 8, options.eui64 ?? identity.eui64);
    this.anaGroup = options.anaGroup ?? 1;
    this.attach = options.attach ?? "all";
    this.isShared = options.isShared ?? true;
    this.isManaged = options.isManaged ?? false;
    this.reservations = new Reservations(options.registrantsMax ?? REGISTRANTS_MAX);
    this.#ownReadOnly = options.readOnly === true || device.features.readOnly;
    this.blockBytes = device.blockBytes;
    this.blockCount = device.blockCount;
    this.transferBlocksMax = device.limits.transferBlocksMax;
    this.boundaryBlocks = device.limits.boundaryBlocks;
  }

  /** Refuses what changes blocks. */
  get readOnly(): boolean {
    return this.#ownReadOnly || this.writeProtection === "protected";
  }
}

function ofLength(
  name: string,
  bytes: number,
  value: Uint8Array | undefined,
): Uint8Array | undefined {
  if (value === undefined || value.length === bytes) return value;
  throw new RangeError(`${name} must have ${bytes} bytes, not ${value.length}: ${hexText(value)}`);
}
