// Work side by side, with one end: when one part fails, all end before the failure is told.

/**
 * Runs `lanes` copies of `work` side by side. When one fails the others are told by `failed()` and
 * waited for: nothing is under way any more when this rejects, with the first failure.
 */
export async function runLanes(
  lanes: number,
  work: (lane: number, failed: () => boolean) => Promise<void>,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const guarded = async (lane: number): Promise<void> => {
    try {
      await work(lane, () => failure !== undefined);
    } catch (error) {
      failure ??= { error };
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => guarded(lane)));
  if (failure !== undefined) throw failure.error;
}
