// One connection's share of the limits (limits.ts), from accept until it is closed.

import type { WaitingRoom } from './waiting-room.ts';

/** The name of a bound: a key of the config's `limits`, or file descriptors. */
export type ConnectionBound = 'connections' | 'perNetwork' | 'beforeLogin' | 'fileDescriptors';

export type Stage =
  /** Not a whole line, message or ClientHello from the client yet. */
  | 'silent'
  | 'talking'
  /** Its login is under way. */
  | 'attempting'
  | 'logged in'
  /** Closed, or given way. */
  | 'gone';

interface PlaceSteps {
  /** Gives the place its network; false if that has no place left. */
  readonly name: (address: string) => boolean;
  readonly moved: (from: Stage) => void;
}

export class Place {
  readonly #steps: PlaceSteps;
  #stage: Stage = 'silent';
  /** When it was given: milliseconds, monotonic. */
  readonly since: number;
  /** For the limits only, as are the next four. The widest first. Until the place is named: a word of its own that no network is called. */
  networks: readonly string[];
  isNamed = false;
  /** When its first word came: milliseconds, monotonic. */
  talksSince = 0;
  /** It talks, and has not come to the end of an attempt yet. */
  isNewcomer = false;
  /** Where it may have to give way. */
  room: WaitingRoom<Place> | undefined;
  /** Called when another connection takes the place: this one is to be closed. */
  onGivenWay: ((bound: ConnectionBound) => void) | undefined;

  constructor(unnamed: string, since: number, steps: PlaceSteps) {
    this.networks = [unnamed];
    this.since = since;
    this.#steps = steps;
  }

  get stage(): Stage {
    return this.#stage;
  }

  get isBeforeLogin(): boolean {
    return this.#stage !== 'logged in' && this.#stage !== 'gone';
  }

  /** Counts for the address's network from now on; false if that has no place left. */
  name(address: string): boolean {
    if (this.isNamed || this.#stage === 'gone') return true;
    return this.#steps.name(address);
  }

  /** The client has said something whole. */
  heard(): void {
    if (this.#stage === 'silent') this.#move('talking');
  }

  /** Its login is under way, or has failed. */
  attempting(isUnderWay: boolean): void {
    if (isUnderWay && this.isBeforeLogin) this.#move('attempting');
    else if (!isUnderWay && this.#stage === 'attempting') this.#move('talking');
  }

  loggedIn(): void {
    if (this.isBeforeLogin) this.#move('logged in');
  }

  /** It is nobody again, and counts among those that have not logged in. */
  loggedOut(): void {
    if (this.#stage === 'logged in') this.#move('talking');
  }

  leave(): void {
    if (this.#stage !== 'gone') this.#move('gone');
  }

  giveWay(bound: ConnectionBound): void {
    this.leave();
    this.onGivenWay?.(bound);
  }

  #move(to: Stage): void {
    const from = this.#stage;
    this.#stage = to;
    this.#steps.moved(from);
  }
}
