// Who waits, by network and by age, to find out who gives way when there are too many. Networks lie in each other (lib/network.ts,
// `crowdsOf`): a member is in all of its own, the widest first.

/** A network, or (the root) all of them. */
interface Crowd<T> {
  size: number;
  /** In the order in which they came; of the narrowest networks only. */
  readonly members: Set<T>;
  readonly inside: Map<string, Crowd<T>>;
  /** The crowds inside that have so many, in the order in which they came to be so many. */
  readonly bySize: Map<number, Set<Crowd<T>>>;
  /** How many the largest inside has. */
  largest: number;
}

export class WaitingRoom<T> {
  /** In the order in which they came. */
  readonly #all = new Set<T>();
  readonly #root = empty<T>();

  /** The member is not there yet. `networks`: the widest first, at least one. */
  add(networks: readonly string[], member: T): void {
    this.#all.add(member);
    let crowd = this.#root;
    crowd.size++;
    for (const network of networks) {
      let next = crowd.inside.get(network);
      if (next === undefined) {
        next = empty();
        crowd.inside.set(network, next);
      }
      next.size++;
      resized(crowd, next, next.size - 1);
      crowd = next;
    }
    crowd.members.add(member);
  }

  /** The member is there, in these networks. */
  delete(networks: readonly string[], member: T): void {
    const path = this.#path(networks);
    if (!path?.at(-1)?.members.delete(member)) throw new Error('nobody to delete');
    this.#all.delete(member);
    let crowd = this.#root;
    crowd.size--;
    for (const [index, next] of path.entries()) {
      next.size--;
      resized(crowd, next, next.size + 1);
      if (next.size === 0) crowd.inside.delete(networks[index] as string);
      crowd = next;
    }
  }

  /** How many wait from the widest network that has the most. */
  get largest(): number {
    return this.#root.largest;
  }

  /** How many wait from the last of these networks, which lie in each other. */
  sizeOf(networks: readonly string[]): number {
    return this.#path(networks)?.at(-1)?.size ?? 0;
  }

  /** Who has waited longest; undefined if nobody waits. */
  oldest(): T | undefined {
    return first(this.#all);
  }

  /** Who has waited longest in the network that has the most, of those in the widest that has the most. */
  oldestOfLargest(): T | undefined {
    return oldestOfLargest(this.#root);
  }

  /** Who has waited longest from a narrowest network. */
  oldestFrom(networks: readonly string[]): T | undefined {
    return first(this.#path(networks)?.at(-1)?.members);
  }

  /**
   * Who gives way to a newcomer from these networks because of the crowd that he is in: larger than `most`, and with one more from the
   * newcomer's network still the larger. Where the newcomer is of the largest crowd himself, one inside of that.
   */
  crowding(networks: readonly string[], most: number): T | undefined {
    let crowd = this.#root;
    for (const network of [...networks, undefined]) {
      const own = network === undefined ? undefined : crowd.inside.get(network);
      if (crowd.largest > most && crowd.largest > (own?.size ?? 0) + 1) return oldestOfLargest(crowd);
      if (own === undefined || own.size <= most) return undefined;
      crowd = own;
    }
    return undefined;
  }

  #path(networks: readonly string[]): Crowd<T>[] | undefined {
    const path: Crowd<T>[] = [];
    let crowd: Crowd<T> | undefined = this.#root;
    for (const network of networks) {
      crowd = crowd.inside.get(network);
      if (crowd === undefined) return undefined;
      path.push(crowd);
    }
    return path;
  }
}

function empty<T>(): Crowd<T> {
  return { size: 0, members: new Set(), inside: new Map(), bySize: new Map(), largest: 0 };
}

/** One that lies inside has one more now, or one less. */
function resized<T>(around: Crowd<T>, crowd: Crowd<T>, before: number): void {
  const were = around.bySize.get(before);
  were?.delete(crowd);
  if (were?.size === 0) around.bySize.delete(before);
  if (crowd.size > 0) {
    const are = around.bySize.get(crowd.size);
    if (are === undefined) around.bySize.set(crowd.size, new Set([crowd]));
    else are.add(crowd);
  }
  around.largest = Math.max(around.largest, crowd.size);
  // One more or one less at a time, so that the next smaller size has somebody, or nobody is left.
  if (!around.bySize.has(around.largest)) around.largest--;
}

function oldestOfLargest<T>(crowd: Crowd<T>): T | undefined {
  let largest: Crowd<T> = crowd;
  for (;;) {
    const inside = first(largest.bySize.get(largest.largest));
    if (inside === undefined) return first(largest.members);
    largest = inside;
  }
}

function first<T>(set: ReadonlySet<T> | undefined): T | undefined {
  return set?.values().next().value;
}
