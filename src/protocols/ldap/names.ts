// Whose name it is, where no template says so: asked of a directory, as Postern's account.
//
//   `Alice Smith`                    the one entry that the configured filter finds; its `mail` is the user, or a name for it
//   `cn=Alice Smith,ou=sales,dc=x`   that entry itself, if it is below the base: applications search, then bind as what they found
//
// Strangers make it ask, so all of it is bounded: one connection, so many questions at a time, fewer from one network (name-turns.ts), a
// time for the turn and for the answer, and answers are remembered, those for nobody apart from the others, so that random names push
// nobody out.

import type { Clock } from '../../lib/clock.ts';
import { formatDn, isWithin, parseDn } from '../../lib/distinguished-name.ts';
import { fillFilter, type SearchFilter } from '../../lib/search-filter.ts';
import type { UpstreamAddress } from '../../upstream/address.ts';
import { UpstreamLoginError } from '../admission.ts';
import type { DirectoryClient, Question } from './directory-client.ts';
import { NameTurns } from './name-turns.ts';
import { connectDirectory, type LdapUpstream, withDeadline } from './upstream.ts';
import { ANY_ENTRY } from './user-entry.ts';

export interface NameRules {
  /** The entry below which names are looked for. */
  readonly base: string;
  /** With `{login}` in it. */
  readonly filter: { readonly filter: SearchFilter };
  readonly attribute: string;
  /** Milliseconds for one answer, from connecting on; the turn to ask is waited for as long. */
  readonly timeout: number;
  /** Milliseconds. */
  readonly remember: number;
}

export interface NameDirectoryDeps {
  readonly target: LdapUpstream;
  readonly rules: NameRules;
  readonly clock: Clock;
  readonly events: { upstreamRefusedPostern(upstream: string, reason: string, detail: string): void };
}

/** `null`: it is nobody's. */
export type NameAnswer = { readonly name: string | null } | 'unavailable';

/** Characters; names of people and entries have fewer. */
const LONGEST_NAME = 1000;
/** Answers of each kind. */
const MOST_REMEMBERED = 10_000;
/** Milliseconds without a question after which the connection is closed. */
const IDLE = 30_000;

interface Connection {
  readonly client: DirectoryClient;
  readonly address: UpstreamAddress;
}

export class NameDirectory {
  readonly #deps: NameDirectoryDeps;
  readonly #somebody: Remembered;
  readonly #nobody: Remembered;
  readonly #underWay = new Map<string, Promise<NameAnswer>>();
  readonly #turns = new NameTurns();
  #connection: Promise<Connection> | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(deps: NameDirectoryDeps) {
    this.#deps = deps;
    this.#somebody = new Remembered(deps.rules.remember, deps.clock);
    this.#nobody = new Remembered(deps.rules.remember, deps.clock);
  }

  /** Never rejects for what a client or the directory sent. `network` is the client's, as `networkOf` gives it. */
  async lookUp(login: string, network: string): Promise<NameAnswer> {
    const question = questionFor(login, this.#deps.rules);
    if (question === undefined) return { name: null };
    const key = JSON.stringify([question.base, question.scope, login]);
    const known = this.#known(key);
    if (known !== undefined) return known;
    if (!(await this.#turns.enter(network, this.#deps.rules.timeout))) return 'unavailable';
    try {
      // Somebody else may have asked meanwhile.
      return await (this.#known(key) ?? this.#ask(question, key));
    } finally {
      this.#turns.leave(network);
    }
  }

  /** What is remembered, or being asked. Not what somebody waits to ask: that would be to wait for another's turn. */
  #known(key: string): NameAnswer | Promise<NameAnswer> | undefined {
    return this.#somebody.get(key) ?? this.#nobody.get(key) ?? this.#underWay.get(key);
  }

  #ask(question: Question, key: string): Promise<NameAnswer> {
    const asked = this.#answer(question)
      .then((answer) => {
        if (answer !== 'unavailable') (answer.name === null ? this.#nobody : this.#somebody).set(key, answer);
        return answer;
      })
      .finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, asked);
    return asked;
  }

  async #answer(question: Question): Promise<NameAnswer> {
    const { rules, target, events } = this.#deps;
    const late = Promise.withResolvers<'late'>();
    const timer = setTimeout(() => late.resolve('late'), rules.timeout);
    try {
      const entries = await Promise.race([this.#search(question), late.promise]);
      // A directory that does not answer is asked anew on another connection.
      if (entries === 'late') {
        this.#drop(new UpstreamLoginError('upstream_unreachable', 'no answer about a name in time'));
        return 'unavailable';
      }
      const [entry, other] = entries;
      if (entry === undefined || other !== undefined) return { name: null };
      const wanted = rules.attribute.toLowerCase();
      const values = entry.attributes.find(({ type }) => type.toLowerCase() === wanted)?.values ?? [];
      const [value] = values;
      return { name: value === undefined || values.length > 1 ? null : value.toString('utf8') };
    } catch (error) {
      if (!(error instanceof UpstreamLoginError)) throw error;
      if (error.reason !== 'upstream_unreachable')
        events.upstreamRefusedPostern(target.name, error.reason, error.message);
      return 'unavailable';
    } finally {
      clearTimeout(timer);
    }
  }

  async #search(question: Question) {
    const { client } = await this.#connect();
    return client.search(question);
  }

  /** The connection that there is, or a new one: one at a time. */
  async #connect(): Promise<Connection> {
    this.#stayAwake();
    const before = this.#connection;
    if (before !== undefined) {
      const connection = await before;
      if (!connection.client.failed) return connection;
      if (this.#connection === before) this.#connection = undefined;
    }
    this.#connection ??= this.#open();
    return this.#connection;
  }

  #open(): Promise<Connection> {
    const { target, clock } = this.#deps;
    const forget = () => {
      if (this.#connection === opening) this.#connection = undefined;
    };
    const opening = (async () => {
      const connection = await connectDirectory(target, { clock });
      const { client, address } = connection;
      client.socket.once('close', forget);
      await withDeadline(client, address, target, undefined, () =>
        client.bind(target.login.dn, target.login.password),
      );
      client.socket.unref();
      return connection;
    })();
    opening.catch(forget);
    return opening;
  }

  #drop(error: UpstreamLoginError): void {
    const dropped = this.#connection;
    this.#connection = undefined;
    dropped?.then(
      ({ client, address }) => {
        if (client.failed) return;
        this.#deps.target.onFailed(address, error);
        client.fail(error.reason, error.message);
      },
      () => {},
    );
  }

  #stayAwake(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      const idle = this.#connection;
      this.#connection = undefined;
      idle?.then(
        ({ client }) => client.fail('upstream_unreachable', 'closed, since nobody asked'),
        () => {},
      );
    }, IDLE).unref();
  }
}

/** Undefined for what no entry is called. */
function questionFor(login: string, { base, filter, attribute, timeout }: NameRules): Question | undefined {
  if (login === '' || login.length > LONGEST_NAME || /[\p{Cc}\uFFFD]/u.test(login)) return undefined;
  const common = { attributes: [attribute], timeLimit: Math.ceil(timeout / 1000) };
  const dn = login.includes('=') ? parseDn(login) : undefined;
  if (dn === undefined) return { ...common, base, scope: 2, filter: fillFilter(filter.filter, { login }) };
  const below = parseDn(base);
  if (below === undefined || !isWithin(dn, below)) return undefined;
  return { ...common, base: formatDn(dn), scope: 0, filter: ANY_ENTRY };
}

/** Answers for so long, the oldest forgotten first when there are too many. */
class Remembered {
  readonly #answers = new Map<string, { readonly answer: NameAnswer; readonly until: number }>();
  readonly #milliseconds: number;
  readonly #clock: Clock;

  constructor(milliseconds: number, clock: Clock) {
    this.#milliseconds = milliseconds;
    this.#clock = clock;
  }

  get(key: string): NameAnswer | undefined {
    const found = this.#answers.get(key);
    return found !== undefined && found.until > this.#clock.monotonic() ? found.answer : undefined;
  }

  set(key: string, answer: NameAnswer): void {
    if (this.#milliseconds === 0) return;
    this.#answers.delete(key);
    this.#answers.set(key, { answer, until: this.#clock.monotonic() + this.#milliseconds });
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > MOST_REMEMBERED && oldest !== undefined) this.#answers.delete(oldest);
  }
}
