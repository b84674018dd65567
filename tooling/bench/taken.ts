// What a piece of work has taken: memory that is still in use when it is done, and CPU time.
// Read first: bundle.mjs `quietHeap`, the flags that it wants.

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** A turn of the event loop: what was deferred is done, and can be collected. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Collections until a further one finds nothing: memory of buffers is given back some time later. */
const COLLECTIONS_MAX = 20;

/** What is in use, bytes, once nobody can be blamed for what is not. */
async function usedBytes(): Promise<number> {
  let last = Infinity;
  for (let i = 0; i < COLLECTIONS_MAX; i++) {
    globalThis.gc?.();
    await turn();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    if (heapUsed + arrayBuffers > last - 4096) break;
    last = heapUsed + arrayBuffers;
  }
  return last;
}

/** Closes, and waits for the sockets to be gone, with their buffers: the next one counts anew. */
export async function close(handles: readonly { close(): Promise<unknown> }[]): Promise<void> {
  await Promise.all(handles.map((handle) => handle.close()));
  while (process.getActiveResourcesInfo().some((kind) => kind.startsWith("TCP"))) await turn();
  await turn();
}

export interface Taken<T> {
  readonly result: T;
  readonly bytes: number;
  readonly us: number;
}

/** Memory and CPU that a piece of work has taken. */
export async function taken<T>(work: () => Promise<T> | T): Promise<Taken<T>> {
  await turn();
  const bytes = await usedBytes();
  const us = cpuUs();
  const result = await work();
  const tookUs = cpuUs() - us;
  await turn();
  return { result, bytes: (await usedBytes()) - bytes, us: tookUs };
}
