// Bytes as people look at them: offset, hexadecimal, text; lines that repeat are left out.

const LINE_BYTES = 16;

function line(bytes: Uint8Array, offset: number): string {
  const pairs = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  const left = pairs.slice(0, 8).join(" ");
  const right = pairs.slice(8).join(" ");
  const text = Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
  ).join("");
  const at = offset.toString(16).padStart(8, "0");
  return `${at}  ${left.padEnd(23)}  ${right.padEnd(23)}  |${text}|`;
}

/** @param offset of the first byte, as it is to be printed. */
export function hexDump(bytes: Uint8Array, offset: number): string {
  const lines: string[] = [];
  let before = "";
  for (let at = 0; at < bytes.length; at += LINE_BYTES) {
    const piece = bytes.subarray(at, at + LINE_BYTES);
    const key = piece.length === LINE_BYTES ? piece.join() : "";
    if (key !== "" && key === before) {
      if (lines.at(-1) !== "*") lines.push("*");
      continue;
    }
    before = key;
    lines.push(line(piece, offset + at));
  }
  lines.push((offset + bytes.length).toString(16).padStart(8, "0"));
  return `${lines.join("\n")}\n`;
}
