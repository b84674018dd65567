// Bounds a wait for what may never come. The only timer of these scripts: nothing here sleeps.

/** What `work` comes to, if it does so within `ms`; otherwise what `late` returns or throws. */
export async function within(ms, work, late) {
  let timer;
  const overdue = new Promise((resolve) => (timer = setTimeout(resolve, ms, within)));
  const first = await Promise.race([work, overdue]).finally(() => clearTimeout(timer));
  return first === within ? late() : first;
}
