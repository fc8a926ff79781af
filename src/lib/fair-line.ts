// A line in which networks take turns, so that one that crowds waits for itself: first the widest networks among each other, then those
// inside of each (network.ts, `crowdsOf`). Who has many addresses of one network has one turn for them all.

import { addressOf, crowdsOf } from './network.ts';

interface Node<T> {
  /** In the order of their turns. */
  readonly inside: Map<string, Node<T>>;
  /** Of the narrowest network, in the order in which they came. */
  readonly waiting: T[];
}

export class FairLine<T> {
  readonly #root: Node<T> = { inside: new Map(), waiting: [] };
  readonly #perNetwork = new Map<string, number>();
  #length = 0;

  /** How many wait. */
  get length(): number {
    return this.#length;
  }

  /** How many wait from this network. */
  lengthOf(network: string): number {
    return this.#perNetwork.get(network) ?? 0;
  }

  /** `network` as `networkOf` gives it; any other text is alone. */
  push(network: string, item: T): void {
    let node = this.#root;
    for (const name of pathOf(network)) {
      let next = node.inside.get(name);
      if (next === undefined) {
        next = { inside: new Map(), waiting: [] };
        node.inside.set(name, next);
      }
      node = next;
    }
    node.waiting.push(item);
    this.#perNetwork.set(network, this.lengthOf(network) + 1);
    this.#length++;
  }

  /** Whose turn it is, of the networks that `may` says yes to; undefined if nobody of those waits. */
  shift(may: (network: string) => boolean = () => true): T | undefined {
    return this.#shift(this.#root, '', may);
  }

  #shift(node: Node<T>, network: string, may: (network: string) => boolean): T | undefined {
    if (node.waiting.length > 0) {
      if (!may(network)) return undefined;
      this.#length--;
      const left = this.lengthOf(network) - 1;
      if (left === 0) this.#perNetwork.delete(network);
      else this.#perNetwork.set(network, left);
      return node.waiting.shift();
    }
    for (const [name, next] of node.inside) {
      const item = this.#shift(next, name, may);
      if (item === undefined) continue;
      // Behind the others, or gone.
      node.inside.delete(name);
      if (next.waiting.length > 0 || next.inside.size > 0) node.inside.set(name, next);
      return item;
    }
    return undefined;
  }
}

/** The last is the network itself. */
function pathOf(network: string): readonly string[] {
  const crowds = crowdsOf(addressOf(network));
  return crowds.at(-1) === network ? crowds : [network];
}
