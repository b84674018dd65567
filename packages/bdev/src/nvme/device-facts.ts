// What controllers say of a namespace, as the facts of a block device: the least that all paths can.
// Read first: block-device.ts; NVM Command Set 1.0 §4.1.5 "Identify Command".

import { Oncs, Vwc, uuidText } from "@nvmeof/codec";
import { type NamespaceFacts, UnsupportedError } from "@nvmeof/core";
import {
  type BlockFeatures,
  type BlockIdentity,
  type BlockLimits,
  BlockOp,
} from "../block-device.ts";
import { identifiersOf } from "./identity.ts";
import type { NamespacePath } from "./namespace-path.ts";

/** Identify Namespace, NSATTR bit 0: the namespace is write protected. */
const NSATTR_WRITE_PROTECTED = 1;
/** Requests of one channel, in flight or waiting. */
const INFLIGHT_MAX = 1024;

/** @throws UnsupportedError for a format that is not supported. */
export function checkFormat({ nsid, format }: NamespaceFacts): void {
  if (format.ms === 0) return;
  throw new UnsupportedError(`namespace ${nsid} has ${format.ms} bytes of metadata per block`, {
    phase: "identify",
    hint: "Choose a format without metadata.",
  });
}

/** What every path can do: a request must be possible by whichever of them it takes. */
export function featuresOf(paths: readonly NamespacePath[]): BlockFeatures {
  const controllers = paths.map((path) => path.controllerPath.controller.facts!.identify);
  const all = (bit: number): boolean => controllers.every(({ oncs }) => (oncs & bit) !== 0);
  return {
    readOnly: paths.some(({ facts }) => (facts.identify.nsattr & NSATTR_WRITE_PROTECTED) !== 0),
    volatileCache: controllers.some(({ vwc }) => (vwc & Vwc.Present) !== 0),
    writeZeroes: all(Oncs.WriteZeroes),
    deallocate: all(Oncs.DatasetManagement),
    compare: all(Oncs.Compare),
    verify: all(Oncs.Verify),
  };
}

/** The smallest limits of all paths. */
export function limitsOf(paths: readonly NamespacePath[]): BlockLimits {
  return {
    transferBlocksMax: Math.min(...paths.map((path) => path.blocksMax(BlockOp.Read))),
    boundaryBlocks: paths[0]!.facts.identify.noiob,
    inflightMax: INFLIGHT_MAX,
  };
}

/** Who the data is. */
export function blockIdentity(facts: NamespaceFacts): BlockIdentity {
  const { eui64, nguid, uuid } = identifiersOf(facts);
  return {
    ...(uuid === undefined ? {} : { uuid: uuidText(uuid) }),
    ...(nguid === undefined ? {} : { nguid }),
    ...(eui64 === undefined ? {} : { eui64 }),
  };
}
