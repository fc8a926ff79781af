// A gate on a clock that stands still, a store in memory, and an argon2id that is a comparison: everything else is real.

import { createHash, createSecretKey, randomBytes } from 'node:crypto';
import { Gate, type GateDeps } from '../../../src/gate/gate.ts';
import { Parking } from '../../../src/gate/parking.ts';
import { RememberedVerifications } from '../../../src/gate/remembered.ts';
import { Shedding } from '../../../src/gate/shedding.ts';
import { Uses } from '../../../src/gate/uses.ts';
import type { Decision, Verdict } from '../../../src/gate/verdict.ts';
import type { Protocol } from '../../../src/lib/protocol.ts';
import { Secret } from '../../../src/lib/secret.ts';
import { Turns } from '../../../src/lib/turns.ts';
import type { NameMark, User } from '../../../src/lib/user.ts';
import { type AppPassword, generateAppPassword } from '../../../src/passwords/app-password.ts';
import type { HashParameters } from '../../../src/passwords/hash.ts';
import type { PasswordRecord, Use } from '../../../src/passwords/record.ts';
import { SelectorKeys } from '../../../src/passwords/selector-keys.ts';
import { Verifier } from '../../../src/passwords/verifier.ts';
import {
  type NotedUse,
  type Selection,
  type Selector,
  StoreUnavailableError,
} from '../../../src/store/store.ts';
import { createMemoryThrottle, type MemoryThrottleSettings } from '../../../src/throttle/memory-throttle.ts';
import type { Throttle } from '../../../src/throttle/throttle.ts';

export const ALICE = 'alice@example.com' as User;
export const BOB = 'bob@example.com' as User;
export const OFFICE = '192.0.2.7';
export const HOME = '198.51.100.1';
/** Small, for the few tests in which argon2id really runs. */
export const HASH: HashParameters = { memoryKiB: 64, passes: 1, lanes: 1 };

export class FakeClock {
  #now = Date.UTC(2026, 0, 15, 12);
  now = () => this.#now;
  monotonic = () => this.#now - Date.UTC(2026, 0, 1);
  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

/** A PHC string whose tag is a digest of the secret, for `verify` below. */
export function fakeHash(password: AppPassword, { memoryKiB, passes, lanes }: HashParameters = HASH): string {
  const tag = createHash('sha256').update(password.reveal()).digest('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${lanes}$AAAAAAAAAAAAAAAAAAAAAA$${tag}`;
}

export function newKey(id: string) {
  return { id, key: createSecretKey(randomBytes(32)) };
}

export class FakeStore {
  readonly records: PasswordRecord[] = [];
  readonly disabled = new Set<User | NameMark>();
  readonly uses: { id: string; kind: string; use: Use }[] = [];
  looks = 0;
  isDown = false;

  async select(user: User | NameMark, selectors: readonly Selector[]): Promise<Selection> {
    this.looks += 1;
    this.#check();
    const records = this.records.filter(
      (record) =>
        record.user === user &&
        selectors.some(({ keyId, selector }) => record.keyId === keyId && record.selector === selector),
    );
    return { records, userDisabled: this.disabled.has(user) };
  }

  async rehash(id: string, oldHash: string, newHash: string): Promise<boolean> {
    this.#check();
    return this.change(id, (record) => (record.hash === oldHash ? { hash: newHash } : {}));
  }

  async noteUses(uses: readonly NotedUse[]): Promise<void> {
    this.#check();
    for (const { id, kind, use } of uses) {
      this.uses.push({ id, kind, use });
      this.change(id, () => ({ [kind === 'used' ? 'lastUsed' : 'lastRefused']: use }));
    }
  }

  change(id: string, how: (record: PasswordRecord) => Partial<PasswordRecord>): boolean {
    const at = this.records.findIndex((record) => record.id === id);
    const record = this.records[at];
    if (record === undefined) return false;
    this.records[at] = { ...record, ...how(record) };
    return true;
  }

  #check(): void {
    if (this.isDown) throw new StoreUnavailableError('gone');
  }
}

export interface Options {
  readonly throttle?: Partial<MemoryThrottleSettings>;
  /** Replaces parts of the throttle. */
  readonly throttleWith?: Partial<Throttle>;
  readonly routes?: GateDeps['routes'];
  readonly names?: GateDeps['names'];
  readonly lookUpName?: GateDeps['lookUpName'];
  readonly remember?: number;
  readonly failureDelay?: number;
  readonly concurrency?: number;
  readonly queue?: number;
  readonly keys?: SelectorKeys;
}

/** What an attempt is that is not Alice's, by IMAP, from the office. */
export interface Given {
  readonly login?: string;
  readonly from?: string;
  readonly protocol?: Protocol;
  readonly authorizationId?: string;
  readonly hasFailed?: boolean;
}

export type Harness = ReturnType<typeof gateHarness>;

export function gateHarness(options: Options = {}) {
  const clock = new FakeClock();
  const store = new FakeStore();
  const keys = options.keys ?? new SelectorKeys([newKey('aaaaaaaa')]);
  /** Secrets that are given a record's selector, where looking for one that has it would take 65,536 draws. */
  const made = new Map<string, Selector>();
  const runs = { match: 0, mismatch: 0 };
  const log: string[] = [];
  /** While it is set, verifications wait for it. */
  const hold: { until?: Promise<void> } = {};
  const verifier = new Verifier({
    concurrency: options.concurrency ?? 2,
    queue: options.queue ?? 200,
    onVerified: (result) => {
      runs[result] += 1;
    },
    verify: async (hash, password) => {
      await hold.until;
      return hash.split('$').at(-1) === fakeHash(password).split('$').at(-1);
    },
  });
  const throttle: Throttle = {
    ...createMemoryThrottle({
      clock,
      settings: {
        exempt: [],
        attempts: { most: 20_000, window: 600_000 },
        network: { distinct: 30, window: 600_000, block: 600_000 },
        networkAndUser: { distinct: 10, window: 3_600_000, block: 900_000 },
        ...options.throttle,
      },
    }),
    ...options.throttleWith,
  };
  const eventLoop = { isLate: false };
  const parking = new Parking({ total: 1000, perNetwork: 100 }, clock);
  const uses = new Uses(store, clock, () => log.push('use not noted'));
  const gate = new Gate({
    names: options.names ?? { defaultDomain: 'example.com', netbiosDomains: { EXAMPLE: 'example.com' } },
    lookUpName: options.lookUpName,
    routes: options.routes ?? [{ users: '*@example.com', imap: 'dovecot' }],
    store,
    keys: {
      selectors: (user, password) => {
        const selector = made.get(`${user} ${password.reveal()}`);
        return selector === undefined ? keys.selectors(user, password) : [selector];
      },
      fingerprint: (user, password, day) => keys.fingerprint(user, password, day),
      mark: (name) => keys.mark(name),
    },
    verifier,
    hash: HASH,
    throttle,
    remembered: new RememberedVerifications(options.remember ?? 300_000, clock),
    uses,
    parking,
    shedding: new Shedding(eventLoop),
    turns: new Turns({ most: 12, mostWithNewcomers: 2, newcomers: () => 0 }),
    failureDelay: options.failureDelay ?? 0,
    clock,
    events: {
      storeFailed: (during) => log.push(`store failed: ${during}`),
      verificationQueue: () => {},
      internalError: (where, error) => log.push(`internal error: ${where}: ${error}`),
    },
  });

  function add(password: AppPassword, user: User, given: Partial<PasswordRecord> = {}): PasswordRecord {
    const record: PasswordRecord = {
      id: `ap_${store.records.length + 1}`,
      user,
      name: 'phone',
      ...keys.currentSelector(user, password),
      hash: fakeHash(password),
      scope: null,
      networks: [],
      createdAt: clock.now(),
      expiresAt: null,
      revokedAt: null,
      lastUsed: null,
      lastRefused: null,
      ...given,
    };
    store.records.push(record);
    return record;
  }

  function wrong(user: User = ALICE): string {
    for (;;) {
      const password = generateAppPassword();
      const drawn = new Set(keys.selectors(user, password).map(({ selector }) => selector));
      const taken = store.records.some((record) => record.user === user && drawn.has(record.selector));
      if (!taken) return password.reveal();
    }
  }

  function decide(secret: string, given: Given = {}): Promise<Decision> {
    const {
      login = 'alice',
      from = OFFICE,
      protocol = 'imap',
      authorizationId = '',
      hasFailed = false,
    } = given;
    return gate.decide({
      protocol,
      login,
      secret: new Secret(secret),
      authorizationId,
      client: { address: from, software: null },
      arrivedAt: clock.monotonic(),
      hasFailed,
    });
  }

  return {
    gate,
    clock,
    store,
    keys,
    throttle,
    verifier,
    parking,
    runs,
    log,
    hold,
    /** An app password of `user`, and its record. */
    make(user: User = ALICE, given: Partial<PasswordRecord> = {}) {
      const password = generateAppPassword();
      return { password, secret: password.reveal(), record: add(password, user, given) };
    },
    add,
    /** A secret that no record of the user has the selector of. */
    wrong,
    /** A wrong secret that has the selector of the user's first record. */
    colliding(user: User = ALICE): string {
      const secret = wrong(user);
      const record = store.records.find((one) => one.user === user);
      if (record === undefined) throw new Error(`${user} has no record to collide with`);
      made.set(`${user} ${secret}`, record);
      return secret;
    },
    decide,
    /** Writes the uses that wait to be written. */
    usesWritten: () => uses[Symbol.asyncDispose](),
    /** The verdict in two words: `refused revoked`. */
    says: async (secret: string, given?: Given) => words((await decide(secret, given)).verdict),
    argon2Runs: () => runs.match + runs.mismatch,
  };
}

export function words(verdict: Verdict): string {
  return `${verdict.kind} ${verdict.kind === 'admitted' ? 'none' : verdict.reason}`;
}

/** Lets work in the background run. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
