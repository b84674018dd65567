// Real time, for what is about real time: how long a run takes, when to look, and what hangs.
// Read first: tooling/tidy/sleep.ts. Nothing here waits for something to happen in a test.

/** Runs `task` after that time, unless the returned function is called. Keeps no process alive. */
export function after(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms).unref();
  return () => clearTimeout(timer);
}

/** Runs `task` again and again, until the returned function is called. Keeps no process alive. */
export function every(ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms).unref();
  return () => clearInterval(timer);
}
