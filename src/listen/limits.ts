// How many connections there may be: in all, from one network, of those that have not logged in yet, and for as many
// file descriptors as there are.
//
// Silence is cheap, and must not keep anybody out: where a bound is reached, a new connection takes the place of
//  1. one that has said nothing at all, of the network that has the most such the one that has waited longest, else of
//  2. one that talks without end, if it is from a crowd of them larger than the newcomer's, or has had time enough.
// Who says something is otherwise let finish: in a storm of clients that come back after a restart, whoever is in gets through, and
// those who come too soon are turned away, instead of everybody pushing out everybody. Whose login is under way, and whoever has
// logged in, never gives way.

import { type Clock, systemClock } from '../lib/clock.ts';
import { networkOf } from '../lib/network.ts';
import { type ConnectionBound, Place, UNNAMED } from './place.ts';
import { WaitingRoom } from './waiting-room.ts';

export type ConnectionBounds = { readonly [bound in Exclude<ConnectionBound, 'fileDescriptors'>]: number } & {
  /** As many as file descriptors last for; see file-descriptors.ts. Default: no bound. */
  readonly fileDescriptors?: number;
};

/** More than so many that talk before login from one network are a crowd; the clients of a household are not. */
const CROWD = 10;
/** Milliseconds in which whoever talks can have logged in, over a slow line and in a storm. */
const TIME_ENOUGH = 10_000;

export class ConnectionLimits {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #bounds: Required<ConnectionBounds>;
  readonly #perNetwork = new Map<string, number>();
  readonly #silent = new WaitingRoom<Place>();
  readonly #talking = new WaitingRoom<Place>();
  #connections = 0;
  #beforeLogin = 0;

  constructor(bounds: ConnectionBounds, clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#bounds = { fileDescriptors: Number.POSITIVE_INFINITY, ...bounds };
    this.#clock = clock;
  }

  /** Other bounds for connections that come from now on; file descriptors are as many as before. */
  configure(bounds: Omit<ConnectionBounds, 'fileDescriptors'>): void {
    this.#bounds = { ...bounds, fileDescriptors: this.#bounds.fileDescriptors };
  }

  /** A place for a connection from `address`, or the name of the bound that is reached. */
  enter(address: string): Place | ConnectionBound {
    const network = networkOf(address);
    if (!this.#makeRoomIn(network)) return 'perNetwork';
    const place = this.#enter(network);
    if (typeof place !== 'string') place.name(address);
    return place;
  }

  /** A place for a connection whose client is not known yet: it counts for no network until the place is named. */
  enterUnnamed(): Place | ConnectionBound {
    return this.#enter(UNNAMED);
  }

  #enter(network: string): Place | ConnectionBound {
    const bound = this.#reached();
    if (bound !== undefined) {
      const other = this.#whoGivesWayTo(network);
      if (other === undefined) return bound;
      other.giveWay(bound);
    }
    this.#connections++;
    this.#beforeLogin++;
    const place = new Place({
      name: (address) => this.#name(place, address),
      moved: (from) => this.#moved(place, from),
    });
    this.#silent.add(UNNAMED, place);
    return place;
  }

  #reached(): ConnectionBound | undefined {
    const { connections, fileDescriptors, beforeLogin } = this.#bounds;
    if (this.#connections >= connections) return 'connections';
    if (this.#connections >= fileDescriptors) return 'fileDescriptors';
    return this.#beforeLogin >= beforeLogin ? 'beforeLogin' : undefined;
  }

  #whoGivesWayTo(network: string): Place | undefined {
    const silent = this.#silent.oldestOfLargest();
    if (silent !== undefined) return silent;
    const { largest } = this.#talking;
    if (largest > CROWD && largest > this.#talking.sizeOf(network) + 1)
      return this.#talking.oldestOfLargest();
    return this.#ifTimeEnough(this.#talking.oldest());
  }

  /** False if the network has as many as it may, and none of them gives way. */
  #makeRoomIn(network: string): boolean {
    if ((this.#perNetwork.get(network) ?? 0) < this.#bounds.perNetwork) return true;
    const other = this.#silent.oldestFrom(network) ?? this.#ifTimeEnough(this.#talking.oldestFrom(network));
    other?.giveWay('perNetwork');
    return other !== undefined;
  }

  #ifTimeEnough(place: Place | undefined): Place | undefined {
    if (place === undefined) return undefined;
    return this.#clock.monotonic() - place.talksSince >= TIME_ENOUGH ? place : undefined;
  }

  #name(place: Place, address: string): boolean {
    const network = networkOf(address);
    if (!this.#makeRoomIn(network)) return false;
    this.#perNetwork.set(network, (this.#perNetwork.get(network) ?? 0) + 1);
    this.#roomOf(place.stage)?.delete(place.network, place);
    place.network = network;
    this.#roomOf(place.stage)?.add(network, place);
    return true;
  }

  #moved(place: Place, from: Place['stage']): void {
    const { network, stage } = place;
    this.#roomOf(from)?.delete(network, place);
    if (stage === 'talking') place.talksSince = this.#clock.monotonic();
    this.#roomOf(stage)?.add(network, place);
    if (stage === 'logged in' || (stage === 'gone' && from !== 'logged in')) this.#beforeLogin--;
    if (stage === 'gone') this.#leave(network);
  }

  #roomOf(stage: Place['stage']): WaitingRoom<Place> | undefined {
    if (stage === 'silent') return this.#silent;
    return stage === 'talking' ? this.#talking : undefined;
  }

  #leave(network: string): void {
    this.#connections--;
    if (network === UNNAMED) return;
    const left = (this.#perNetwork.get(network) ?? 1) - 1;
    if (left === 0) this.#perNetwork.delete(network);
    else this.#perNetwork.set(network, left);
  }
}
