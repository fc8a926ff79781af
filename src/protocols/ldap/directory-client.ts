// Postern as a directory's client, with an account of its own: a few small requests, any number of them at a time.
//
//   P: 1 BindRequest            U: 1 BindResponse
//   P: 2 SearchRequest          U: 2 SearchResultEntry, 2 SearchResultDone
//
// Whatever does not fit ends the connection: an answer that nobody asked for, one that is too long, a Notice of Disconnection.

import type { Socket } from 'node:net';
import type { UnavailableReason } from '../../gate/verdict.ts';
import type { SearchFilter } from '../../lib/search-filter.ts';
import type { Secret } from '../../lib/secret.ts';
import { UpstreamLoginError } from '../admission.ts';
import { upstreamClosed } from '../upstream-closed.ts';
import { encodeFilter } from './filter.ts';
import { Framer } from './framer.ts';
import { encodeBind, encodeExtended, encodeSearch } from './requests.ts';
import { type Entry, type Result, readEntry, readResult } from './responses.ts';
import { type Envelope, OID, OP, RESULT, readEnvelope } from './wire.ts';

/** Octets of an answer: entries are asked for a few attributes. */
const MOST_OCTETS = 262_144;
/** Entries and references of one search; two entries are asked for at most. */
const MOST_RESPONSES = 100;
/** sizeLimitExceeded (RFC 4511 §4.1.9): there is more than was asked for, and what there is was sent. */
const SIZE_LIMIT_EXCEEDED = 4;

/**
 * What a directory may say of one entry by its name, besides noSuchObject. The name may be a stranger's: slapd calls one with a type that
 * its schema lacks no name at all (measured, 2.5); one below a referral is somewhere else; and an entry that Postern's account may not
 * read, or an alias, must not be told from none.
 */
const OF_THE_NAME: ReadonlySet<number> = new Set([
  RESULT.invalidDnSyntax,
  RESULT.referral,
  RESULT.insufficientAccessRights,
  RESULT.aliasProblem,
  RESULT.aliasDereferencingProblem,
]);

type Fault = [reason: UnavailableReason, message: string];

export interface Question {
  readonly base: string;
  /** 0: the base alone, 2: all below it too. */
  readonly scope: 0 | 2;
  readonly filter: SearchFilter;
  /** `1.1`: none (RFC 4511 §4.5.1.8). */
  readonly attributes: readonly string[];
  /** Seconds. */
  readonly timeLimit: number;
}

interface Pending {
  /** The tag of the answer that ends it. */
  readonly final: number;
  readonly entries: Entry[];
  responses: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

export class DirectoryClient {
  readonly socket: Socket;
  /** The password that it gets with the Bind for one user's login: if the connection ends behind that, it is about that login. */
  presented: Secret | undefined;
  readonly #framer = new Framer(MOST_OCTETS);
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #failure: UpstreamLoginError | undefined;
  readonly #onData = (chunk: Buffer) => {
    this.#framer.push(chunk);
    this.#read();
    if (this.#framer.unread > MOST_OCTETS) this.fail('upstream_protocol', 'it says what it was not asked');
  };
  readonly #onEnd = () => this.#closed('', 'it closed the connection');

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.resume();
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Ends the connection, and all that is asked for on it, with this error. */
  fail(reason: UnavailableReason, message: string): void {
    this.#end(new UpstreamLoginError(reason, message));
  }

  /** It has taken its leave, with these words. */
  #closed(words: string, message: string): void {
    const { presented } = this;
    if (presented === undefined) this.fail('upstream_unreachable', message);
    else this.#end(upstreamClosed(words, presented));
  }

  #end(failure: UpstreamLoginError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.letGo();
    this.socket.destroy();
    for (const { reject } of this.#pending.values()) reject(failure);
    this.#pending.clear();
  }

  /** Lets go of the socket, which is paused, and gives what was not read. */
  letGo(): Buffer {
    this.socket.pause();
    this.socket.off('data', this.#onData);
    this.socket.off('end', this.#onEnd);
    this.socket.off('close', this.#onEnd);
    return this.#framer.takeRest();
  }

  async startTls(): Promise<void> {
    const { code } = await this.#ask(OP.extendedResponse, [], (id) => encodeExtended(id, OID.startTls));
    if (code !== RESULT.success)
      throw new UpstreamLoginError('upstream_protocol', `StartTLS: result ${resultText(code)}`);
  }

  /** A simple Bind of version 3. */
  async bind(dn: string, password: Secret): Promise<void> {
    const { code, diagnostic } = await this.#ask(OP.bindResponse, [], (id) => encodeBind(id, dn, password));
    if (code === RESULT.success) return;
    // What Active Directory says of a failed Bind ("data 775" is a locked account). The rest may repeat what it was sent.
    const data = /\bdata ([0-9a-f]{1,8})\b/i.exec(diagnostic)?.[1];
    const reason =
      code === RESULT.busy || code === RESULT.unavailable
        ? 'upstream_unreachable'
        : 'upstream_refused_postern';
    const detail = data === undefined ? '' : `, data ${data}`;
    throw new UpstreamLoginError(reason, `Bind: result ${resultText(code)}${detail}`);
  }

  /** The entries that fit, two at most: more than one is as many as any. */
  async search(question: Question): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    const filter = encodeFilter(question.filter);
    const { code } = await this.#ask(OP.searchResultDone, entries, (id) =>
      encodeSearch(id, { ...question, filter, sizeLimit: 2 }),
    );
    if (code === RESULT.success || code === SIZE_LIMIT_EXCEEDED) return entries;
    if (code === RESULT.noSuchObject) return [];
    if (question.scope === 0 && OF_THE_NAME.has(code)) return [];
    const reason =
      code === RESULT.busy || code === RESULT.unavailable ? 'upstream_unreachable' : 'upstream_protocol';
    throw new UpstreamLoginError(reason, `Search: result ${resultText(code)}`);
  }

  #ask(final: number, entries: Entry[], request: (id: number) => Buffer): Promise<Result> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#lastId = this.#lastId === 0x7fff_ffff ? 1 : this.#lastId + 1;
    this.#pending.set(this.#lastId, { final, entries, responses: 0, resolve, reject });
    this.socket.write(request(this.#lastId));
    return promise;
  }

  #read(): void {
    // Plaintext behind the answer to StartTLS is for nobody to read.
    while (this.#failure === undefined && this.#pending.size > 0) {
      const message = this.#framer.next();
      if (message === undefined) return;
      const envelope = typeof message === 'string' ? undefined : readEnvelope(message);
      const wrong: Fault | undefined =
        envelope === undefined
          ? ['upstream_protocol', `an answer is ${message === 'too-large' ? 'too long' : 'not LDAP'}`]
          : this.#take(envelope);
      if (wrong !== undefined) this.fail(...wrong);
    }
  }

  /** Gives what is wrong with it, if anything is. */
  #take(envelope: Envelope): Fault | undefined {
    const { messageId, op } = envelope;
    if (messageId === 0) {
      const { code, diagnostic = '' } = readResult(envelope) ?? {};
      const notice = `Notice of Disconnection, result ${resultText(code)}`;
      this.#closed(diagnostic === '' ? notice : `${notice}: ${diagnostic}`, `it sent a ${notice}`);
      return undefined;
    }
    const pending = this.#pending.get(messageId);
    if (pending === undefined) return ['upstream_protocol', 'it answered what it was not asked'];
    if (op.tag === pending.final) {
      const result = readResult(envelope);
      if (result === undefined) return ['upstream_protocol', 'an answer is not LDAP'];
      this.#pending.delete(messageId);
      pending.resolve(result);
      return undefined;
    }
    const isSearch = pending.final === OP.searchResultDone;
    if (!isSearch || (op.tag !== OP.searchResultEntry && op.tag !== OP.searchResultReference))
      return ['upstream_protocol', 'its answer is to another operation'];
    pending.responses++;
    if (pending.responses > MOST_RESPONSES)
      return ['upstream_protocol', `more than ${MOST_RESPONSES} answers to one search`];
    // A continuation reference is not followed (RFC 4511 §4.5.3).
    if (op.tag === OP.searchResultReference) return undefined;
    const entry = readEntry(envelope);
    if (entry === undefined) return ['upstream_protocol', 'an entry is not LDAP'];
    if (pending.entries.length < 2) pending.entries.push(entry);
    return undefined;
  }
}

const NAMES = new Map<number, string>(Object.entries(RESULT).map(([name, code]) => [code, name]));

function resultText(code: number | undefined): string {
  if (code === undefined) return 'unknown';
  const name = NAMES.get(code);
  return name === undefined ? String(code) : `${code} ${name}`;
}
