// For what a test knows to be there and the compiler does not.

/** @throws Error when it is not there after all. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("not there");
  return value;
}
