// What the upstreams behind a protocol's listeners can do, kept for those who must be told before anybody knows which upstream will be
// theirs: SMTP's EHLO, IMAP's capabilities before login, LDAP's root DSE before Bind.
//
//   at the start, after a reload       each upstream is asked, one question at a time
//   it cannot be asked                 again after RETRY, or REFRESH if it would not be good to insist
//   it was asked, or a session told    again after REFRESH without news
//
// How one is asked, and what is made of the answers, is the protocol's to say.

import type { Clock } from '../lib/clock.ts';
import type { UpstreamTarget } from './target.ts';

/** What is asked; it is known by its health whether it is still the same place. */
export type Asked = Pick<UpstreamTarget, 'health'>;

export interface LearntOptions<U extends Asked, K> {
  /** All that clients can be routed to. */
  readonly upstreams: ReadonlyMap<string, U>;
  /** Asks one upstream, on a connection of its own. Rejects if it cannot be asked. */
  readonly ask: (upstream: U, signal: AbortSignal) => Promise<K>;
  /**
   * What is known once `heard` is heard too, by asking or in a session. Without it the newest word counts, but that a session's
   * counts for more than the answer to a question that was under way.
   */
  readonly add?: (known: K | undefined, heard: K) => K;
  /** Told of a question that failed. `later`: it is not asked again soon. */
  readonly onFailed?: (upstream: U, error: unknown) => 'soon' | 'later';
  readonly clock: Clock;
  /** Of the generation before this one; what it knows of upstreams that are where they were is taken over, and it is disposed of. */
  readonly before?: Learnt<U, K> | undefined;
  readonly after?: (milliseconds: number, call: () => void) => Disposable;
}

interface Known<K> {
  readonly what: K;
  /** Monotonic. */
  readonly at: number;
}

/** What was learnt is asked for again after so long without news, in milliseconds. */
const REFRESH = 3_600_000;
/** And an upstream of which nothing is known, after so long. */
const RETRY = 30_000;

export class Learnt<U extends Asked, K> implements Disposable {
  readonly #options: LearntOptions<U, K>;
  readonly #known = new Map<string, Known<K>>();
  readonly #stopped = new AbortController();
  readonly #timers = new Map<string, Disposable>();

  constructor(options: LearntOptions<U, K>) {
    this.#options = options;
    const { before, upstreams } = options;
    if (before !== undefined) {
      for (const [name, known] of before.#known) {
        const upstream = upstreams.get(name);
        const isSame = upstream?.health === before.#options.upstreams.get(name)?.health;
        if (upstream !== undefined && isSame) this.#known.set(name, known);
      }
      before[Symbol.dispose]();
    }
    // Known ones too: a server may have been told to do more, and the config reloaded for it.
    for (const [name, upstream] of upstreams) void this.#ask(name, upstream);
  }

  /** undefined: nothing is known of it, or there is no such upstream. */
  of(name: string): K | undefined {
    return this.#known.get(name)?.what;
  }

  /** What is known of each of these, of all unless told; undefined where of one nothing is known, or where there is none. */
  ofEach(names: Iterable<string> = this.#options.upstreams.keys()): readonly K[] | undefined {
    const found = [...names].map((name) => this.of(name));
    return found.length > 0 && found.every((one) => one !== undefined) ? found : undefined;
  }

  /** What a session has been told by its upstream. */
  learn(name: string, heard: K): void {
    if (!this.#options.upstreams.has(name)) return;
    const { add, clock } = this.#options;
    const what = add === undefined ? heard : add(this.of(name), heard);
    this.#known.set(name, { what, at: clock.monotonic() });
  }

  /** Asks no more. */
  [Symbol.dispose](): void {
    this.#stopped.abort();
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
    this.#timers.clear();
  }

  async #ask(name: string, upstream: U): Promise<void> {
    const { ask, add, onFailed, clock } = this.#options;
    const { signal } = this.#stopped;
    const askedAt = clock.monotonic();
    let again: 'soon' | 'later' = 'soon';
    try {
      const answer = await ask(upstream, signal);
      const isLate = (this.#known.get(name)?.at ?? Number.NEGATIVE_INFINITY) >= askedAt;
      if (!signal.aborted && (add !== undefined || !isLate)) this.learn(name, answer);
    } catch (error) {
      // Unreachable, or it says nothing that is its protocol: for its health to tell, and for the session that is refused for it.
      if (!signal.aborted) again = onFailed?.(upstream, error) ?? 'soon';
    }
    if (!signal.aborted) this.#askLater(name, upstream, again === 'later' ? REFRESH : RETRY);
  }

  #askLater(name: string, upstream: U, atLeast = RETRY): void {
    const { after = timer, clock } = this.#options;
    const known = this.#known.get(name);
    const wait = known === undefined ? atLeast : Math.max(atLeast, known.at + REFRESH - clock.monotonic());
    const call = () => {
      const latest = this.#known.get(name);
      // Sessions have told meanwhile.
      if (latest !== undefined && clock.monotonic() - latest.at < REFRESH) this.#askLater(name, upstream);
      else void this.#ask(name, upstream);
    };
    this.#timers.set(name, after(wait, call));
  }
}

function timer(milliseconds: number, call: () => void): Disposable {
  const timeout = setTimeout(call, milliseconds).unref();
  return { [Symbol.dispose]: () => clearTimeout(timeout) };
}
