// What the directories behind Postern say of themselves, for those who are not bound yet: sssd and most tools read the root DSE once,
// before they bind, and go by it for good. Learnt from each directory that clients can be routed to (upstream/learnt.ts), by Postern's
// own account, since a directory need not tell strangers; told is what all of them say, of the attributes that the config allows.
//
//   P: 1 BindRequest      U: 1 success
//   P: 2 search "" base   U: 2 SearchResultEntry, 2 SearchResultDone
//   P: 3 UnbindRequest
//
// What Postern does not offer or pass on is taken out when it is told: root-dse.ts.

import { closeWith } from '../../listen/goodbye.ts';
import { Learnt, type LearntOptions } from '../../upstream/learnt.ts';
import { UpstreamLoginError } from '../admission.ts';
import { encodeUnbind } from './requests.ts';
import type { Attribute } from './responses.ts';
import { connectDirectory, type DirectoryLogin, type LdapUpstream, withDeadline } from './upstream.ts';
import { ANY_ENTRY } from './user-entry.ts';

/** What a dialogue needs of it. */
export interface DirectoryFacts {
  /** Attributes of the root DSE; none while of one directory nothing is known. */
  attributes(): readonly Attribute[];
}

export interface LearntRootDseOptions
  extends Pick<LearntOptions<LdapUpstream, readonly Attribute[]>, 'upstreams' | 'clock' | 'after'> {
  /** The attributes that strangers may read. With none, nobody is asked. */
  readonly names: readonly string[];
  readonly events: { upstreamRefusedPostern(upstream: string, reason: string, detail: string): void };
  /** Of the generation before this one. */
  readonly before?: LearntRootDse | undefined;
  readonly ask?: typeof askRootDse;
}

/** Reasons that are for its health to tell. */
const GONE: ReadonlySet<string> = new Set(['upstream_unreachable', 'upstream_closed']);
/** Seconds that a directory may look for its root DSE. */
const TIME_LIMIT = 10;

export class LearntRootDse implements DirectoryFacts, Disposable {
  readonly #learnt: Learnt<LdapUpstream, readonly Attribute[]>;
  readonly #names: ReadonlySet<string>;

  constructor({ names, events, ask = askRootDse, before, ...options }: LearntRootDseOptions) {
    const { clock, upstreams } = options;
    this.#names = new Set(names.map((name) => name.toLowerCase()));
    this.#learnt = new Learnt({
      ...options,
      upstreams: names.length === 0 ? new Map() : upstreams,
      before: before === undefined ? undefined : before.#learnt,
      ask: (upstream, signal) => ask(upstream, names, { signal, clock }),
      onFailed({ name }, error) {
        if (!(error instanceof UpstreamLoginError) || GONE.has(error.reason)) return 'soon';
        events.upstreamRefusedPostern(name, error.reason, error.message);
        // Whoever insists on a wrong password is locked out by Active Directory.
        return 'later';
      },
    });
  }

  attributes(): readonly Attribute[] {
    const [first = [], ...others] = this.#learnt.ofEach() ?? [];
    const found: Attribute[] = [];
    for (const { type, values } of first) {
      if (!this.#names.has(type.toLowerCase())) continue;
      const kept = values.filter((value) => others.every((other) => hasValue(other, type, value)));
      if (kept.length > 0) found.push({ type, values: kept });
    }
    return found;
  }

  /** Asks no more. */
  [Symbol.dispose](): void {
    this.#learnt[Symbol.dispose]();
  }
}

function hasValue(attributes: readonly Attribute[], type: string, value: Buffer): boolean {
  const theirs = attributes.find((one) => one.type.toLowerCase() === type.toLowerCase());
  return theirs?.values.some((one) => one.equals(value)) === true;
}

/** These attributes of a directory's root DSE, as Postern's account may read them. Rejects with UpstreamLoginError, or with the signal's reason. */
async function askRootDse(
  target: LdapUpstream,
  names: readonly string[],
  { signal, clock }: Pick<DirectoryLogin, 'signal' | 'clock'>,
): Promise<readonly Attribute[]> {
  const { client, address } = await connectDirectory(target, { signal, clock });
  return withDeadline(client, address, target, signal, async () => {
    await client.bind(target.login.dn, target.login.password);
    const [entry] = await client.search({
      base: '',
      scope: 0,
      filter: ANY_ENTRY,
      attributes: names,
      timeLimit: TIME_LIMIT,
    });
    client.letGo();
    closeWith(client.socket, encodeUnbind(3));
    // Copies: the values are views of all that was read.
    return (entry?.attributes ?? []).map(({ type, values }) => ({
      type,
      values: values.map((value) => Buffer.from(value)),
    }));
  });
}
