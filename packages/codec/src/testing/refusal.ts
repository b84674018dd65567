// For tests: the error with which Fibre Channel bytes are refused.
import { FcProtocolError } from "../fc/errors.ts";

/** What `read` throws, which must be an {@link FcProtocolError}. */
export function refusalOf(read: () => unknown): FcProtocolError {
  try {
    read();
  } catch (error) {
    if (error instanceof FcProtocolError) return error;
    throw error;
  }
  throw new Error("was accepted");
}
