// What an IMAP client hears when the gate says no, and how often it may try.

import { describe, expect, test } from 'vitest';
import { until } from '../support/patience.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { base64, plainMessage, startSetting } from './postern-before-script.ts';

const FAILED = 'a NO [AUTHENTICATIONFAILED] Authentication failed';
/** Of the shape of an app password, and nobody's. */
const GUESS = 'abcdefghijkmnpqr';

describe('wrong passwords', () => {
  test('are answered and the connection stays; after five it is closed with BYE', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    for (let n = 1; n <= 5; n++) {
      await client.send(`a LOGIN alice wrong-${n}\r\n`);
      await client.expect(FAILED);
    }
    await client.expect('* BYE Too many failed logins');
    await client.closed();
  });

  test('count whichever command they come by, and a right one behind four of them is admitted', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${GUESS}\r\n`);
    await client.expect(FAILED);
    await client.send(`a AUTHENTICATE PLAIN ${plainMessage('alice', GUESS)}\r\n`);
    await client.expect(FAILED);
    await client.send(`a AUTHENTICATE LOGIN ${base64('alice')}\r\n${base64(GUESS)}\r\n`);
    await client.expect('+ …');
    await client.expect(FAILED);
    await client.send(`a LOGIN {5+}\r\nalice ${GUESS}\r\n`);
    await client.expect(FAILED);
    await client.send(`b LOGIN alice ${postern.password}\r\n`);
    await client.expect('b OK …');
  });

  test('as many as the config says', async () => {
    await using postern = await startSetting({ config: 'limits: { attemptsPerConnection: 2 }' });
    await using client = await postern.client();
    await client.send('a LOGIN alice one\r\na LOGIN alice two\r\na LOGIN alice three\r\n');
    await client.expect(FAILED);
    await client.expect(FAILED);
    await client.expect('* BYE …');
    await client.closed();
    expect(postern.events('login')).toHaveLength(2);
  });

  test('an empty one fails at once and counts as nothing', async () => {
    await using postern = await startSetting({ config: 'throttle: { failureDelay: 10s }' });
    await using client = await postern.client();
    const empty = [
      'LOGIN alice ""',
      'LOGIN alice {0+}\r\n',
      `AUTHENTICATE PLAIN ${plainMessage('alice', '')}`,
    ];
    for (let n = 0; n < 10; n++) {
      for (const command of empty) {
        await client.send(`a ${command}\r\n`);
        await client.expect(FAILED);
      }
    }
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
  });

  test('one attempt at a time: what is pipelined waits for the answer before', async () => {
    await using postern = await startSetting({ config: 'throttle: { failureDelay: 150ms }' });
    await using client = await postern.client();
    const start = performance.now();
    await client.send('a LOGIN alice one\r\na LOGIN alice two\r\na LOGIN alice three\r\n');
    for (let n = 0; n < 3; n++) await client.expect(FAILED);
    expect(performance.now() - start).toBeGreaterThan(440);
  });

  test('past the bound of those that wait, the connection is closed unanswered, never answered sooner', async () => {
    await using postern = await startSetting({
      config: 'throttle: { failureDelay: 2s, parkedPerNetwork: 1 }',
    });
    await using one = await postern.client();
    await using two = await postern.client();
    for (const client of [one, two]) await client.send('a LOGIN alice one\r\n');
    // Either may have come first.
    const answers = [one, two].map((client) => client.expect(FAILED).catch(() => 'none'));
    expect((await Promise.all(answers)).sort()).toEqual([FAILED, 'none']);
    expect(postern.events('login').map((line) => line.answered)).toEqual([false, true]);
  });

  test('too many distinct guesses: LIMIT, which tells nothing of the password; the right one is admitted all the same', async () => {
    await using postern = await startSetting({
      config: 'throttle: { failureDelay: 10ms, networkAndUser: { distinct: 2, window: 1h, block: 1h } }',
    });
    await using client = await postern.client();
    for (const guess of [GUESS, GUESS.replace('a', 'b')]) {
      await client.send(`a LOGIN alice ${guess}\r\n`);
      await client.expect(FAILED);
    }
    await client.send(`a LOGIN alice ${GUESS.replace('a', 'c')}\r\n`);
    await client.expect('a NO [LIMIT] Too many failed logins, try again later');
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
  });
});

describe('right passwords that may not be used hear what wrong ones hear', () => {
  test.each([
    ['revoked', {}, 'revoked'],
    ['for another protocol', { scope: ['smtp'] as const }, 'wrong_protocol'],
    ['from another network', { networks: ['192.0.2.0/24'] }, 'wrong_network'],
    ['expired', {}, 'expired'],
  ])('%s', async (_, more, reason) => {
    await using postern = await startSetting();
    const expiresAt = reason === 'expired' ? Date.now() + 1000 : null;
    const { id, password } = await postern.createPassword('alice@example.com', { ...more, expiresAt });
    if (reason === 'revoked') await postern.revoke(id);
    if (expiresAt !== null) await until('it has expired', () => Date.now() > expiresAt);
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${password}\r\n`);
    await client.expect(FAILED);
    expect(postern.events('login')).toMatchObject([{ verdict: 'refused', reason, passwordId: id }]);
    expect(postern.upstream.connections.total).toBe(0);
  });

  test('of a user without a route', async () => {
    await using postern = await startSetting();
    const { password } = await postern.createPassword('carol@elsewhere.example');
    await using client = await postern.client();
    await client.send(`a LOGIN carol@elsewhere.example ${password}\r\n`);
    await client.expect(FAILED);
    expect(postern.events('login')).toMatchObject([{ reason: 'no_route' }]);
  });

  test('of another user', async () => {
    await using postern = await startSetting();
    await postern.createPassword('bob@example.com');
    await using client = await postern.client();
    await client.send(`a LOGIN bob ${postern.password}\r\n`);
    await client.expect(FAILED);
    expect(postern.events('login')).toMatchObject([{ reason: 'bad_credentials', user: 'bob@example.com' }]);
  });

  test('revoked while the upstream login runs', async () => {
    let answer = () => {};
    await using postern = await startSetting({
      script: {
        on: [
          [
            /^(\S+) AUTH/,
            (upstream, [, tag]) => {
              answer = () => upstream.write(`${tag} OK [CAPABILITY IMAP4rev1] hi\r\n`);
            },
          ],
        ],
      },
    });
    const { id, password } = await postern.createPassword('alice@example.com');
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${password}\r\n`);
    await expect.poll(() => postern.upstream.lines.length).toBe(2);
    await postern.revoke(id);
    answer();
    await client.expect(FAILED);
    await expect.poll(() => postern.upstream.connections.open).toBe(0);
  });
});

describe('the state of one attempt never leaks into the next', () => {
  test('a name is not kept from a cancelled, malformed or refused one', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    await client.send(`a AUTHENTICATE LOGIN ${base64('alice')}\r\n*\r\n`);
    await client.expect('+ UGFzc3dvcmQ6');
    await client.expect('a BAD …');
    await client.send(`a AUTHENTICATE LOGIN =\r\n${base64(postern.password)}\r\n`);
    await client.expect('+ UGFzc3dvcmQ6');
    await client.expect(FAILED);
    await client.send(`a LOGIN alice ${GUESS}\r\n`);
    await client.expect(FAILED);
    await client.send(`a AUTHENTICATE PLAIN ${base64(`\0\0${postern.password}`)}\r\n`);
    await client.expect(FAILED);
    expect(postern.events('login').map((line) => line.user)).toEqual([null, 'alice@example.com', null]);
    expect(postern.upstream.connections.total).toBe(0);
  });

  test('nor a password: the right one for alice does not admit bob, refused alice does not taint bob', async () => {
    await using postern = await startSetting();
    const bob = await postern.createPassword('bob@example.com');
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${bob.password}\r\n`);
    await client.expect(FAILED);
    await client.send(`b LOGIN bob ${bob.password}\r\n`);
    await client.expect('b OK …');
    expect(Buffer.from(postern.upstream.lines.at(-2)!.split(' ')[3]!, 'base64').toString()).toMatch(
      /^bob@example\.com\0/,
    );
  });

  test('nor a session: after an upstream fault, the next attempt on the connection dials anew as its own user', async () => {
    await using postern = await startSetting({ script: { on: [[/^(\S+) AUTH/, '$1 NO no\r\n']] } });
    const bob = await postern.createPassword('bob@example.com');
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a NO [UNAVAILABLE] …');
    postern.upstream.setScript({});
    await client.send(`b LOGIN bob ${bob.password}\r\n`);
    await client.expect('b OK …');
    expect(postern.upstream.connections.total).toBe(2);
    expect(postern.events('session')).toEqual([]);
  });
});

describe('what people type into the wrong field is not in the log', () => {
  test('a password as the name, a name as the password, the user\u2019s own password', async () => {
    const own = ledger('Hunter2-Own-Password!');
    await using postern = await startSetting();
    await using client = await postern.client();
    const spaced = postern.password.match(/.{4}/g)!.join(' ');
    for (const line of [
      `LOGIN ${postern.password} alice`,
      `LOGIN "${spaced}" alice`,
      `LOGIN ${postern.password}@example.com ${postern.password}`,
      `LOGIN alice ${own}`,
    ]) {
      await client.send(`a ${line}\r\n`);
      await client.expect(FAILED);
    }
    const log = JSON.stringify(postern.events('login'));
    expect(log).not.toContain(postern.password);
    expect(log).not.toContain(spaced);
    expect(log).not.toContain(own);
  });
});
