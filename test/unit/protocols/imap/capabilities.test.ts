// What may be offered before login: what all upstreams show after login, by the word of more than one user, and nothing that changes
// how to log in.

import { describe, expect, test } from 'vitest';
import { OFFERABLE_CAPABILITIES } from '../../../../src/lib/imap-capabilities.ts';
import type { User } from '../../../../src/lib/user.ts';
import { LearntCapabilities } from '../../../../src/protocols/imap/capabilities.ts';
import type { ImapUpstream } from '../../../../src/protocols/imap/upstream.ts';

const user = (name: string) => `${name}@example.com` as User;
const settle = () => new Promise((resolve) => setImmediate(resolve));
const timeless = {
  clock: { now: () => 0, monotonic: () => 0 },
  after: () => ({ [Symbol.dispose]: () => {} }),
};

interface Place {
  /** What it says to a question; unless told, it cannot be asked. */
  readonly strangers?: string;
  readonly configured?: readonly string[];
  /** Another place has another. */
  readonly health?: object;
}

function learnt(places: Record<string, Place>, before?: LearntCapabilities): LearntCapabilities {
  const upstreams = new Map(
    Object.entries(places).map(([name, { configured = null, health }]) => [
      name,
      { name, capabilities: configured, health } as unknown as ImapUpstream,
    ]),
  );
  return new LearntCapabilities({
    ...timeless,
    upstreams,
    before,
    async ask({ name }) {
      const { strangers } = places[name]!;
      if (strangers === undefined) throw new Error('unreachable');
      return strangers;
    },
  });
}

const DOVECOT_BEFORE = 'IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN';
const DOVECOT_AFTER =
  'IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY SPECIAL-USE';

describe('while no two users have logged in', () => {
  test('it is what the upstream tells strangers, of what may be offered', async () => {
    using capabilities = learnt({ a: { strangers: DOVECOT_BEFORE } });
    expect(capabilities.offered()).toBe('');
    await settle();
    expect(capabilities.offered()).toBe('IDLE ENABLE');
    capabilities.learn('a', user('alice'), DOVECOT_AFTER);
    capabilities.learn('a', user('alice'), DOVECOT_AFTER);
    expect(capabilities.offered()).toBe('IDLE ENABLE');
  });

  test('it is nothing if the upstream cannot be asked, and one user’s login alone changes nothing', async () => {
    using capabilities = learnt({ a: {} });
    await settle();
    capabilities.learn('a', user('alice'), DOVECOT_AFTER);
    expect(capabilities.offered()).toBe('');
  });

  test('it is what the config says', async () => {
    using capabilities = learnt({ a: { strangers: DOVECOT_BEFORE, configured: ['MOVE', 'IDLE'] } });
    await settle();
    expect(capabilities.offered()).toBe('IDLE MOVE');
  });
});

describe('from two users on', () => {
  test('it is what all of the last logins show, in the list’s order and words', () => {
    using capabilities = learnt({ a: {} });
    capabilities.learn('a', user('alice'), DOVECOT_AFTER.toLowerCase());
    capabilities.learn('a', user('bob'), DOVECOT_AFTER.replace(' QRESYNC', '').replace(' THREAD=REFS', ''));
    expect(capabilities.offered()).toBe(
      'IDLE ENABLE NAMESPACE UNSELECT CHILDREN UIDPLUS MOVE SPECIAL-USE LIST-EXTENDED LIST-STATUS ESEARCH SORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES CONDSTORE WITHIN BINARY',
    );
  });

  test('what one user lacks now is not offered; what the others learn anew is, once the old word is replaced', () => {
    using capabilities = learnt({ a: {} });
    for (const name of ['alice', 'bob', 'carol']) capabilities.learn('a', user(name), 'IDLE MOVE');
    capabilities.learn('a', user('bob'), 'IDLE');
    expect(capabilities.offered()).toBe('IDLE');
    capabilities.learn('a', user('bob'), 'IDLE MOVE');
    expect(capabilities.offered()).toBe('IDLE MOVE');
    // Of those who have not come for long nobody remembers what they had.
    capabilities.learn('a', user('rare'), 'IDLE');
    for (let n = 0; n < 7; n++) capabilities.learn('a', user(`other${n}`), 'IDLE MOVE SORT');
    expect(capabilities.offered()).toBe('IDLE');
    capabilities.learn('a', user('other7'), 'IDLE MOVE SORT');
    expect(capabilities.offered()).toBe('IDLE MOVE SORT');
  });

  test('the config’s list bounds it, and never makes it a lie', () => {
    using capabilities = learnt({ a: { configured: ['IDLE', 'QUOTA'] } });
    expect(capabilities.offered()).toBe('IDLE QUOTA');
    for (const name of ['alice', 'bob']) capabilities.learn('a', user(name), 'IDLE MOVE');
    expect(capabilities.offered()).toBe('IDLE');
    using none = learnt({ a: { strangers: 'IDLE', configured: [] } });
    for (const name of ['alice', 'bob']) none.learn('a', user(name), 'IDLE MOVE');
    expect(none.offered()).toBe('');
  });
});

test('of several upstreams it is what all of them offer, and of none nothing', async () => {
  using capabilities = learnt({ a: { strangers: 'IDLE ENABLE' }, b: { strangers: 'ENABLE MOVE' }, c: {} });
  await settle();
  expect(capabilities.offered()).toBe('');
  for (const name of ['alice', 'bob']) capabilities.learn('c', user(name), 'IDLE MOVE ENABLE');
  expect(capabilities.offered()).toBe('ENABLE');
  capabilities.learn('stranger', user('alice'), '');
  expect(capabilities.offered()).toBe('ENABLE');
  using nothing = learnt({});
  expect(nothing.offered()).toBe('');
});

test('never what changes login, identity or framing, nor what is no name, whoever says so', async () => {
  const bad = [
    'AUTH=NTLM AUTH=CRAM-MD5 LOGINDISABLED STARTTLS LOGIN-REFERRALS MAILBOX-REFERRALS LITERAL+ LITERAL- COMPRESS=DEFLATE',
    'UNAUTHENTICATE X-IDLE XIDLE IDLE=1 IMAP4REV2 ID SASL-IR UTF8=ACCEPT UTF8=ONLY NOTIFY JMAPACCESS PREAUTH THREAD= THREAD=*',
    'THREAD=A]B THREAD=a\u{131} THREAD=A\tB "IDLE" {4} [IDLE] \u{fb01} \x00IDLE',
    `THREAD=${'A'.repeat(33)}`,
  ];
  for (const list of bad) {
    using capabilities = learnt({ a: { strangers: list } });
    await settle();
    expect(capabilities.offered()).toBe('');
    for (const name of ['alice', 'bob']) capabilities.learn('a', user(name), list);
    expect(capabilities.offered()).toBe('');
  }
  expect(
    OFFERABLE_CAPABILITIES.filter((name) => /^(AUTH|LOGIN|STARTTLS|LITERAL|COMPRESS|UNAUTH|X)/.test(name)),
  ).toEqual([]);
});

test('a reload takes over what is known of an upstream that is where it was', async () => {
  const here = {};
  const before = learnt({ a: { health: here }, b: { health: {} } });
  for (const name of ['alice', 'bob']) {
    before.learn('a', user(name), 'IDLE MOVE');
    before.learn('b', user(name), 'IDLE MOVE');
  }
  using after = learnt({ a: { health: here } }, before);
  expect(after.offered()).toBe('IDLE MOVE');
  using moved = learnt({ a: { health: {} } }, after);
  expect(moved.offered()).toBe('');
});
