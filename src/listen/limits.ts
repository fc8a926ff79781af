// How many connections there may be: in all, from one network, of those that have not logged in yet, and for as many
// file descriptors as there are.

import { networkOf } from '../lib/network.ts';

export interface ConnectionBounds {
  readonly connections: number;
  readonly perNetwork: number;
  readonly beforeLogin: number;
  /** As many as file descriptors last for; see file-descriptors.ts. Default: no bound. */
  readonly fileDescriptors?: number;
}

export type ConnectionBound = keyof ConnectionBounds;

export class ConnectionLimits {
  #bounds: Required<ConnectionBounds>;
  readonly #perNetwork = new Map<string, number>();
  #connections = 0;
  #beforeLogin = 0;

  constructor(bounds: ConnectionBounds) {
    this.#bounds = { fileDescriptors: Number.POSITIVE_INFINITY, ...bounds };
  }

  /** Other bounds for connections that come from now on; file descriptors are as many as before. */
  configure(bounds: Omit<ConnectionBounds, 'fileDescriptors'>): void {
    this.#bounds = { ...bounds, fileDescriptors: this.#bounds.fileDescriptors };
  }

  /** A place for a connection from `address`, or the name of the bound that is reached. */
  enter(address: string): Place | ConnectionBound {
    if (this.#isFull(networkOf(address))) return 'perNetwork';
    const place = this.enterUnnamed();
    if (typeof place !== 'string') place.name(address);
    return place;
  }

  /** A place for a connection whose client is not known yet: it counts for no network until the place is named. */
  enterUnnamed(): Place | ConnectionBound {
    const { connections, fileDescriptors, beforeLogin } = this.#bounds;
    if (this.#connections >= connections) return 'connections';
    if (this.#connections >= fileDescriptors) return 'fileDescriptors';
    if (this.#beforeLogin >= beforeLogin) return 'beforeLogin';
    this.#connections++;
    this.#beforeLogin++;
    return new Place({
      name: (address) => this.#name(address),
      leaveWaiting: () => this.#beforeLogin--,
      leaveAll: (network) => this.#leave(network),
    });
  }

  #isFull(network: string): boolean {
    return (this.#perNetwork.get(network) ?? 0) >= this.#bounds.perNetwork;
  }

  #name(address: string): string | undefined {
    const network = networkOf(address);
    if (this.#isFull(network)) return undefined;
    this.#perNetwork.set(network, (this.#perNetwork.get(network) ?? 0) + 1);
    return network;
  }

  #leave(network: string | undefined): void {
    this.#connections--;
    if (network === undefined) return;
    const left = (this.#perNetwork.get(network) ?? 1) - 1;
    if (left === 0) this.#perNetwork.delete(network);
    else this.#perNetwork.set(network, left);
  }
}

interface PlaceSteps {
  /** The network that it counts for from now on; undefined if that has no place left. */
  readonly name: (address: string) => string | undefined;
  readonly leaveWaiting: () => void;
  readonly leaveAll: (network: string | undefined) => void;
}

/** One connection's share of the limits. Each step is taken at most once. */
export class Place {
  readonly #steps: PlaceSteps;
  #network: string | undefined;
  #isWaiting = true;
  #isHeld = true;

  constructor(steps: PlaceSteps) {
    this.#steps = steps;
  }

  /** Counts for the address's network from now on; false if that has no place left. */
  name(address: string): boolean {
    if (this.#network !== undefined || !this.#isHeld) return true;
    this.#network = this.#steps.name(address);
    return this.#network !== undefined;
  }

  loggedIn(): void {
    if (this.#isWaiting) this.#steps.leaveWaiting();
    this.#isWaiting = false;
  }

  leave(): void {
    this.loggedIn();
    if (this.#isHeld) this.#steps.leaveAll(this.#network);
    this.#isHeld = false;
  }
}
