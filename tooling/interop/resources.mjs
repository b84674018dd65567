// What keeps this process alive, by kind, and what there is more of than there was.

/** How many resources of each kind there are. */
export function resources() {
  const counts = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** What there is more of than there was, but for the pipes by which a program is spoken to. */
export function surplus(before) {
  return Object.entries(resources())
    .filter(([kind, count]) => kind !== "PipeWrap" && count > (before[kind] ?? 0))
    .map(([kind, count]) => `${kind} × ${count - (before[kind] ?? 0)}`);
}
