// The one error of fault plans: where it is wrong, what was expected there, and what was probably meant.

import { type ErrorDetails, NvmeofError } from "@nvmeof/codec";

/** A fault plan that cannot be meant. `code` is NVME_ERR_PLAN. */
export class PlanError extends NvmeofError {
  override readonly name = "PlanError";
  /** The place in the plan: "faults[2].select.opcode". */
  readonly place: string;

  constructor(place: string, message: string, details: ErrorDetails = {}) {
    super("NVME_ERR_PLAN", `${place}: ${message}`, details);
    this.place = place;
  }
}
