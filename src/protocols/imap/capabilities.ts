// Which capabilities Postern may offer before login, beside its own: clients in the wild (Outlook, BlackBerry, Python's imaplib) keep
// the first list that they hear, and go without push for good if IDLE is not in it.
//
// Offered is what is on a list (lib/imap-capabilities.ts) and every upstream that clients can be routed to offers after login. What one user's login
// shows is not told to strangers: it may be that user's alone. So it takes the logins of two users, and counts what all of the last
// ones agree on. While there were none since the start, it is what the config says (`capabilities`), or else what the upstream itself
// tells strangers: Postern stands in its place, and tells nobody more than it would. The config's list bounds what is offered later, too.
// Only names of that list are ever written.

import { placeOfCapability } from '../../lib/imap-capabilities.ts';
import type { User } from '../../lib/user.ts';
import { Learnt, type LearntOptions } from '../../upstream/learnt.ts';
import { askCapabilities, type ImapUpstream } from './upstream.ts';
import { capabilitiesIn } from './wire.ts';

/** Users whose logins it takes. */
const ENOUGH_USERS = 2;
/** Users whose last logins count: those of the others are forgotten. */
const MOST_USERS = 8;
type Names = ReadonlySet<string>;

/** What is known of an upstream: names of the list alone. */
interface Evidence {
  /** What it tells who has not logged in; undefined: it was not asked. */
  readonly strangers?: Names | undefined;
  /** What it told users after their last login, the latest at the end. */
  readonly users: ReadonlyMap<User, Names>;
}

/** What a session's dialogue needs of it. */
export interface OfferedCapabilities {
  /** Names with spaces between; '' if there is none. */
  offered(): string;
  /** What an upstream has told after a user's login: the list as it came. */
  learn(upstream: string, user: User, capabilities: string): void;
}

export interface LearntCapabilitiesOptions
  extends Pick<LearntOptions<ImapUpstream, Evidence>, 'upstreams' | 'clock' | 'after'> {
  /** Of the generation before this one. */
  readonly before?: LearntCapabilities | undefined;
  readonly ask?: typeof askCapabilities;
}

export class LearntCapabilities implements OfferedCapabilities, Disposable {
  readonly #learnt: Learnt<ImapUpstream, Evidence>;
  readonly #upstreams: ReadonlyMap<string, ImapUpstream>;
  /** Asked for by every client that connects; undefined: something was learnt since. */
  #offered: string | undefined;

  constructor({ ask = askCapabilities, before, ...options }: LearntCapabilitiesOptions) {
    const { clock } = options;
    this.#upstreams = options.upstreams;
    this.#learnt = new Learnt({
      ...options,
      before: before === undefined ? undefined : before.#learnt,
      add: (known, heard) => {
        this.#offered = undefined;
        return added(known, heard);
      },
      async ask(upstream, signal) {
        // What it tells strangers would not be offered.
        if (upstream.capabilities != null) return { users: new Map() };
        return { strangers: offerableIn(await ask(upstream, { signal, clock })), users: new Map() };
      },
    });
  }

  offered(): string {
    this.#offered ??= this.#work().join(' ');
    return this.#offered;
  }

  learn(upstream: string, user: User, capabilities: string): void {
    this.#learnt.learn(upstream, { users: new Map([[user, offerableIn(capabilities)]]) });
  }

  /** Asks no more. */
  [Symbol.dispose](): void {
    this.#learnt[Symbol.dispose]();
  }

  #work(): string[] {
    const offers = [...this.#upstreams].map(([name, upstream]) => offerOf(upstream, this.#learnt.of(name)));
    const all = offers.length === 0 ? [] : [...inAll(offers)];
    return all.sort((a, b) => placeOfCapability(a) - placeOfCapability(b) || (a < b ? -1 : 1));
  }
}

function offerOf({ capabilities }: ImapUpstream, evidence: Evidence | undefined): Names {
  const configured = capabilities == null ? undefined : offerableIn(capabilities.join(' '));
  const { users, strangers } = evidence ?? {};
  if (users === undefined || users.size < ENOUGH_USERS) return configured ?? strangers ?? new Set();
  const seen = [...users.values()];
  return inAll(configured === undefined ? seen : [configured, ...seen]);
}

function added(known: Evidence | undefined, heard: Evidence): Evidence {
  const users = new Map(known?.users);
  for (const [user, names] of heard.users) {
    users.delete(user);
    users.set(user, names);
  }
  for (const user of users.keys()) {
    if (users.size <= MOST_USERS) break;
    users.delete(user);
  }
  return { strangers: heard.strangers ?? known?.strangers, users };
}

/** Those of the list that are in a server's. */
function offerableIn(list: string): Names {
  // What is not ASCII is no name, and must not become one by its upper case.
  const names = [...capabilitiesIn(list.replace(/[^ -~]/g, '?'))];
  return new Set(names.filter((name) => placeOfCapability(name) !== -1));
}

function inAll([first, ...others]: readonly Names[]): Names {
  return new Set([...(first ?? [])].filter((name) => others.every((other) => other.has(name))));
}
