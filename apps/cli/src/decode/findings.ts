// What `decode --fail-on` can fail on.

export const findingKinds = ["verdict", "warning", "error", "open"] as const;

/** What was found in a capture. */
export type FindingKind = (typeof findingKinds)[number];
