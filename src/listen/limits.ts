// How many connections there may be: in all, from one network, of those that have not logged in yet, and for as many
// file descriptors as there are.
//
// Silence is cheap, and must not keep anybody out: where a bound is reached, a new connection takes the place of
//  1. one that has said nothing at all, of the network that has the most such the one that has waited longest, else of
//  2. one whose login failed after it had had time enough, else of
//  3. one that talks without end, if it is from a crowd of them larger than the newcomer's, or has had time enough.
// Time counts from a connection's first word: whoever fails again and again, which costs nothing, gains none by it.
// Who says something is otherwise let finish: in a storm of clients that come back after a restart, whoever is in gets through, and
// those who come too soon are turned away, instead of everybody pushing out everybody. Whose login is under way, and whoever has
// logged in, never gives way.

import { type Clock, systemClock } from '../lib/clock.ts';
import { networkOf } from '../lib/network.ts';
import { type ConnectionBound, Place } from './place.ts';
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
  /** Those that had time enough, and whose login has failed. */
  readonly #overdue = new WaitingRoom<Place>();
  #newcomers = 0;
  #unnamed = 0;
  #connections = 0;
  #beforeLogin = 0;

  constructor(bounds: ConnectionBounds, clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#bounds = { fileDescriptors: Number.POSITIVE_INFINITY, ...bounds };
    this.#clock = clock;
  }

  /** Connections that talk, and on which no attempt to log in has ended yet. */
  get newcomers(): number {
    return this.#newcomers;
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
    return this.#enter(undefined);
  }

  #enter(network: string | undefined): Place | ConnectionBound {
    const bound = this.#reached();
    if (bound !== undefined) {
      const other = this.#whoGivesWayTo(network);
      if (other === undefined) return bound;
      other.giveWay(bound);
    }
    this.#connections++;
    this.#beforeLogin++;
    // Until it has a name it is alone in a network of its own: those whose headers are on their way at the same moment are no crowd.
    this.#unnamed++;
    const place = new Place(`unnamed ${this.#unnamed}`, {
      name: (address) => this.#name(place, address),
      moved: (from) => this.#moved(place, from),
    });
    this.#seat(place);
    return place;
  }

  #reached(): ConnectionBound | undefined {
    const { connections, fileDescriptors, beforeLogin } = this.#bounds;
    if (this.#connections >= connections) return 'connections';
    if (this.#connections >= fileDescriptors) return 'fileDescriptors';
    return this.#beforeLogin >= beforeLogin ? 'beforeLogin' : undefined;
  }

  #whoGivesWayTo(network: string | undefined): Place | undefined {
    const first = this.#silent.oldestOfLargest() ?? this.#overdue.oldestOfLargest();
    if (first !== undefined) return first;
    const { largest } = this.#talking;
    const own = network === undefined ? 0 : this.#talking.sizeOf(network);
    if (largest > CROWD && largest > own + 1) return this.#talking.oldestOfLargest();
    return this.#ifTimeEnough(this.#talking.oldest());
  }

  /** False if the network has as many as it may, and none of them gives way. */
  #makeRoomIn(network: string): boolean {
    if ((this.#perNetwork.get(network) ?? 0) < this.#bounds.perNetwork) return true;
    const other =
      this.#silent.oldestFrom(network) ??
      this.#overdue.oldestFrom(network) ??
      this.#ifTimeEnough(this.#talking.oldestFrom(network));
    other?.giveWay('perNetwork');
    return other !== undefined;
  }

  #ifTimeEnough(place: Place | undefined): Place | undefined {
    return place !== undefined && this.#hadTimeEnough(place) ? place : undefined;
  }

  #hadTimeEnough({ talksSince }: Place): boolean {
    return this.#clock.monotonic() - talksSince >= TIME_ENOUGH;
  }

  #name(place: Place, address: string): boolean {
    const network = networkOf(address);
    if (!this.#makeRoomIn(network)) return false;
    this.#perNetwork.set(network, (this.#perNetwork.get(network) ?? 0) + 1);
    place.room?.delete(place.network, place);
    place.room = undefined;
    place.network = network;
    place.isNamed = true;
    this.#seat(place);
    return true;
  }

  #moved(place: Place, from: Place['stage']): void {
    const { stage } = place;
    if (from === 'silent' || from === 'logged in') place.talksSince = this.#clock.monotonic();
    this.#countNewcomer(place, from);
    this.#seat(place);
    if (from === 'logged in' && place.isBeforeLogin) this.#beforeLogin++;
    if (stage === 'logged in' || (stage === 'gone' && from !== 'logged in')) this.#beforeLogin--;
    if (stage === 'gone') this.#leave(place);
  }

  #countNewcomer(place: Place, from: Place['stage']): void {
    if (from === 'silent' && place.isBeforeLogin) {
      place.isNewcomer = true;
      this.#newcomers++;
    } else if (place.isNewcomer && (from === 'attempting' || !place.isBeforeLogin)) {
      place.isNewcomer = false;
      this.#newcomers--;
    }
  }

  #seat(place: Place): void {
    place.room?.delete(place.network, place);
    place.room = this.#roomFor(place);
    place.room?.add(place.network, place);
  }

  #roomFor(place: Place): WaitingRoom<Place> | undefined {
    if (place.stage === 'silent') return this.#silent;
    if (place.stage !== 'talking') return undefined;
    // Back from a failed login it queues last again, but only until it fails once more.
    return this.#hadTimeEnough(place) ? this.#overdue : this.#talking;
  }

  #leave({ network, isNamed }: Place): void {
    this.#connections--;
    if (!isNamed) return;
    const left = (this.#perNetwork.get(network) ?? 1) - 1;
    if (left === 0) this.#perNetwork.delete(network);
    else this.#perNetwork.set(network, left);
  }
}
