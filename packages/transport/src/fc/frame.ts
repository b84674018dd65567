// Frames as the ports of this folder make them: one buffer each, header and payload.
// Read first: @nvmeof/codec/fc frame.ts; FC-FS-6 §9 "Frame header".

import {
  BaAcc,
  BaExplanation,
  BaReason,
  BaRjt,
  FcFctl,
  FcHeader,
  FcRctl,
  XID_UNASSIGNED,
  fillBytes,
  typeOfRctl,
} from "@nvmeof/codec/fc";

/** Bytes of data in a frame of ours: a power of two, below the 2,112 that a frame may hold. */
export const FRAME_DATA_BYTES = 2048;

/** N_Port ID of the fabric controller, which tells of changes. FC-FS-6 §11 "Well-known addresses". */
export const FABRIC_CONTROLLER = 0xff_fffd;

/** Which exchange a frame belongs to, and between whom. */
export interface FrameRoute {
  readonly sId: number;
  readonly dId: number;
  readonly oxId: number;
  readonly rxId: number;
  /** Sent by the responder of the exchange. */
  readonly isResponder: boolean;
}

/** What kind of frame it is, and where in its sequence and transfer it stands. */
export interface FrameShape {
  readonly rCtl: number;
  readonly seqId: number;
  /** Number of the frame in its sequence. */
  readonly seqCnt: number;
  /** The sequence ends with this frame. */
  readonly isLast: boolean;
  /** Relative offset of data; 0 for all else. */
  readonly offset: number;
}

/** A sequence of one frame. */
export const single = (rCtl: number): FrameShape => ({
  rCtl,
  seqId: 0,
  seqCnt: 0,
  isLast: true,
  offset: 0,
});

const EXCHANGE_BEGINS: readonly number[] = [FcRctl.Command, FcRctl.LsRequest, FcRctl.ElsRequest];
const EXCHANGE_ENDS: readonly number[] = [
  FcRctl.Response,
  FcRctl.ExtendedResponse,
  FcRctl.LsResponse,
  FcRctl.ElsReply,
  FcRctl.BaAcc,
  FcRctl.BaRjt,
];

/** Makes a frame; the payload is copied, so that nobody's buffer is under way. */
export function frameOf(route: FrameRoute, shape: FrameShape, payload: Uint8Array): Uint8Array {
  const padding = -payload.length & 3;
  const frame = new Uint8Array(FcHeader.size + payload.length + padding);
  const view = new DataView(frame.buffer);
  FcHeader.rCtl.set(view, 0, shape.rCtl);
  FcHeader.dId.set(view, 0, route.dId);
  FcHeader.sId.set(view, 0, route.sId);
  FcHeader.type.set(view, 0, typeOfRctl(shape.rCtl)!);
  FcHeader.fCtl.set(view, 0, fctlOf(route, shape));
  fillBytes.set(view, 0, padding);
  FcHeader.seqId.set(view, 0, shape.seqId);
  FcHeader.seqCnt.set(view, 0, shape.seqCnt);
  FcHeader.oxId.set(view, 0, route.oxId);
  FcHeader.rxId.set(view, 0, route.rxId);
  FcHeader.parameter.set(view, 0, shape.offset);
  frame.set(payload, FcHeader.size);
  return frame;
}

function fctlOf({ isResponder }: FrameRoute, { rCtl, isLast }: FrameShape): number {
  let fCtl = isResponder ? FcFctl.ExchangeResponder : 0;
  if (isLast) fCtl |= FcFctl.EndSequence;
  if (rCtl === FcRctl.Data) fCtl |= FcFctl.RelativeOffset;
  if (EXCHANGE_BEGINS.includes(rCtl)) fCtl |= FcFctl.FirstSequence;
  if (EXCHANGE_ENDS.includes(rCtl)) fCtl |= FcFctl.LastSequence;
  // What asks for something lets the other side speak.
  else if (isLast && rCtl !== FcRctl.Abts) fCtl |= FcFctl.TransferInitiative;
  return fCtl;
}

const NOTHING = new Uint8Array(0);

/** ABTS: the exchange is to end, and all of it that is under way is void. */
export const abtsFrame = (route: FrameRoute): Uint8Array =>
  frameOf(route, single(FcRctl.Abts), NOTHING);

/** BA_ACC: the exchange has ended here, and none of its data arrives any more. */
export function baAccFrame(route: FrameRoute): Uint8Array {
  const payload = new Uint8Array(BaAcc.size);
  const view = new DataView(payload.buffer);
  BaAcc.oxId.set(view, 0, route.oxId);
  BaAcc.rxId.set(view, 0, route.rxId);
  BaAcc.highSeqCnt.set(view, 0, 0xffff);
  return frameOf(route, single(FcRctl.BaAcc), payload);
}

/** BA_RJT: there is no such exchange here. */
export function baRjtFrame(route: FrameRoute): Uint8Array {
  const payload = new Uint8Array(BaRjt.size);
  const view = new DataView(payload.buffer);
  BaRjt.reason.set(view, 0, BaReason.LogicalError);
  BaRjt.explanation.set(view, 0, BaExplanation.InvalidXid);
  return frameOf(route, single(FcRctl.BaRjt), payload);
}

/** The way back of a frame: from who got it to who sent it, in the same exchange. */
export function routeBack(view: DataView): FrameRoute {
  const sentByResponder = (FcHeader.fCtl.get(view) & FcFctl.ExchangeResponder) !== 0;
  return {
    sId: FcHeader.dId.get(view),
    dId: FcHeader.sId.get(view),
    oxId: FcHeader.oxId.get(view),
    rxId: FcHeader.rxId.get(view),
    isResponder: !sentByResponder,
  };
}

/** The way of the first frame of an exchange. */
export const routeTo = (sId: number, dId: number, oxId: number): FrameRoute => ({
  sId,
  dId,
  oxId,
  rxId: XID_UNASSIGNED,
  isResponder: false,
});
