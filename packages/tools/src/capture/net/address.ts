// IP addresses: as keys, and as people write them.
// Read first: RFC 5952 §4 "A Recommendation for IPv6 Text Representation".

import { hostPort } from "@nvmeof/transport";

/** One end of a TCP connection. */
export interface Endpoint {
  /** IP address as people write it, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
}

/** The address of `bytes` bytes at `at`. */
export function addressText(view: DataView, at: number, bytes: number): string {
  if (bytes === 4) {
    return [0, 1, 2, 3].map((i) => view.getUint8(at + i)).join(".");
  }
  const groups = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => view.getUint16(at + 2 * i));
  return ipv6Text(groups);
}

function ipv6Text(groups: readonly number[]): string {
  // The longest run of zeroes is left out, the first of several; a single zero is not.
  let best = { from: 0, count: 1 };
  for (let from = 0; from < 8; from++) {
    let count = 0;
    while (groups[from + count] === 0) count++;
    if (count > best.count) best = { from, count };
  }
  const hex = (some: readonly number[]): string => some.map((each) => each.toString(16)).join(":");
  if (best.count === 1) return hex(groups);
  return `${hex(groups.slice(0, best.from))}::${hex(groups.slice(best.from + best.count))}`;
}

/** "192.0.2.1:4420", "[2001:db8::7]:4420". */
export const endpointText = ({ address, port }: Endpoint): string => hostPort(address, port);

/** A string that is the same for the same bytes and port, and for no others of this length. */
export function endpointKey(view: DataView, at: number, bytes: number, port: number): string {
  let key = String.fromCharCode(port);
  for (let i = 0; i < bytes; i += 2) key += String.fromCharCode(view.getUint16(at + i));
  return key;
}

/** The bytes of an IP address, 4 or 16; `undefined` for what is none. */
export function addressBytes(text: string): Uint8Array | undefined {
  const [address = ""] = text.split("%");
  return address.includes(":") ? ipv6Bytes(address) : ipv4Bytes(address);
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? Uint8Array.from(bytes) : undefined;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const last = text.slice(text.lastIndexOf(":") + 1);
  const embedded = ipv4Bytes(last);
  const whole =
    embedded === undefined
      ? text
      : `${text.slice(0, -last.length)}${hexPair(embedded, 0)}:${hexPair(embedded, 2)}`;
  const [head = "", tail, more] = whole.split("::");
  if (more !== undefined) return undefined;
  const groupsOf = (some: string): string[] => (some === "" ? [] : some.split(":"));
  const [before, behind] = [groupsOf(head), groupsOf(tail ?? "")];
  const missing = 8 - before.length - behind.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...Array.from({ length: missing }, () => "0"), ...behind];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (const [i, group] of groups.entries()) view.setUint16(2 * i, parseInt(group, 16));
  return bytes;
}

const hexPair = (bytes: Uint8Array, at: number): string =>
  ((bytes[at]! << 8) | bytes[at + 1]!).toString(16);
