// How many connections there may be: in all, from one network, and of those that have not logged in yet.

import { networkOf } from '../lib/network.ts';

export interface ConnectionBounds {
  readonly connections: number;
  readonly perNetwork: number;
  readonly beforeLogin: number;
}

export type ConnectionBound = keyof ConnectionBounds;

export class ConnectionLimits {
  readonly #bounds: ConnectionBounds;
  readonly #perNetwork = new Map<string, number>();
  #connections = 0;
  #beforeLogin = 0;

  constructor(bounds: ConnectionBounds) {
    this.#bounds = bounds;
  }

  /** A place for a connection from `address`, or the name of the bound that is reached. */
  enter(address: string): Place | ConnectionBound {
    const network = networkOf(address);
    const fromNetwork = this.#perNetwork.get(network) ?? 0;
    if (this.#connections >= this.#bounds.connections) return 'connections';
    if (fromNetwork >= this.#bounds.perNetwork) return 'perNetwork';
    if (this.#beforeLogin >= this.#bounds.beforeLogin) return 'beforeLogin';
    this.#connections++;
    this.#beforeLogin++;
    this.#perNetwork.set(network, fromNetwork + 1);
    return new Place(
      () => this.#beforeLogin--,
      () => this.#leave(network),
    );
  }

  #leave(network: string): void {
    this.#connections--;
    const left = (this.#perNetwork.get(network) ?? 1) - 1;
    if (left === 0) this.#perNetwork.delete(network);
    else this.#perNetwork.set(network, left);
  }
}

/** One connection's share of the limits. Each step is taken at most once. */
export class Place {
  #leaveWaiting: (() => void) | undefined;
  #leaveAll: (() => void) | undefined;

  constructor(leaveWaiting: () => void, leaveAll: () => void) {
    this.#leaveWaiting = leaveWaiting;
    this.#leaveAll = leaveAll;
  }

  loggedIn(): void {
    this.#leaveWaiting?.();
    this.#leaveWaiting = undefined;
  }

  leave(): void {
    this.loggedIn();
    this.#leaveAll?.();
    this.#leaveAll = undefined;
  }
}
