// The blocks of one kind. A block that follows another lasts twice as long, up to a longest one; each quiet day halves
// that again, so an entry stays for a while after its block has ended. Blocks are kept apart from counts and leave
// only by expiry or, when there are too many, the one that ends soonest: a flood of names cannot push them out.

import { type Ending, SoonestHeap } from './soonest-heap.ts';

const DAY = 86_400_000;

/** How many entries each new block looks at for expiry. */
const SWEPT_PER_BLOCK = 4;

interface Held extends Ending {
  readonly key: string;
  readonly network: string;
  readonly user: string | null;
  /** How long the latest block lasts or lasted, in milliseconds. */
  length: number;
}

export interface BlockLengths {
  /** The first block, in milliseconds. */
  readonly first: number;
  /** No block is longer, in milliseconds; as long as the first: blocks do not grow. */
  readonly longest: number;
}

/** Times are milliseconds on a clock that never goes back. */
export class Blocks {
  readonly #held = new Map<string, Held>();
  readonly #heap = new SoonestHeap<Held>();
  #lengths: BlockLengths;
  readonly #most: number;
  #cursor: Iterator<Held> = this.#held.values();

  constructor(lengths: BlockLengths, most: number) {
    this.#lengths = lengths;
    this.#most = most;
  }

  /** For blocks that are imposed from now on. Those in force end when they would have. */
  configure(lengths: BlockLengths): void {
    this.#lengths = lengths;
  }

  /** Entries held, those of ended blocks among them. */
  get size(): number {
    return this.#held.size;
  }

  /** Milliseconds until the block of this key ends; 0 if none is in force. */
  remaining(key: string, now: number): number {
    const held = this.#held.get(key);
    return held === undefined ? 0 : Math.max(0, held.until - now);
  }

  /** Starts a block. `network` and `user` are what the key stands for. */
  impose(key: string, network: string, user: string | null, now: number): void {
    this.#sweep(now);
    const held = this.#held.get(key);
    if (held !== undefined) {
      held.length = this.#nextLength(held, now);
      held.until = now + held.length;
      this.#heap.moved(held);
      return;
    }
    if (this.#held.size >= this.#most && this.#heap.soonest !== undefined) this.#forget(this.#heap.soonest);
    const length = this.#lengths.first;
    const fresh: Held = { key, network, user, length, until: now + length, place: 0 };
    this.#held.set(key, fresh);
    this.#heap.push(fresh);
  }

  /** Ends a block and forgets that it ever was; true if it was in force. */
  lift(key: string, now: number): boolean {
    const held = this.#held.get(key);
    if (held === undefined) return false;
    this.#forget(held);
    return held.until > now;
  }

  /** Lifts the blocks that `matches` says yes to; gives how many of them were in force. */
  liftWhere(matches: (network: string, user: string | null) => boolean, now: number): number {
    let lifted = 0;
    for (const held of [...this.#held.values()]) {
      if (matches(held.network, held.user) && this.lift(held.key, now)) lifted++;
    }
    return lifted;
  }

  /** The blocks in force. */
  *inForce(now: number): Iterable<{ network: string; user: string | null; until: number }> {
    for (const held of this.#held.values()) if (held.until > now) yield held;
  }

  #nextLength(held: Held, now: number): number {
    const quietDays = Math.max(0, Math.floor((now - held.until) / DAY));
    return Math.min(this.#lengths.longest, Math.max(this.#lengths.first, (held.length * 2) / 2 ** quietDays));
  }

  /** Forgets a few entries that would make no difference to a next block. */
  #sweep(now: number): void {
    for (let n = 0; n < SWEPT_PER_BLOCK; n++) {
      const next = this.#cursor.next();
      if (next.done) {
        this.#cursor = this.#held.values();
        return;
      }
      const held = next.value;
      if (held.until <= now && this.#nextLength(held, now) <= this.#lengths.first) this.#forget(held);
    }
  }

  #forget(held: Held): void {
    this.#held.delete(held.key);
    this.#heap.remove(held);
  }
}
