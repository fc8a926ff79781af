// Which of an upstream's addresses are worth dialling: a breaker for each, and whether any of them is usable.

import type { Clock } from '../lib/clock.ts';
import { addressText, type UpstreamAddress } from './address.ts';
import { Breaker, type BreakerChange, type BreakerDeps } from './breaker.ts';
import { describeFailure, UpstreamCertificateError } from './errors.ts';

/** What there is to tell about an upstream's addresses; `address` is `host:port`. */
export interface HealthEvents {
  /** Whether any address is usable; told at the start and at each change. */
  upstreamUp(upstream: string, up: boolean): void;
  upstreamFailed(upstream: string, address: string, detail: string): void;
  /** `mend`: it will not pass by itself, such as a wrong certificate. */
  upstreamDown(upstream: string, address: string, detail: string, mend: boolean): void;
  upstreamRecovered(upstream: string, address: string, seconds: number): void;
}

export interface HealthOptions {
  /** The upstream's. */
  readonly name: string;
  readonly addresses: readonly UpstreamAddress[];
  readonly clock: Clock;
  readonly events: HealthEvents;
  readonly random?: BreakerDeps['random'];
  readonly after?: BreakerDeps['after'];
}

/** An address and its breaker. */
export interface Candidate {
  readonly address: UpstreamAddress;
  readonly breaker: Breaker;
}

/** Single failures of an address that works otherwise are told once in so many milliseconds. */
const TELL_EVERY = 60_000;

export class UpstreamHealth implements Disposable {
  readonly #candidates: readonly Candidate[];

  constructor(options: HealthOptions) {
    const { name: upstream, addresses, clock, events, random = Math.random, after = timer } = options;
    events.upstreamUp(upstream, true);
    this.#candidates = addresses.map((address) => {
      const tell = teller(upstream, addressText(address), events, clock);
      const onChange = (change: BreakerChange) => {
        tell(change);
        events.upstreamUp(upstream, this.isUsable);
      };
      return { address, breaker: new Breaker({ clock, random, after, onChange }) };
    });
  }

  /** Whether there is an address that clients are sent to. */
  get isUsable(): boolean {
    return this.#candidates.some(({ breaker }) => breaker.state !== 'down');
  }

  /** All addresses, in the order in which to try them: as configured, but those last that have just failed. */
  candidates(): readonly Candidate[] {
    if (this.#candidates.every(({ breaker }) => breaker.state === 'up')) return this.#candidates;
    const isSuspect = ({ breaker }: Candidate) => breaker.state === 'suspect';
    return [
      ...this.#candidates.filter((candidate) => !isSuspect(candidate)),
      ...this.#candidates.filter(isSuspect),
    ];
  }

  /** Probes no more. Those who are dialling may go on. */
  [Symbol.dispose](): void {
    for (const { breaker } of this.#candidates) breaker[Symbol.dispose]();
  }
}

function teller(upstream: string, address: string, events: HealthEvents, clock: Clock) {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (change: BreakerChange) => {
    if (change.state === 'up') {
      if (change.was === 'down') events.upstreamRecovered(upstream, address, change.seconds);
      return;
    }
    const detail = describeFailure(change.error);
    if (change.state === 'down') {
      events.upstreamDown(upstream, address, detail, change.error instanceof UpstreamCertificateError);
    } else if (clock.monotonic() - toldAt >= TELL_EVERY) {
      toldAt = clock.monotonic();
      events.upstreamFailed(upstream, address, detail);
    }
  };
}

function timer(milliseconds: number, callback: () => void): () => void {
  const timeout = setTimeout(callback, milliseconds).unref();
  return () => clearTimeout(timeout);
}
