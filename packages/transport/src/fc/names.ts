// Names of ports: WWNN and WWPN, and the transport address made of the two.
// Read first: FC-NVMe-2 §4 "Transport address"; linux-nvme-recovery.md §3.1.

/** World-wide names of a port, and of the node that it belongs to. */
export interface PortNames {
  /** WWNN. */
  readonly nodeName: bigint;
  /** WWPN, unique in its fabric and not 0. */
  readonly portName: bigint;
}

const wwn = (name: bigint): string => `0x${name.toString(16).padStart(16, "0")}`;

/** "nn-0x…:pn-0x…", as the discovery log and Linux write it. */
export const traddrOf = ({ nodeName, portName }: PortNames): string =>
  `nn-${wwn(nodeName)}:pn-${wwn(portName)}`;

/**
 * Reads a transport address. The 0x may be missing, as Linux takes it.
 *
 * @throws TypeError for anything else.
 */
export function namesOf(traddr: string): PortNames {
  const found = /^nn-(?:0x)?([\da-f]{16}):pn-(?:0x)?([\da-f]{16})$/i.exec(traddr);
  if (found === null) {
    throw new TypeError(`"${traddr}" is no FC address; it is written nn-0x<16 hex>:pn-0x<16 hex>`);
  }
  return { nodeName: BigInt(`0x${found[1]}`), portName: BigInt(`0x${found[2]}`) };
}
