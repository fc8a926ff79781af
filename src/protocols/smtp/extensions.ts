// Which extensions Postern may advertise before it knows who the client is: what Postern can do and every upstream that the client
// may be routed to can do too. Learnt from the sessions, and by asking where there were none.
//
//   SIZE, SMTPUTF8, DSN, 8BITMIME    all of the upstreams; RFC 6152 §3 lets nobody take 8-bit data who would have to convert them
//   ENHANCEDSTATUSCODES              all of the upstreams: their answers are passed on as they come (RFC 2034 §4)
//   PIPELINING                       Postern's own: commands are read in order whatever the upstream can do (RFC 2920 §3.2)

import type { Clock } from '../../lib/clock.ts';
import { askExtensions, type SmtpUpstream } from './upstream.ts';

/** What a session's dialogue needs of it. */
export interface OfferedExtensions {
  /** What EHLO may say to a client: upper-case keyword → parameters. */
  offered(): ReadonlyMap<string, string>;
  /** What an upstream has told a session, after its login. */
  learn(upstream: string, extensions: ReadonlyMap<string, string>): void;
}

export interface LearntExtensionsOptions {
  /** All that clients can be routed to. */
  readonly upstreams: ReadonlyMap<string, SmtpUpstream>;
  /** Our own name, for EHLO. */
  readonly hostname: string;
  readonly clock: Clock;
  /** Of the generation before this one; what it knows of these upstreams is taken over, and it is disposed of. */
  readonly before?: LearntExtensions | undefined;
  readonly ask?: typeof askExtensions;
  readonly after?: (milliseconds: number, call: () => void) => Disposable;
}

interface Learnt {
  readonly extensions: ReadonlyMap<string, string>;
  /** Monotonic. */
  readonly at: number;
}

/** What was learnt is asked for again after so long without a session, in milliseconds. */
const REFRESH = 3_600_000;
/** And an upstream of which nothing is known, after so long. */
const RETRY = 30_000;

const OF_ALL = ['8BITMIME', 'SMTPUTF8', 'DSN', 'ENHANCEDSTATUSCODES'] as const;

export class LearntExtensions implements OfferedExtensions, Disposable {
  readonly #learnt = new Map<string, Learnt>();
  readonly #upstreams: ReadonlyMap<string, SmtpUpstream>;
  readonly #options: LearntExtensionsOptions;
  readonly #stopped = new AbortController();
  readonly #timers = new Map<string, Disposable>();

  constructor(options: LearntExtensionsOptions) {
    this.#options = options;
    this.#upstreams = options.upstreams;
    const { before } = options;
    if (before !== undefined) {
      for (const [name, known] of before.#learnt)
        if (this.#upstreams.has(name)) this.#learnt.set(name, known);
      before[Symbol.dispose]();
    }
    // Known ones too: a reload may have given the name to another server, or to one that was told to do more.
    for (const [name, upstream] of this.#upstreams) void this.#ask(name, upstream);
  }

  offered(): ReadonlyMap<string, string> {
    return this.for(this.#upstreams.keys());
  }

  /** What may be advertised to whom these upstreams may serve. Of no upstream at all, and of one that is unknown: what is ours alone. */
  for(names: Iterable<string>): ReadonlyMap<string, string> {
    const offers = [...names].map((name) => this.#learnt.get(name)?.extensions);
    const found = new Map([['PIPELINING', '']]);
    if (offers.length === 0 || !offers.every((offer) => offer !== undefined)) return found;
    for (const keyword of OF_ALL) {
      if (offers.every((offer) => offer.has(keyword))) found.set(keyword, '');
    }
    if (offers.every((offer) => offer.has('SIZE'))) {
      const limits = offers.map((offer) => sizeIn(offer.get('SIZE'))).filter((limit) => limit > 0);
      found.set('SIZE', limits.length === 0 ? '' : String(Math.min(...limits)));
    }
    return found;
  }

  learn(upstream: string, extensions: ReadonlyMap<string, string>): void {
    if (this.#upstreams.has(upstream)) {
      this.#learnt.set(upstream, { extensions: new Map(extensions), at: this.#options.clock.monotonic() });
    }
  }

  /** Asks no more. */
  [Symbol.dispose](): void {
    this.#stopped.abort();
    for (const timer of this.#timers.values()) timer[Symbol.dispose]();
    this.#timers.clear();
  }

  /** One question at a time for each upstream. That it fails is for the upstream's health to tell. */
  async #ask(name: string, upstream: SmtpUpstream): Promise<void> {
    const { ask = askExtensions, hostname, clock } = this.#options;
    const { signal } = this.#stopped;
    const askedAt = clock.monotonic();
    try {
      const extensions = await ask(upstream, { hostname, signal, clock });
      // What a session has heard after its login counts for more than what strangers are told.
      if ((this.#learnt.get(name)?.at ?? Number.NEGATIVE_INFINITY) < askedAt) this.learn(name, extensions);
    } catch {
      // Unreachable, or it says nothing that is SMTP. A session that is refused for it tells the operator.
    }
    if (!signal.aborted) this.#askLater(name, upstream);
  }

  #askLater(name: string, upstream: SmtpUpstream): void {
    const { after = timer, clock } = this.#options;
    const known = this.#learnt.get(name);
    const wait = known === undefined ? RETRY : Math.max(RETRY, known.at + REFRESH - clock.monotonic());
    const call = () => {
      const learnt = this.#learnt.get(name);
      // Sessions have told meanwhile.
      if (learnt !== undefined && clock.monotonic() - learnt.at < REFRESH) this.#askLater(name, upstream);
      else void this.#ask(name, upstream);
    };
    this.#timers.set(name, after(wait, call));
  }
}

/** RFC 1870 §4: octets; none and 0 are no limit, and what is no number says nothing.. */
function sizeIn(parameter = ''): number {
  if (parameter === '') return 0;
  return /^\d{1,15}$/.test(parameter) ? Number(parameter) : 0;
}

function timer(milliseconds: number, call: () => void): Disposable {
  const timeout = setTimeout(call, milliseconds).unref();
  return { [Symbol.dispose]: () => clearTimeout(timeout) };
}
