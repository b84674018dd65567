// Errors as plain data: a clone of an error keeps its message and loses all that this project adds to it.
// Read first: @nvmeof/codec errors.ts.

import { type ErrorDetails, NvmeofError, isNvmeofError } from "@nvmeof/codec";

/** What an error says, as another thread can be given it. */
export interface ErrorData {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly phase: string | undefined;
  readonly outcome: ErrorDetails["outcome"];
  readonly status: number | undefined;
  /** Whether no other attempt would fare better, of errors that say so. */
  readonly permanent: boolean | undefined;
  /** The field of Connect that a refusal names. */
  readonly field: string | undefined;
  readonly cause: ErrorData | undefined;
}

/** Causes of causes that are told. */
const CAUSES_MAX = 8;

/** What `error` says; of anything that is none of this project's, its message and `code`. */
export function errorData(
  error: unknown,
  code = "NVME_ERR_INTERNAL",
  causesMax = CAUSES_MAX,
): ErrorData {
  const { cause, message } = error instanceof Error ? error : new Error(String(error));
  const said = (isNvmeofError(error) ? error : { code }) as Partial<ErrorData> & { code: string };
  const { hint, phase, outcome, status, permanent, field } = said;
  const told = cause === undefined || causesMax === 0 ? undefined : cause;
  return {
    code: said.code,
    message,
    hint,
    phase,
    outcome,
    status,
    permanent,
    field,
    cause: told === undefined ? undefined : errorData(told, code, causesMax - 1),
  };
}

/** The error again, to be known by its `code`. */
export function errorOf({ code, message, permanent, field, ...said }: ErrorData): NvmeofError {
  const cause = said.cause === undefined ? undefined : errorOf(said.cause);
  const error = new NvmeofError(code, message, { ...said, cause });
  if (permanent !== undefined) Object.assign(error, { permanent });
  return field === undefined ? error : Object.assign(error, { field });
}
