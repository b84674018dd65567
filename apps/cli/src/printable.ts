// Text of a peer on a terminal: what would move the cursor, ring or turn the writing round is escaped.

/** Nearly all text is of these alone, which is quickly seen. */
const unusual = /[^ -~]/;
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** Escapes everything that does not print; line ends too. */
export const printable = (text: string): string =>
  unusual.test(text) ? text.replace(invisible, escaped) : text;

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, "0")}`;
  return `\\u{${code.toString(16)}}`;
}
