// Values by network and a second key (a user, a record), bounded in all and per network. When room is needed, the
// network that needs it gives up an entry of its own first: a client that invents user names pushes out what it has
// caused itself, not what others have.

import { BoundedMap } from './bounded-map.ts';

export interface NetworkMapBounds {
  /** Entries in all. */
  readonly most: number;
  /** Entries of one network. */
  readonly perNetwork: number;
}

/** What sweeping looks at per use; more than one, so that the map shrinks faster than uses can fill it. */
const SWEPT_PER_USE = 2;

export class NetworkMap<V> {
  readonly #networks: BoundedMap<BoundedMap<V>>;
  readonly #bounds: NetworkMapBounds;
  #size = 0;

  constructor(bounds: NetworkMapBounds) {
    this.#bounds = bounds;
    this.#networks = new BoundedMap(bounds.most);
  }

  get size(): number {
    return this.#size;
  }

  peek(network: string, key: string): V | undefined {
    return this.#networks.peek(network)?.peek(key);
  }

  /** The value, which is made if it is missing; it and its network are now the ones touched last. */
  touch(network: string, key: string, make: () => V): V {
    let own = this.#networks.touch(network);
    const present = own?.touch(key);
    if (present !== undefined) return present;
    if (own !== undefined && (this.#size >= this.#bounds.most || own.size >= this.#bounds.perNetwork)) {
      own.shift();
      this.#size--;
    } else if (this.#size >= this.#bounds.most) {
      this.#shift();
    }
    if (own === undefined) {
      own = new BoundedMap(this.#bounds.perNetwork);
      this.#networks.set(network, own);
    }
    const value = make();
    own.set(key, value);
    this.#size++;
    return value;
  }

  delete(network: string, key: string): boolean {
    const own = this.#networks.peek(network);
    if (own === undefined || !own.delete(key)) return false;
    this.#size--;
    if (own.size === 0) this.#networks.delete(network);
    return true;
  }

  /** Removes all entries of the networks that `matches` says yes to. */
  deleteNetworks(matches: (network: string) => boolean): void {
    for (const network of [...this.#networks.keys()]) {
      if (!matches(network)) continue;
      this.#size -= this.#networks.peek(network)?.size ?? 0;
      this.#networks.delete(network);
    }
  }

  /** Removes the entries with this second key, in the networks that `matches` says yes to. */
  deleteKey(key: string, matches: (network: string) => boolean): void {
    for (const network of [...this.#networks.keys()]) if (matches(network)) this.delete(network, key);
  }

  /** Removes a few entries that have expired, of this network and of the one touched longest ago. */
  sweep(network: string, expired: (value: V) => boolean): void {
    for (let n = 0; n < SWEPT_PER_USE; n++) {
      this.#sweepOne(network, expired);
      const oldest = this.#networks.oldest();
      if (oldest === undefined || oldest.key === network) return;
      this.#sweepOne(oldest.key, expired);
    }
  }

  #sweepOne(network: string, expired: (value: V) => boolean): void {
    const oldest = this.#networks.peek(network)?.oldest();
    if (oldest !== undefined && expired(oldest.value)) this.delete(network, oldest.key);
  }

  #shift(): void {
    const network = this.#networks.oldest();
    const oldest = network?.value.oldest();
    if (network !== undefined && oldest !== undefined) this.delete(network.key, oldest.key);
  }
}
