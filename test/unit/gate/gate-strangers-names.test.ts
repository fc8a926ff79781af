// Nobody learns from the gate's answers whose name is somebody's: a stranger who guesses at a name hears, and is counted for, the same
// whether a directory knows it or not, whatever the way is in which it is not known.

import { describe, expect, test } from 'vitest';
import { generateAppPassword } from '../../../src/passwords/app-password.ts';
import { ALICE, type Given, gateHarness, type Harness, type Options, words } from './harness.ts';

const HOUR = 3_600_000;
const ROUTES = [
  { users: '*@example.com', imap: 'dovecot', smtp: 'postfix', ldap: 'slapd' },
  { users: '*@mail-only.example', imap: 'dovecot' },
];

type Answer = { readonly name: string | null };

/** What the directory says of every name of this shape: Alice's, and those of all ways to be nobody here. */
const NAMES: Record<string, Answer> = {
  'the name of a user who has an app password': { name: ALICE },
  'no entry, several, one without the attribute or with two, a referral': { name: null },
  'an attribute that is empty': { name: '' },
  'an attribute that is no user': { name: 'alice*postern' },
  'an attribute that is a path': { name: 'cn=x,dc=y' },
  'an attribute in a domain that is not known': { name: 'OTHER\\alice' },
  'a user without an app password': { name: 'bob@example.com' },
  'a user who is disabled': { name: 'carol@example.com' },
  'a user without a route': { name: 'dave@elsewhere.example' },
  'a user without a route for LDAP': { name: 'erin@mail-only.example' },
};

function gateWith(answer: Answer, options: Options = {}): Harness {
  const gate = gateHarness({ routes: ROUTES, lookUpName: async () => answer, ...options });
  gate.make(ALICE);
  gate.make('carol@example.com' as typeof ALICE);
  gate.store.disabled.add('carol@example.com' as typeof ALICE);
  return gate;
}

/** A secret with the shape of an app password that fits nobody, nor has anybody's selector. */
function wrong(gate: Harness): string {
  for (;;) {
    const password = generateAppPassword();
    const isFree = gate.store.records.every(({ user, selector }) =>
      gate.keys.selectors(user, password).every((own) => own.selector !== selector),
    );
    if (isFree) return password.reveal();
  }
}

const guess = async (gate: Harness, secret: string, given: Given) => {
  const { verdict, answer, passwordId } = await gate.decide(secret, { protocol: 'ldap', ...given });
  return `${words(verdict)} ${verdict.kind === 'throttled' ? verdict.retryAfter : ''} ${answer} ${passwordId}`;
};

/** What a stranger does; gives all that can be seen of it: answers, blocks, work. */
const SERIES: Record<string, (gate: Harness) => Promise<unknown>> = {
  async 'guesses at one name'(gate) {
    const heard: string[] = [];
    for (let n = 0; n < 15; n++) heard.push(await guess(gate, wrong(gate), { login: 'Alice Smith' }));
    expect(heard[14]).toContain('network_and_user_blocked');
    return heard;
  },
  async 'guesses at many names until the network is blocked, and one more for each'(gate) {
    const heard: string[] = [];
    for (let n = 0; n < 60; n++) heard.push(await guess(gate, wrong(gate), { login: `Person ${n % 31}` }));
    expect(heard[59]).toContain('network_blocked');
    return heard;
  },
  async 'one secret at many names'(gate) {
    const secret = wrong(gate);
    const heard: string[] = [];
    for (let n = 0; n < 40; n++) heard.push(await guess(gate, secret, { login: `Person ${n}` }));
    expect(heard[39]).toContain('network_blocked');
    return heard;
  },
  async 'guesses at two spellings of a name, which would be one user’s'(gate) {
    const heard: string[] = [];
    for (let n = 0; n < 9; n++) {
      heard.push(await guess(gate, wrong(gate), { login: 'Alice Smith' }));
      heard.push(await guess(gate, wrong(gate), { login: 'cn=Alice Smith,ou=people,dc=x' }));
    }
    expect(new Set(heard).size).toBe(1);
    return heard;
  },
  async 'guesses at a name, then at the user whose it may be'(gate) {
    const heard: string[] = [];
    for (let n = 0; n < 9; n++) heard.push(await guess(gate, wrong(gate), { login: 'Alice Smith' }));
    for (const login of ['alice', 'bob', 'carol', 'dave@elsewhere.example', 'erin@mail-only.example']) {
      heard.push(await guess(gate, wrong(gate), { login }), await guess(gate, wrong(gate), { login }));
    }
    expect(new Set(heard).size).toBe(1);
    return heard;
  },
  async 'a stale secret again and again, as a device does'(gate) {
    const secret = wrong(gate);
    const heard: string[] = [];
    for (let n = 0; n < 50; n++) heard.push(await guess(gate, secret, { login: 'Alice Smith' }));
    expect(new Set(heard).size).toBe(1);
    return heard;
  },
  async 'guesses up to the cap on attempts'(gate) {
    const heard: string[] = [];
    for (let n = 0; n < 60; n++) heard.push(await guess(gate, wrong(gate), { login: `Person ${n}` }));
    return heard;
  },
  async 'guesses while the store is away'(gate) {
    gate.store.isDown = true;
    return [await guess(gate, wrong(gate), { login: 'Alice Smith' }), gate.log];
  },
  async 'a secret that is no app password'(gate) {
    return [await guess(gate, 'her own password', { login: 'Alice Smith' })];
  },
};

const OPTIONS: Record<string, Options> = {
  'guesses up to the cap on attempts': {
    throttle: {
      attempts: { most: 50, window: HOUR },
      network: { distinct: 1000, window: HOUR, block: HOUR },
    },
  },
};

async function seen(series: string, answer: Answer): Promise<unknown> {
  const gate = gateWith(answer, OPTIONS[series]);
  const heard = await SERIES[series]!(gate);
  return { heard, blocks: await gate.throttle.list(), looks: gate.store.looks, runs: gate.argon2Runs() };
}

describe.each(Object.keys(SERIES))('%s', (series) => {
  test.each(Object.keys(NAMES).slice(1))('%s', async (name) => {
    const known = await seen(series, Object.values(NAMES)[0]!);
    expect(withoutMarks(await seen(series, NAMES[name]!))).toEqual(withoutMarks(known));
  });
});

/** Blocks without the marks of names, which are of keys that each gate draws for itself. */
const withoutMarks = (seen: unknown) => JSON.parse(JSON.stringify(seen).replace(/"~[\w-]+"/g, '"~"'));

test('in turns at a name that is known and at one that is not, each hears the same as the other', async () => {
  const gate = gateHarness({
    routes: ROUTES,
    lookUpName: async (login) => ({ name: login.startsWith('Alice') ? ALICE : null }),
  });
  gate.make();
  for (let n = 0; n < 80; n++) {
    const from = n < 40 ? '192.0.2.7' : '2001:db8::1';
    const first = await guess(gate, wrong(gate), { login: `Alice ${n % 3}`, from });
    const second = await guess(gate, wrong(gate), { login: `Zacharias ${n % 3}`, from });
    // The 30th distinct guess is the last one that is not blocked, whosever it was.
    if (n % 40 < 14 || n % 40 > 15) expect(second, `pair ${n}`).toBe(first);
  }
});

describe('names that are nobody’s by themselves, whatever the protocol', () => {
  const NOBODY = [
    'OTHER\\alice',
    'alice*postern',
    'no body',
    'alice@',
    '@',
    'a@b@c',
    'uid=alice,dc=x',
    'x'.repeat(400),
  ];

  test.each(NOBODY)('%j is counted as a user is who is not there', async (login) => {
    for (const protocol of ['imap', 'smtp', 'ldap'] as const) {
      const heard = await Promise.all(
        [login, 'somebody-else'].map(async (name) => {
          const gate = gateHarness({ routes: ROUTES });
          const answers: string[] = [];
          for (let n = 0; n < 12; n++)
            answers.push(await guess(gate, wrong(gate), { login: name, protocol }));
          const kinds = (await gate.throttle.list()).map(({ kind }) => kind);
          return { answers, kinds, looks: gate.store.looks };
        }),
      );
      expect(heard[0]).toEqual(heard[1]);
      expect(heard[0]!.kinds).toEqual(['network_and_user']);
    }
  });

  test('in other capitals, with more space, or with a name written another way it is the same name', async () => {
    const gate = gateHarness({ routes: ROUTES, lookUpName: async () => ({ name: null }) });
    const spellings = [
      'Alice Smith',
      'alice  smith ',
      'ALICE SMITH',
      'cn=Alice Smith,dc=x',
      'CN = alice smith, DC=X',
    ];
    for (let n = 0; n < 12; n++) await guess(gate, wrong(gate), { login: spellings[n % 3]! });
    for (let n = 0; n < 12; n++) await guess(gate, wrong(gate), { login: spellings[3 + (n % 2)]! });
    expect((await gate.throttle.list()).map(({ kind }) => kind)).toEqual([
      'network_and_user',
      'network_and_user',
    ]);
  });

  test('no name is in what is counted, nor in what the log may have', async () => {
    const gate = gateHarness({ routes: ROUTES, lookUpName: async () => ({ name: null }) });
    for (let n = 0; n < 12; n++) {
      const decision = await gate.decide(wrong(gate), { login: 'Zacharias Zwick', protocol: 'ldap' });
      expect(decision.user).toBeNull();
    }
    expect(JSON.stringify(await gate.throttle.list())).not.toMatch(/zacharias|zwick/i);
    gate.store.isDown = true;
    expect(await gate.decide(wrong(gate), { login: 'Zacharias Zwick', protocol: 'ldap' })).toMatchObject({
      user: null,
    });
  });
});

test('a right app password clears the count of the name that it was used with, and of the user', async () => {
  const gate = gateHarness({ routes: ROUTES, lookUpName: async () => ({ name: ALICE }) });
  const { secret } = gate.make();
  const given = { login: 'Alice Smith', protocol: 'ldap' } as const;
  for (let n = 0; n < 9; n++) await gate.says(wrong(gate), given);
  expect(await gate.says(secret, given)).toBe('admitted none');
  for (let n = 0; n < 9; n++) await gate.says(wrong(gate), given);
  expect(await gate.throttle.list()).toEqual([]);
});
