// Numbers with what they count.

/** "1 frame", "8 frames". */
export const many = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;
