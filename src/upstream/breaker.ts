// A breaker for one address of an upstream: while the address is dead, clients are not made to find that out one by one.
//
//   up ── a connection fails ──▶ suspect ── the next one fails too ──▶ down
//    ◀──────── one succeeds ───────┘            ◀── a probe succeeds ────┘
//
// One failure may be bad luck, so it only makes the address the last one to be tried, and a probe looks again at once. From `down`
// no client is sent there: one probe at a time, after pauses that double, finds out when the address is alive again.

import type { Clock } from '../lib/clock.ts';

export type BreakerState = 'up' | 'suspect' | 'down';

/** Connects as a login would (TCP, TLS, greeting), and closes again. Rejects with what is wrong, or when `signal` aborts. */
export type Probe = (signal: AbortSignal) => Promise<void>;

/** Milliseconds before the first probe of an address that is down, and between probes at most. */
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
/** Up to this part of a pause is left out, so that several Posterns do not probe in step. */
const JITTER = 0.25;

export interface BreakerDeps {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** At least 0, less than 1. */
  readonly random: () => number;
  /** Calls back after so many milliseconds; what it gives cancels that. */
  readonly after: (milliseconds: number, callback: () => void) => () => void;
  /** `error`: what the change, or the same state for another reason, is due to. */
  readonly onChange: (change: BreakerChange) => void;
}

export type BreakerChange =
  | { readonly state: 'suspect' | 'down'; readonly error: Error }
  /** `was`: a single failure, or down for `seconds`. */
  | { readonly state: 'up'; readonly was: 'suspect' | 'down'; readonly seconds: number };

export class Breaker implements Disposable {
  readonly #deps: BreakerDeps;
  #state: BreakerState = 'up';
  #error: Error | undefined;
  /** When it was last seen alive, and since when it is not up; on the monotonic clock. */
  #aliveAt = Number.NEGATIVE_INFINITY;
  #notUpSince = 0;
  #pause = FIRST_PAUSE;
  #probe: Probe | undefined;
  #probing: AbortController | undefined;
  #cancelPause: (() => void) | undefined;
  #isDisposed = false;

  constructor(deps: BreakerDeps) {
    this.#deps = deps;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Why it is not up. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** A connection is ready. */
  succeeded(): void {
    const now = this.#deps.clock.monotonic();
    this.#aliveAt = now;
    const was = this.#state;
    if (was === 'up' || this.#isDisposed) return;
    this.#state = 'up';
    this.#error = undefined;
    this.#pause = FIRST_PAUSE;
    this.#stopProbing();
    this.#deps.onChange({ state: 'up', was, seconds: (now - this.#notUpSince) / 1000 });
  }

  /**
   * A connection that was begun at `startedAt` (monotonic milliseconds) failed. One that was begun before the address was last seen
   * alive says nothing about now.
   */
  failed(error: Error, startedAt: number, probe: Probe): void {
    if (startedAt < this.#aliveAt || this.#isDisposed) return;
    this.#probe = probe;
    if (this.#state === 'up') {
      this.#notUpSince = this.#deps.clock.monotonic();
      this.#become('suspect', error);
      void this.#look();
    } else if (this.#state === 'suspect') {
      this.#goDown(error);
    }
  }

  /** Probes no more, and reports nothing. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#stopProbing();
  }

  #goDown(error: Error): void {
    this.#become('down', error);
    // A probe that is under way goes on: its end schedules the next.
    if (this.#probing === undefined) this.#lookLater();
  }

  #become(state: 'suspect' | 'down', error: Error): void {
    this.#state = state;
    this.#error = error;
    this.#deps.onChange({ state, error });
  }

  #lookLater(): void {
    const pause = this.#pause * (1 - JITTER * this.#deps.random());
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#cancelPause = this.#deps.after(pause, () => {
      this.#cancelPause = undefined;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    const probe = this.#probe;
    if (probe === undefined || this.#probing !== undefined) return;
    const probing = new AbortController();
    this.#probing = probing;
    let error: Error | undefined;
    try {
      await probe(probing.signal);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown : new Error(String(thrown));
    }
    // Given up meanwhile: the address was seen alive, or nobody asks any more.
    if (this.#probing !== probing) return;
    this.#probing = undefined;
    if (error === undefined) this.succeeded();
    else if (this.#state === 'suspect') this.#goDown(error);
    else {
      if (differs(error, this.#error)) this.#become('down', error);
      this.#lookLater();
    }
  }

  #stopProbing(): void {
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    const probing = this.#probing;
    this.#probing = undefined;
    probing?.abort();
  }
}

/** Whether the reason is another one than before, and worth telling: a host that is up again with a wrong certificate. */
function differs(error: Error, before: Error | undefined): boolean {
  const words = (of: (Error & { code?: string }) | undefined) => `${of?.name} ${of?.code ?? of?.message}`;
  return words(error) !== words(before);
}
