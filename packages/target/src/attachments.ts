// Which namespaces are attached to which controllers. Controllers of fabrics come and go, so what was said
// of one is remembered for those that its host connects later.
// Read first: Base 2.0 §3.1.2 "Controller Model": dynamic controllers of a host begin alike.

/** What was said of a namespace, for one controller or host. */
export type Attachment = "attached" | "detached";

/** Hosts whose wishes are remembered; the one that said something longest ago is forgotten beyond. */
const HOSTS_MAX = 1_024;

/** The wishes of hosts, by NQN and NSID. */
export class Attachments {
  readonly #byHost = new Map<string, Map<number, Attachment>>();

  /** What a new controller of a host begins with. */
  of(hostNqn: string): Map<number, Attachment> {
    return new Map(this.#byHost.get(hostNqn));
  }

  /** Remembers what was said of a controller of a host. */
  set(hostNqn: string, nsid: number, attachment: Attachment): void {
    const its = this.#byHost.get(hostNqn) ?? new Map<number, Attachment>();
    its.set(nsid, attachment);
    // The last one in the order is the one that was said last.
    this.#byHost.delete(hostNqn);
    this.#byHost.set(hostNqn, its);
    if (this.#byHost.size <= HOSTS_MAX) return;
    const [oldest] = this.#byHost.keys();
    this.#byHost.delete(oldest!);
  }

  /** A namespace is gone: who gets its NSID next is another one. */
  forget(nsid: number): void {
    for (const its of this.#byHost.values()) its.delete(nsid);
  }
}
