// Who waits, by network and by age, to find out who gives way when there are too many.

export class WaitingRoom<T> {
  /** In the order in which they came. */
  readonly #all = new Set<T>();
  readonly #byNetwork = new Map<string, Set<T>>();
  /** The networks from which so many wait, in the order in which they came to be so many. */
  readonly #bySize = new Map<number, Set<string>>();
  #largest = 0;

  /** The member is not there yet. */
  add(network: string, member: T): void {
    this.#all.add(member);
    let members = this.#byNetwork.get(network);
    if (members === undefined) {
      members = new Set();
      this.#byNetwork.set(network, members);
    }
    members.add(member);
    this.#resized(network, members.size - 1, members.size);
    this.#largest = Math.max(this.#largest, members.size);
  }

  /** The member is there. */
  delete(network: string, member: T): void {
    const members = this.#byNetwork.get(network);
    if (!members?.delete(member)) throw new Error('nobody to delete');
    this.#all.delete(member);
    if (members.size === 0) this.#byNetwork.delete(network);
    this.#resized(network, members.size + 1, members.size);
    // One more or one less at a time, so that the next smaller size has somebody, or nobody is left.
    if (!this.#bySize.has(this.#largest)) this.#largest--;
  }

  /** How many wait from the network that has the most. */
  get largest(): number {
    return this.#largest;
  }

  sizeOf(network: string): number {
    return this.#byNetwork.get(network)?.size ?? 0;
  }

  /** Who has waited longest; undefined if nobody waits. */
  oldest(): T | undefined {
    return first(this.#all);
  }

  /** Who has waited longest of those from the network that has the most. */
  oldestOfLargest(): T | undefined {
    const network = first(this.#bySize.get(this.#largest));
    return network === undefined ? undefined : this.oldestFrom(network);
  }

  oldestFrom(network: string): T | undefined {
    return first(this.#byNetwork.get(network));
  }

  #resized(network: string, from: number, to: number): void {
    const before = this.#bySize.get(from);
    before?.delete(network);
    if (before?.size === 0) this.#bySize.delete(from);
    if (to === 0) return;
    const after = this.#bySize.get(to);
    if (after === undefined) this.#bySize.set(to, new Set([network]));
    else after.add(network);
  }
}

function first<T>(set: ReadonlySet<T> | undefined): T | undefined {
  return set?.values().next().value;
}
