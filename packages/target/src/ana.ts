// ANA: through which port a group of namespaces can be reached, and how well.
// Read first: Base 2.0 §8.1 "Asymmetric Namespace Access Reporting"; the log is written in log.ts.

import { AnaState, Status } from "@nvmeof/codec";

/** The states of all groups at one port, and how often they changed. */
export class PortAna {
  /** ANA state by group; read for every I/O command. */
  readonly states: Uint8Array;
  /** Change count of the log at this port. */
  changes = 0;
  /** Change count by group. */
  readonly groupChanges: Uint32Array;

  constructor(groupsMax: number) {
    this.states = new Uint8Array(groupsMax + 1).fill(AnaState.Optimized);
    this.groupChanges = new Uint32Array(groupsMax + 1);
  }
}

/** The ANA states of a subsystem. */
export class Ana {
  readonly #groupsMax: number;
  readonly #ports = new Map<number, PortAna>();
  /** What a port begins with: the states that were set for all ports. */
  readonly #initial: PortAna;
  /** Groups that a state was set for, whether they have namespaces or not. */
  readonly #named = new Set<number>();

  constructor(groupsMax: number) {
    this.#groupsMax = groupsMax;
    this.#initial = new PortAna(groupsMax);
  }

  /** The states at a port; the same object for as long as the subsystem exists. */
  at(portId: number): PortAna {
    let port = this.#ports.get(portId);
    if (port === undefined) {
      port = new PortAna(this.#groupsMax);
      port.states.set(this.#initial.states);
      this.#ports.set(portId, port);
    }
    return port;
  }

  /**
   * Sets a group's state, at one port or at all of them, those to come included.
   *
   * @returns the ports where that changed something.
   */
  set(group: number, state: AnaState, portId: number | undefined): ReadonlySet<number> {
    this.#named.add(group);
    if (portId === undefined) this.#initial.states[group] = state;
    else this.at(portId);
    const changed = new Set<number>();
    for (const [id, port] of this.#ports) {
      if ((portId !== undefined && id !== portId) || port.states[group] === state) continue;
      port.states[group] = state;
      port.changes++;
      port.groupChanges[group] = port.changes;
      changed.add(id);
    }
    return changed;
  }

  /** Counts a change of the groups' members, at all ports. */
  membersChanged(group: number): void {
    for (const port of this.#ports.values()) {
      port.changes++;
      port.groupChanges[group] = port.changes;
    }
  }

  /** Groups to report: those with namespaces and those that were named, in increasing order. */
  groups(withNamespaces: Iterable<number>): number[] {
    return [...new Set([...this.#named, ...withNamespaces])].sort((a, b) => a - b);
  }
}

/** What an I/O command to a namespace in this state is answered with; 0 where it may go on. */
export function anaRefusal(state: number): number {
  switch (state) {
    case AnaState.Optimized:
    case AnaState.NonOptimized:
      return 0;
    case AnaState.Inaccessible:
      return Status.AnaInaccessible;
    case AnaState.PersistentLoss:
      return Status.AnaPersistentLoss;
    default:
      return Status.AnaTransition;
  }
}
