// The gate: from an attempt to a verdict. It knows no protocol and no socket.
//
//   1 canonicalise → 2 shape → 3 select → 4 throttle → 5 verify → 6 policy → 7 account → 8 answer
//
// What holds for every attempt: only what has the shape of an app password is hashed, fingerprinted or looked up; a wrong one costs
// an HMAC and a look-up; a user that does not exist takes the same path as one that does; a right secret is never stopped by
// what others do; and a refusal is answered a constant time after its attempt came.

import type { Clock } from '../lib/clock.ts';
import { networkOf } from '../lib/network.ts';
import { Secret } from '../lib/secret.ts';
import type { Turns } from '../lib/turns.ts';
import type { NameMark, User } from '../lib/user.ts';
import { type AppPassword, readAppPassword } from '../passwords/app-password.ts';
import { type HashParameters, needsRehash } from '../passwords/hash.ts';
import type { PasswordRecord } from '../passwords/record.ts';
import type { SelectorKeys } from '../passwords/selector-keys.ts';
import { HashQueueFullError, type Verifier } from '../passwords/verifier.ts';
import { type Selection, type Store, StoreUnavailableError } from '../store/store.ts';
import type { Block, Throttle } from '../throttle/throttle.ts';
import { canonicalise, isSelf, spelling, type UserNames, withoutSpaceAround } from './canonicalise.ts';
import type { Parking } from './parking.ts';
import { policyRefusal } from './policy.ts';
import type { RememberedVerifications } from './remembered.ts';
import { type Route, routeFor } from './routes.ts';
import type { Shedding } from './shedding.ts';
import type { Uses } from './uses.ts';
import type { Attempt, Decision, RefusedReason, ThrottledReason, Verdict } from './verdict.ts';

const DAY = 86_400_000;
/**
 * Milliseconds from an attempt's arrival to the end of its connection where there is no place to wait in: longer than a
 * verification takes, and too short for such connections to pile up.
 */
const CLOSING_DELAY = 250;

/**
 * Asks a directory whose name it is: another name for the user, null for nobody, or `unavailable` if it cannot tell. Bounded in time,
 * in number, and for one network.
 */
export type LookUpName = (
  login: string,
  network: string,
) => Promise<{ readonly name: string | null } | 'unavailable'>;

export interface GateDeps {
  readonly names: UserNames;
  /** For LDAP logins that `names` makes no user of; undefined: those are nobody's. */
  readonly lookUpName?: LookUpName | undefined;
  readonly routes: readonly Route[];
  readonly store: Pick<Store, 'select' | 'rehash'>;
  readonly keys: Pick<SelectorKeys, 'selectors' | 'fingerprint' | 'mark'>;
  readonly verifier: Pick<Verifier, 'verify' | 'verifyLast' | 'hash' | 'length'>;
  readonly hash: HashParameters;
  readonly throttle: Throttle;
  readonly remembered: RememberedVerifications;
  readonly uses: Uses;
  readonly parking: Parking;
  readonly shedding: Shedding;
  readonly turns: Pick<Turns, 'enter' | 'leave'>;
  /** Milliseconds from an attempt's arrival to the answer of a refusal. */
  readonly failureDelay: number;
  readonly clock: Clock;
  readonly events: {
    storeFailed(during: string, error: unknown): void;
    verificationQueue(length: number): void;
    internalError(where: string, error: unknown): void;
  };
}

/** A verdict, and whose secret was presented. */
interface Judgement {
  readonly verdict: Verdict;
  readonly user: User | null;
  readonly record: PasswordRecord | null;
}

/** One attempt on its way through the gate, once it is known to have the shape of an app password. */
interface Candidate {
  readonly attempt: Attempt;
  /** A mark is nobody, and takes the same path. */
  readonly user: User | NameMark;
  /**
   * Whom a guess is counted for: the user, if the name says by itself who that is. A name that a directory was asked for is counted
   * as it was typed, whatever the answer was, or counts and blocks would tell what it was.
   */
  readonly guessedAs: User | NameMark;
  readonly password: AppPassword;
  readonly network: string;
}

export class Gate {
  readonly #deps: GateDeps;
  /** Verifications under way: the same secret arriving on five connections is one run that all five wait for. */
  readonly #underWay = new Map<string, Promise<boolean>>();

  constructor(deps: GateDeps) {
    this.#deps = deps;
  }

  /**
   * Never rejects for what a client sent. Refusals, throttlings, what is refused for overload and whose name no directory could tell
   * resolve after the constant delay.
   */
  async decide(attempt: Attempt): Promise<Decision> {
    const network = networkOf(attempt.client.address);
    const done = this.#deps.shedding.enter(network);
    try {
      const judged = done === undefined ? OVERLOADED : await this.#judge(attempt, network);
      const { verdict, user, record } = judged;
      const answer = await this.#answerTime(attempt, verdict);
      return { verdict, answer, user, passwordId: record?.id ?? null };
    } finally {
      done?.();
    }
  }

  async #judge(attempt: Attempt, network: string): Promise<Judgement> {
    const { names, turns, keys } = this.#deps;
    const named = canonicalise(attempt.login, names);
    // Nobody acts as another. Whether the secret was right is not even looked at.
    const isOther = !isSelf(attempt.authorizationId ?? '', attempt.login, names);
    const password = isOther ? undefined : readAppPassword(attempt.secret);
    const user = named ?? (password === undefined ? undefined : await this.#lookUp(attempt, network));
    await turns.enter(network, attempt.hasFailed ?? false);
    if (password === undefined || user === 'unavailable') {
      turns.leave();
      // An old client's first try: no guess, no attempt, nothing.
      if (attempt.secret.isEmpty) return judgement(refused('empty_password'));
      if (isOther) return this.#noGuess(network, 'other_identity', loggable(named));
      if (password === undefined) return this.#noGuess(network, 'not_an_app_password', loggable(named));
      return judgement({ kind: 'unavailable', reason: 'name_lookup' });
    }
    const guessedAs = named ?? keys.mark(spelling(attempt.login));
    const candidate = { attempt, user: user ?? guessedAs, guessedAs, password, network };
    try {
      return await this.#select(candidate);
    } catch (error) {
      if (error instanceof HashQueueFullError) return unavailable('hash_queue', candidate.user);
      if (error instanceof StoreUnavailableError) this.#deps.events.storeFailed('login', error);
      else this.#deps.events.internalError('gate', error);
      return unavailable('store', candidate.user);
    }
  }

  /** Step 1 again, for a name that only a directory knows: whatever it is there, it is a user or nobody here. */
  async #lookUp({ protocol, login }: Attempt, network: string): Promise<User | undefined | 'unavailable'> {
    const { lookUpName, names, events } = this.#deps;
    if (lookUpName === undefined || protocol !== 'ldap') return undefined;
    try {
      const found = await lookUpName(withoutSpaceAround(login), network);
      if (found === 'unavailable') return found;
      return found.name === null ? undefined : canonicalise(found.name, names);
    } catch (error) {
      events.internalError('name look-up', error);
      return 'unavailable';
    }
  }

  /** Steps 3 to 5: the records that could be meant, and whether one of them is. */
  async #select(candidate: Candidate): Promise<Judgement> {
    const { user, guessedAs, password, network } = candidate;
    const selection = await this.#records(candidate);
    if (!('records' in selection)) return selection;
    let isOverBudget = false;
    for (const record of selection.records) {
      const outcome = await this.#verify(candidate, record, selection.userDisabled);
      if (outcome === 'match') return this.#admit(candidate, record, selection.userDisabled);
      // With several keys there may be another candidate, and it may be the one.
      if (outcome === 'no budget') isOverBudget = true;
    }
    if (isOverBudget)
      return judgement(throttled('verification_budget', this.#deps.failureDelay), loggable(user));
    const fingerprint = this.#deps.keys.fingerprint(
      guessedAs,
      password,
      Math.floor(this.#deps.clock.now() / DAY),
    );
    const block = await this.#deps.throttle.guess({ network, user: guessedAs, fingerprint });
    return judgement(block === undefined ? refused('bad_credentials') : blocked(block), loggable(user));
  }

  /** The look-up, or the verdict by what is remembered while the store does not answer. */
  async #records(candidate: Candidate): Promise<Selection | Judgement> {
    const { store, keys, remembered, events, turns } = this.#deps;
    const { user, password } = candidate;
    try {
      return await store.select(user, keys.selectors(user, password));
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      const last = remembered.lastMatch(remembered.keyOf(user, password));
      if (last === undefined) throw error;
      events.storeFailed('login', error);
      return this.#admit(candidate, last.record, last.userDisabled);
    } finally {
      turns.leave();
    }
  }

  /**
   * Step 5: what is remembered, or one argon2id run that all who wait for the same answer share. Where the network has guessed past its
   * budget for this record, the run waits until nobody else does; `no budget`: too many wait so already.
   */
  async #verify(
    candidate: Candidate,
    record: PasswordRecord,
    userDisabled: boolean,
  ): Promise<'match' | 'mismatch' | 'no budget'> {
    const { remembered, throttle, events, verifier } = this.#deps;
    const { user, password, network } = candidate;
    const key = remembered.keyOf(user, password);
    const known = remembered.recall(key, record);
    if (known !== undefined) {
      remembered.refresh(key, record, userDisabled);
      return known ? 'match' : 'mismatch';
    }
    const flight = `${key}${record.hash}`;
    let running = this.#underWay.get(flight);
    let isLast = false;
    if (running === undefined) {
      isLast = !(await throttle.mayVerify(network, record.id));
      // While that was asked, another attempt may have begun with this, and may have ended too.
      const meanwhile = remembered.recall(key, record);
      if (meanwhile !== undefined) return meanwhile ? 'match' : 'mismatch';
      running = this.#underWay.get(flight);
    }
    if (running === undefined) {
      running = isLast
        ? verifier.verifyLast(record.hash, password, network)
        : verifier.verify(record.hash, password, network);
      this.#underWay.set(flight, running);
      events.verificationQueue(verifier.length);
      const done = () => {
        this.#underWay.delete(flight);
        events.verificationQueue(verifier.length);
      };
      running.then((match) => {
        remembered.remember(key, record, userDisabled, match);
        done();
        if (!match) this.#inBackground(throttle.mismatch(network, record.id));
      }, done);
    }
    try {
      return (await running) ? 'match' : 'mismatch';
    } catch (error) {
      if (isLast && error instanceof HashQueueFullError) return 'no budget';
      throw error;
    }
  }

  /** Steps 6 and 7 for a right secret. */
  #admit(candidate: Candidate, record: PasswordRecord, userDisabled: boolean): Judgement {
    const { clock, routes, throttle, uses } = this.#deps;
    const { attempt, guessedAs, network } = candidate;
    const { user } = record;
    const { protocol, client } = attempt;
    const use = { from: client.address, protocol, client: client.software };
    const refusal = policyRefusal({
      record,
      userDisabled,
      protocol,
      address: client.address,
      now: clock.now(),
    });
    const way = routeFor(routes, user, protocol);
    if (refusal !== undefined || way === undefined) {
      uses.note(record, 'refused', use);
      return judgement(refused(refusal ?? 'no_route'), user, record);
    }
    uses.note(record, 'used', use);
    for (const name of new Set([user, guessedAs]))
      this.#inBackground(throttle.success({ network, user: name }));
    if (needsRehash(record.hash, this.#deps.hash)) this.#inBackground(this.#rehash(candidate, record));
    return judgement({ kind: 'admitted', user, record, ...way }, user, record);
  }

  async #rehash(candidate: Candidate, record: PasswordRecord): Promise<void> {
    const flight = `rehash ${record.id}`;
    if (this.#underWay.has(flight)) return;
    const { verifier, hash, store } = this.#deps;
    const rehashed = verifier
      .hash(candidate.password, hash, candidate.network)
      .then((newHash) => store.rehash(record.id, record.hash, newHash))
      .finally(() => this.#underWay.delete(flight));
    this.#underWay.set(flight, rehashed);
    await rehashed;
  }

  /** What tells nothing about an app password: an attempt, but no guess. */
  async #noGuess(network: string, reason: RefusedReason, user: User | null): Promise<Judgement> {
    const block = await this.#deps.throttle.attempt(network);
    return judgement(block === undefined ? refused(reason) : blocked(block), user);
  }

  /** Step 8. False: there is no place left to wait in, so the connection is closed unanswered. */
  #answerTime(attempt: Attempt, verdict: Verdict): Promise<boolean> {
    const { failureDelay, parking } = this.#deps;
    const isLate =
      verdict.kind === 'throttled' ||
      (verdict.kind === 'refused' && verdict.reason !== 'empty_password') ||
      (verdict.kind === 'unavailable' &&
        (verdict.reason === 'overloaded' || verdict.reason === 'name_lookup'));
    if (!isLate || failureDelay === 0) return Promise.resolve(true);
    const { arrivedAt, client } = attempt;
    return parking.park(networkOf(client.address), {
      due: arrivedAt + failureDelay,
      closed: arrivedAt + Math.min(failureDelay, CLOSING_DELAY),
    });
  }

  #inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (error instanceof StoreUnavailableError) this.#deps.events.storeFailed('login', error);
      else if (!(error instanceof HashQueueFullError)) this.#deps.events.internalError('gate', error);
    });
  }
}

function judgement(
  verdict: Verdict,
  user: User | null = null,
  record: PasswordRecord | null = null,
): Judgement {
  return { verdict, user, record };
}

const OVERLOADED = judgement({ kind: 'unavailable', reason: 'overloaded' });

function refused(reason: RefusedReason): Verdict {
  return { kind: 'refused', reason };
}

function throttled(reason: ThrottledReason, retryAfter: number): Verdict {
  return { kind: 'throttled', reason, retryAfter };
}

function unavailable(reason: 'store' | 'hash_queue', user: User | NameMark): Judgement {
  return judgement({ kind: 'unavailable', reason }, loggable(user));
}

function blocked(block: Block): Verdict {
  const reasons = {
    network: 'network_blocked',
    network_and_user: 'network_and_user_blocked',
    attempts: 'too_many_attempts',
  } as const;
  return throttled(reasons[block.kind], block.retryAfter);
}

/** People type the password into the name field: what has its shape is not logged as a user. */
function loggable(user: User | NameMark | undefined): User | null {
  if (user === undefined || isMark(user)) return null;
  const local = user.slice(0, user.indexOf('@'));
  return readAppPassword(new Secret(local)) === undefined ? user : null;
}

function isMark(user: User | NameMark): user is NameMark {
  return !user.includes('@');
}
