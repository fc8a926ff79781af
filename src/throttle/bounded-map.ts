// A map with a bound: past it, the entry that was touched longest ago goes. A linked list keeps the order, because a
// JavaScript Map that is used as a queue skips over every deleted entry each time its front is looked at.

interface Entry<V> {
  readonly key: string;
  value: V;
  newer: Entry<V> | undefined;
  older: Entry<V> | undefined;
}

export class BoundedMap<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #most: number;
  #oldest: Entry<V> | undefined;
  #newest: Entry<V> | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value, without counting as a touch. */
  peek(key: string): V | undefined {
    return this.#entries.get(key)?.value;
  }

  /** The value; from now on it is the entry that was touched last. */
  touch(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry !== this.#newest) {
      this.#unlink(entry);
      this.#append(entry);
    }
    return entry.value;
  }

  /** Adds or replaces an entry, as the one touched last. Gives the value that had to go for it, if one had to. */
  set(key: string, value: V): V | undefined {
    const present = this.#entries.get(key);
    if (present !== undefined) {
      present.value = value;
      this.touch(key);
      return undefined;
    }
    const evicted = this.#entries.size >= this.#most ? this.shift()?.value : undefined;
    const entry: Entry<V> = { key, value, newer: undefined, older: undefined };
    this.#entries.set(key, entry);
    this.#append(entry);
    return evicted;
  }

  delete(key: string): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#entries.delete(key);
    this.#unlink(entry);
    return true;
  }

  /** The entry that was touched longest ago. */
  oldest(): { readonly key: string; readonly value: V } | undefined {
    return this.#oldest;
  }

  /** Removes the entry that was touched longest ago, and gives it. */
  shift(): { readonly key: string; readonly value: V } | undefined {
    const entry = this.#oldest;
    if (entry !== undefined) this.delete(entry.key);
    return entry;
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  #append(entry: Entry<V>): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest !== undefined) this.#newest.newer = entry;
    this.#newest = entry;
    this.#oldest ??= entry;
  }

  #unlink(entry: Entry<V>): void {
    if (entry.older !== undefined) entry.older.newer = entry.newer;
    else this.#oldest = entry.newer;
    if (entry.newer !== undefined) entry.newer.older = entry.older;
    else this.#newest = entry.older;
  }
}
