// How many connections there may be: in all, from one network, of those that have not logged in yet, and for as many
// file descriptors as there are.
//
// Silence is cheap, and must not keep anybody out. Silent is who has not said one whole line, message or ClientHello: an octet costs as
// little. Where a bound is reached, a new connection takes the place of
//  1. a silent one after it had time for a first word, else of
//  2. one of a crowd that has more than its part of the places, and more than the newcomer's, a silent one first, else of
//  3. any silent one, unless the newcomer is of a crowd that has more than the silent one's, else of
//  4. one whose login failed after it had had time enough, else of
//  5. one that talks without end, if it is from a crowd of them larger than the newcomer's, or has had time enough.
// Crowds are of networks that one hand may hold: an IPv4 /24 or an IPv6 /48, and the narrower ones in it (lib/network.ts, `crowdsOf`); the
// widest that has the most, in it the narrower one that has the most, and of that the one that has waited longest. So a crowd keeps out
// none but its own, however many addresses it has.
//
// Time counts from a connection's first word: whoever fails again and again, which costs nothing, gains none by it.
// Who says something is otherwise let finish: in a storm of clients that come back after a restart, whoever is in gets through, and
// those who come too soon are turned away, instead of everybody pushing out everybody. Whose login is under way, and whoever has
// logged in, never gives way.

import { type Clock, systemClock } from '../lib/clock.ts';
import { crowdsOf, networkOf } from '../lib/network.ts';
import { type ConnectionBound, Place } from './place.ts';
import { WaitingRoom } from './waiting-room.ts';

export type ConnectionBounds = { readonly [bound in Exclude<ConnectionBound, 'fileDescriptors'>]: number } & {
  /** As many as file descriptors last for; see file-descriptors.ts. Default: no bound. */
  readonly fileDescriptors?: number;
};

/** More than so many before login from one network are a crowd; the clients of a household are not. */
const CROWD = 10;
/** A crowd that has more than this part of the places before login has to make room for others, whatever it does there. */
const LARGE_CROWD = 1 / 32;
/** Milliseconds in which whoever means well has said a first word, over a slow line and in a storm. */
const TIME_FOR_A_WORD = 3000;
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
  /** All of these. */
  readonly #waiting = new WaitingRoom<Place>();
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

  /** Connections on which nobody has logged in. */
  get beforeLogin(): number {
    return this.#beforeLogin;
  }

  /** Connections that file descriptors last for. */
  get fileDescriptors(): number {
    return this.#bounds.fileDescriptors;
  }

  /** Other bounds for connections that come from now on; file descriptors are as many as before. */
  configure(bounds: Omit<ConnectionBounds, 'fileDescriptors'>): void {
    this.#bounds = { ...bounds, fileDescriptors: this.#bounds.fileDescriptors };
  }

  /** A place for a connection from `address`, or the name of the bound that is reached. */
  enter(address: string): Place | ConnectionBound {
    const networks = crowdsOf(address);
    if (!this.#makeRoomIn(networks)) return 'perNetwork';
    const place = this.#enter(networks);
    if (typeof place !== 'string') place.name(address);
    return place;
  }

  /** A place for a connection whose client is not known yet: it counts for no network until the place is named. */
  enterUnnamed(): Place | ConnectionBound {
    return this.#enter([]);
  }

  /** `networks`: none, if the client is not known yet. */
  #enter(networks: readonly string[]): Place | ConnectionBound {
    const bound = this.#reached();
    if (bound !== undefined) {
      const other = this.#whoGivesWayTo(networks);
      if (other === undefined) return bound;
      other.giveWay(bound);
    }
    this.#connections++;
    this.#beforeLogin++;
    // Until it has a name it is alone in a network of its own: those whose headers are on their way at the same moment are no crowd.
    this.#unnamed++;
    const place = new Place(`unnamed ${this.#unnamed}`, this.#clock.monotonic(), {
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

  #whoGivesWayTo(networks: readonly string[]): Place | undefined {
    const large = Math.max(CROWD, Math.floor(this.#bounds.beforeLogin * LARGE_CROWD));
    const oldest = this.#silent.oldest();
    if (oldest !== undefined && this.#clock.monotonic() - oldest.since >= TIME_FOR_A_WORD) return oldest;
    const crowding = this.#waiting.crowding(networks, large);
    if (crowding !== undefined) return this.#weakestBeside(crowding);
    const silent = this.#silent.oldestOfLargest();
    const crowd = this.#crowdOf(networks);
    const mayPush = silent !== undefined && (crowd <= CROWD || crowd <= this.#crowdOf(silent.networks));
    return (
      (mayPush ? silent : undefined) ??
      this.#overdue.oldestOfLargest() ??
      this.#talking.crowding(networks, CROWD) ??
      this.#ifTimeEnough(this.#talking.oldest())
    );
  }

  /** How many wait from the widest of these networks. */
  #crowdOf(networks: readonly string[]): number {
    return networks.length === 0 ? 0 : this.#waiting.sizeOf(networks.slice(0, 1));
  }

  /** Of the same network, who is furthest from a login. */
  #weakestBeside({ networks }: Place): Place | undefined {
    return (
      this.#silent.oldestFrom(networks) ??
      this.#overdue.oldestFrom(networks) ??
      this.#talking.oldestFrom(networks)
    );
  }

  /** False if the network has as many as it may, and none of them gives way. */
  #makeRoomIn(networks: readonly string[]): boolean {
    const network = networks.at(-1) as string;
    if ((this.#perNetwork.get(network) ?? 0) < this.#bounds.perNetwork) return true;
    const other =
      this.#silent.oldestFrom(networks) ??
      this.#overdue.oldestFrom(networks) ??
      this.#ifTimeEnough(this.#talking.oldestFrom(networks));
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
    const networks = crowdsOf(address);
    if (!this.#makeRoomIn(networks)) return false;
    const network = networkOf(address);
    this.#perNetwork.set(network, (this.#perNetwork.get(network) ?? 0) + 1);
    this.#unseat(place);
    place.networks = networks;
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
    this.#unseat(place);
    place.room = this.#roomFor(place);
    if (place.room === undefined) return;
    place.room.add(place.networks, place);
    this.#waiting.add(place.networks, place);
  }

  #unseat(place: Place): void {
    if (place.room === undefined) return;
    place.room.delete(place.networks, place);
    this.#waiting.delete(place.networks, place);
    place.room = undefined;
  }

  #roomFor(place: Place): WaitingRoom<Place> | undefined {
    if (place.stage === 'silent') return this.#silent;
    if (place.stage !== 'talking') return undefined;
    // Back from a failed login it queues last again, but only until it fails once more.
    return this.#hadTimeEnough(place) ? this.#overdue : this.#talking;
  }

  #leave({ networks, isNamed }: Place): void {
    this.#connections--;
    if (!isNamed) return;
    const network = networks.at(-1) as string;
    const left = (this.#perNetwork.get(network) ?? 1) - 1;
    if (left === 0) this.#perNetwork.delete(network);
    else this.#perNetwork.set(network, left);
  }
}
