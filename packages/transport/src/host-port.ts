// An address with its port, as people and URIs write it.
// Read first: RFC 3986, section 3.2.2 "Host".

/** `192.0.2.10:4420`, `[2001:db8::7]:4420`: an IPv6 address has colons of its own, and gets brackets. */
export const hostPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
