// A binary heap of things that end, the soonest first. Each knows its own place, so that one can be taken out of the
// middle.

export interface Ending {
  until: number;
  /** Kept by the heap. */
  place: number;
}

export class SoonestHeap<T extends Ending> {
  readonly #items: T[] = [];

  get soonest(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    item.place = this.#items.length;
    this.#items.push(item);
    this.#rise(item);
  }

  /** Puts an item of this heap in its right place after its `until` has changed. */
  moved(item: T): void {
    this.#rise(item);
    this.#sink(item);
  }

  remove(item: T): void {
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#put(last, item.place);
    this.moved(last);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }

  #rise(item: T): void {
    while (item.place > 0) {
      const parent = this.#items[(item.place - 1) >> 1] as T;
      if (parent.until <= item.until) return;
      const place = parent.place;
      this.#put(parent, item.place);
      this.#put(item, place);
    }
  }

  #sink(item: T): void {
    for (;;) {
      const left = this.#items[2 * item.place + 1];
      const right = this.#items[2 * item.place + 2];
      const child = right !== undefined && left !== undefined && right.until < left.until ? right : left;
      if (child === undefined || child.until >= item.until) return;
      const place = child.place;
      this.#put(child, item.place);
      this.#put(item, place);
    }
  }
}
