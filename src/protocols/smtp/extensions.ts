// Which extensions Postern may advertise before it knows who the client is: what Postern can do and every upstream that the client
// may be routed to can do too. Learnt from the sessions, and by asking where there were none (upstream/learnt.ts).
//
//   SIZE, SMTPUTF8, DSN, 8BITMIME    all of the upstreams; RFC 6152 §3 lets nobody take 8-bit data who would have to convert them
//   ENHANCEDSTATUSCODES              all of the upstreams: their answers are passed on as they come (RFC 2034 §4)
//   PIPELINING                       Postern's own: commands are read in order whatever the upstream can do (RFC 2920 §3.2)

import { Learnt, type LearntOptions } from '../../upstream/learnt.ts';
import { askExtensions, type SmtpUpstream } from './upstream.ts';

/** Upper-case keyword → parameters. */
type Extensions = ReadonlyMap<string, string>;

/** What a session's dialogue needs of it. */
export interface OfferedExtensions {
  /** What EHLO may say to a client. */
  offered(): Extensions;
  /** What an upstream has told a session, after its login. */
  learn(upstream: string, extensions: Extensions): void;
}

export interface LearntExtensionsOptions
  extends Pick<LearntOptions<SmtpUpstream, Extensions>, 'upstreams' | 'clock' | 'after'> {
  /** Our own name, for EHLO. */
  readonly hostname: string;
  /** Of the generation before this one. */
  readonly before?: LearntExtensions | undefined;
  readonly ask?: typeof askExtensions;
}

const OF_ALL = ['8BITMIME', 'SMTPUTF8', 'DSN', 'ENHANCEDSTATUSCODES'] as const;

export class LearntExtensions implements OfferedExtensions, Disposable {
  readonly #learnt: Learnt<SmtpUpstream, Extensions>;

  constructor({ hostname, ask = askExtensions, before, ...options }: LearntExtensionsOptions) {
    const { clock } = options;
    this.#learnt = new Learnt({
      ...options,
      before: before === undefined ? undefined : before.#learnt,
      ask: (upstream, signal) => ask(upstream, { hostname, signal, clock }),
    });
  }

  offered(): Extensions {
    return merged(this.#learnt.ofEach());
  }

  /** What may be advertised to whom these upstreams may serve. */
  for(names: Iterable<string>): Extensions {
    return merged(this.#learnt.ofEach(names));
  }

  learn(upstream: string, extensions: Extensions): void {
    this.#learnt.learn(upstream, new Map(extensions));
  }

  /** Asks no more. */
  [Symbol.dispose](): void {
    this.#learnt[Symbol.dispose]();
  }
}

/** Of no upstream at all, and of one that is unknown: what is ours alone. */
function merged(offers: readonly Extensions[] | undefined): Extensions {
  const found = new Map([['PIPELINING', '']]);
  if (offers === undefined) return found;
  for (const keyword of OF_ALL) {
    if (offers.every((offer) => offer.has(keyword))) found.set(keyword, '');
  }
  if (offers.every((offer) => offer.has('SIZE'))) {
    const limits = offers.map((offer) => sizeIn(offer.get('SIZE'))).filter((limit) => limit > 0);
    found.set('SIZE', limits.length === 0 ? '' : String(Math.min(...limits)));
  }
  return found;
}

/** RFC 1870 §4: octets; none and 0 are no limit, and what is no number says nothing. */
function sizeIn(parameter = ''): number {
  if (parameter === '') return 0;
  return /^\d{1,15}$/.test(parameter) ? Number(parameter) : 0;
}
