// The live sessions: what is joined, or about to be. A session is registered before its upstream login starts and asks
// for its standing when it is joined, so that a revocation cannot slip between verdict and session; from then on a
// revocation, a disabled user, an expiry or an admin ends it.

import type { Events } from '../events.ts';
import type { Clock } from '../lib/clock.ts';
import type { Protocol } from '../lib/protocol.ts';
import type { User } from '../lib/user.ts';
import type { Standing, Store } from '../store/store.ts';

/** Why a session is ended from our side. */
export type EndReason = 'revoked' | 'expired' | 'user_disabled' | 'admin' | 'shutdown';

export interface SessionInfo {
  readonly id: string;
  readonly protocol: Protocol;
  readonly user: User;
  readonly passwordId: string;
  readonly upstream: string;
  readonly client: { readonly address: string; readonly port: number };
}

/** What is known of the client, for people to recognise it by. */
export interface SessionClient {
  /** The app password's name when it logged in. */
  readonly device: string;
  /** What the client calls itself, if it did. Untrusted. */
  readonly software: string | null;
  /** The version of TLS; null: in clear. */
  readonly tls: string | null;
}

/** A session as `sessions list` shows it. */
export interface SessionEntry extends SessionInfo, SessionClient {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly state: 'logging_in' | 'joined';
}

export interface LiveSession {
  readonly info: SessionInfo;
  /** Set if the session was ended while nobody had taken `onEnd` yet. */
  readonly ended: EndReason | undefined;
  /** What ends it: first the upstream login's abort, then the splice's end. Called at once if it was ended already. */
  onEnd(end: (reason: EndReason) => void): void;
  /** Called when the process begins to drain, at once if it has: a session that is between two pieces of work may go then. */
  onDrain(call: () => void): void;
  /** Reads the record's standing now: undefined if the session may be joined, else why not. */
  mayJoin(): Promise<EndReason | undefined>;
  joined(): void;
  /** It is over: takes it off the list. */
  leave(): void;
}

/** How often expiries are looked for and failed look-ups are repeated, in milliseconds. */
const SWEEP_INTERVAL = 500;
/** Ids in one look-up of standings. */
const BATCH = 500;

class Entry implements LiveSession {
  readonly info: SessionInfo;
  readonly shown: SessionClient;
  readonly since: number;
  state: SessionEntry['state'] = 'logging_in';
  expiresAt: number | null;
  ended: EndReason | undefined;
  #end: ((reason: EndReason) => void) | undefined;
  #drain: (() => void) | undefined;
  readonly #live: LiveSessions;

  constructor(
    info: SessionInfo,
    { expiresAt, ...shown }: SessionClient & { readonly expiresAt: number | null },
    since: number,
    live: LiveSessions,
  ) {
    this.info = info;
    this.shown = shown;
    this.expiresAt = expiresAt;
    this.since = since;
    this.#live = live;
  }

  onEnd(end: (reason: EndReason) => void): void {
    this.#end = end;
    if (this.ended !== undefined) end(this.ended);
  }

  onDrain(call: () => void): void {
    this.#drain = call;
    if (this.#live.isDraining) call();
  }

  drain(): void {
    this.#drain?.();
  }

  end(reason: EndReason): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    this.#end?.(reason);
  }

  async mayJoin(): Promise<EndReason | undefined> {
    await this.#live.check([this]);
    return this.ended;
  }

  joined(): void {
    this.state = 'joined';
  }

  leave(): void {
    this.#live.remove(this);
  }
}

export class LiveSessions implements Disposable {
  readonly #store: Pick<Store, 'standings' | 'watch'>;
  readonly #clock: Clock;
  readonly #events: Pick<Events, 'storeFailed' | 'internalError'>;
  #perUser: number;
  readonly #entries = new Map<string, Entry>();
  readonly #ofUser = new Map<User, number>();
  readonly #stopWatching: () => void;
  readonly #sweep: NodeJS.Timeout;
  #checking = false;
  #checkAgain = false;
  #idle: (() => void)[] = [];
  /** No more are accepted, and those there are may go when it suits them. */
  isDraining = false;

  constructor(deps: {
    store: Pick<Store, 'standings' | 'watch'>;
    clock: Clock;
    events: Pick<Events, 'storeFailed' | 'internalError'>;
    /** Sessions that one user may have at a time. Default: no bound. */
    perUser?: number;
  }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#events = deps.events;
    this.#perUser = deps.perUser ?? Number.POSITIVE_INFINITY;
    this.#stopWatching = this.#store.watch(() => this.#checkSoon());
    this.#sweep = setInterval(() => this.#onSweep(), SWEEP_INTERVAL);
    this.#sweep.unref();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Another bound for sessions that start from now on. */
  configure({ perUser }: { readonly perUser: number }): void {
    this.#perUser = perUser;
  }

  /** Whether the user may have one more session. */
  hasRoomFor(user: User): boolean {
    return (this.#ofUser.get(user) ?? 0) < this.#perUser;
  }

  /** `expiresAt`: of the app password, milliseconds since the epoch; null: never. */
  register(info: SessionInfo, more: SessionClient & { readonly expiresAt: number | null }): LiveSession {
    const entry = new Entry(info, more, this.#clock.now(), this);
    this.#entries.set(info.id, entry);
    this.#ofUser.set(info.user, (this.#ofUser.get(info.user) ?? 0) + 1);
    return entry;
  }

  list(): SessionEntry[] {
    return [...this.#entries.values()].map(({ info, shown, since, state }) => ({
      ...info,
      ...shown,
      since,
      state,
    }));
  }

  /** Ends one session, a user's, or all; gives how many. */
  end(which: { id: string } | { user: User } | 'all', reason: EndReason): number {
    const chosen = [...this.#entries.values()].filter(
      ({ info }) => which === 'all' || ('id' in which ? info.id === which.id : info.user === which.user),
    );
    for (const entry of chosen) entry.end(reason);
    return chosen.length;
  }

  /** Tells all sessions, those to come too, that they may go when it suits them. */
  drain(): void {
    this.isDraining = true;
    for (const entry of [...this.#entries.values()]) entry.drain();
  }

  /** Resolves when no session is left. */
  empty(): Promise<void> {
    if (this.#entries.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /**
   * Ends those of `entries` that may not go on. Without an answer from the store they go on until there is one; gives
   * whether there was.
   */
  async check(entries: readonly Entry[]): Promise<boolean> {
    try {
      const standings = await this.#store.standings([...new Set(entries.map(({ info }) => info.passwordId))]);
      for (const entry of entries) {
        const standing = standings.get(entry.info.passwordId);
        entry.expiresAt = standing?.expiresAt ?? null;
        const reason = this.#reasonToEnd(standing);
        if (reason !== undefined) entry.end(reason);
      }
      return true;
    } catch (error) {
      this.#events.storeFailed('session check', error);
      this.#checkAgain = true;
      return false;
    }
  }

  remove(entry: Entry): void {
    const { id, user } = entry.info;
    if (this.#entries.get(id) !== entry) return;
    this.#entries.delete(id);
    const left = (this.#ofUser.get(user) ?? 1) - 1;
    if (left === 0) this.#ofUser.delete(user);
    else this.#ofUser.set(user, left);
    if (this.#entries.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  [Symbol.dispose](): void {
    this.#stopWatching();
    clearInterval(this.#sweep);
  }

  #reasonToEnd(standing: Standing | undefined): EndReason | undefined {
    if (standing === undefined || standing.revoked) return 'revoked';
    if (standing.userDisabled) return 'user_disabled';
    if (standing.expiresAt !== null && standing.expiresAt <= this.#clock.now()) return 'expired';
    return undefined;
  }

  #onSweep(): void {
    const now = this.#clock.now();
    for (const entry of this.#entries.values()) {
      if (entry.expiresAt !== null && entry.expiresAt <= now) entry.end('expired');
    }
    if (this.#checkAgain) this.#checkSoon();
  }

  /** Checks all sessions, one check at a time: news that comes during a check leads to one more. */
  #checkSoon(): void {
    this.#checkAgain = true;
    if (this.#checking) return;
    this.#checking = true;
    void this.#checkAll().finally(() => {
      this.#checking = false;
    });
  }

  async #checkAll(): Promise<void> {
    while (this.#checkAgain) {
      this.#checkAgain = false;
      const entries = [...this.#entries.values()];
      for (let from = 0; from < entries.length; from += BATCH) {
        // A store that does not answer is asked by the next sweep, not by this loop.
        if (!(await this.check(entries.slice(from, from + BATCH)))) return;
      }
    }
  }
}
