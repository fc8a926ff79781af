// AUTHENTICATE (RFC 3501 §6.2.2, 4959, 4616) on the wire: PLAIN and LOGIN, with and without initial response, and all the
// ways to get it wrong.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { base64, MASTER, plainMessage, type Setting, startSetting } from './postern-before-script.ts';

let postern: Setting;
beforeAll(async () => {
  postern = await startSetting();
});
afterAll(() => postern[Symbol.asyncDispose]());

const OK = 'a OK [CAPABILITY …] Logged in';
const FAILED = 'a NO [AUTHENTICATIONFAILED] Authentication failed';
const AS_ALICE = `p2 AUTHENTICATE PLAIN ${plainMessage(MASTER.user, MASTER.password, 'alice@example.com')}`;

describe('PLAIN', () => {
  test('with an initial response', async () => {
    await using client = await postern.client();
    await client.send(`a AUTHENTICATE PLAIN ${plainMessage('alice', postern.password)}\r\n`);
    await client.expect(OK);
    expect(postern.upstream.lines.at(-2)).toBe(AS_ALICE);
  });

  test('without one', async () => {
    await using client = await postern.client();
    await client.send('a authenticate plain\r\n');
    await client.expect('+ ');
    await client.send(`${plainMessage('alice@example.com', postern.password)}\r\n`);
    await client.expect(OK);
    expect(postern.upstream.lines.at(-2)).toBe(AS_ALICE);
  });

  test('without waiting for the challenge', async () => {
    await using client = await postern.client();
    await client.send(`a AUTHENTICATE PLAIN\r\n${plainMessage('alice', postern.password)}\r\n`);
    await client.expect('+ ');
    await client.expect(OK);
  });

  test('an authorization identity that is the same user is taken, whatever it is written as', async () => {
    for (const [login, same] of [
      ['alice', 'alice'],
      ['alice', 'ALICE'],
      ['alice', 'alice@example.com'],
      ['Alice@Example.com', 'EXAMPLE\\alice'],
      ['EXAMPLE\\alice', 'u:alice'],
      ['alice', ' alice\u200b '],
      ['alice', ' '],
    ] as const) {
      await using client = await postern.client();
      await client.send(`a AUTHENTICATE PLAIN ${plainMessage(login, postern.password, same)}\r\n`);
      await client.expect(OK);
      expect(postern.upstream.lines.at(-2)).toBe(AS_ALICE);
    }
  });

  test('one that differs is refused, whosever it is, with the right password too', async () => {
    const seen = postern.upstream.connections.total;
    for (const other of [
      'bob',
      'bob@example.com',
      'postern',
      'al\u200bice',
      '*',
      'alice@example.org',
      'OTHER\\alice',
    ]) {
      await using client = await postern.client();
      await client.send(`a AUTHENTICATE PLAIN ${plainMessage('alice', postern.password, other)}\r\n`);
      await client.expect('a NO [AUTHORIZATIONFAILED] …');
      expect(postern.events('login').at(-1)).toMatchObject({
        verdict: 'refused',
        reason: 'other_identity',
        user: 'alice@example.com',
      });
    }
    expect(postern.upstream.connections.total).toBe(seen);
  });

  test('a wrong password is refused and the connection stays', async () => {
    await using client = await postern.client();
    await client.send(`a AUTHENTICATE PLAIN ${plainMessage('alice', 'a'.repeat(16))}\r\n`);
    await client.expect(FAILED);
    await client.send(`a AUTHENTICATE PLAIN ${plainMessage('alice', postern.password)}\r\n`);
    await client.expect(OK);
  });
});

describe('LOGIN', () => {
  test('with the prompts that old clients know', async () => {
    await using client = await postern.client();
    await client.send('a AUTHENTICATE LOGIN\r\n');
    await client.expect('+ VXNlcm5hbWU6');
    await client.send(`${base64('alice')}\r\n`);
    await client.expect('+ UGFzc3dvcmQ6');
    await client.send(`${base64(postern.password)}\r\n`);
    await client.expect(OK);
    expect(postern.upstream.lines.at(-2)).toBe(AS_ALICE);
  });

  test('with the name as initial response', async () => {
    await using client = await postern.client();
    await client.send(`a AUTHENTICATE LOGIN ${base64('EXAMPLE\\alice')}\r\n`);
    await client.expect('+ UGFzc3dvcmQ6');
    await client.send(`${base64(postern.password)}\r\n`);
    await client.expect(OK);
  });

  test('an empty name or password fails', async () => {
    await using client = await postern.client();
    await client.send('a AUTHENTICATE LOGIN =\r\n');
    await client.expect('+ UGFzc3dvcmQ6');
    await client.send(`${base64(postern.password)}\r\n`);
    await client.expect(FAILED);
    await client.send(`a AUTHENTICATE LOGIN ${base64('alice')}\r\n`);
    await client.expect('+ UGFzc3dvcmQ6');
    await client.send('\r\n');
    await client.expect(FAILED);
  });
});

test('* cancels with a tagged BAD, at every step', async () => {
  await using client = await postern.client();
  await client.send('a AUTHENTICATE PLAIN\r\n');
  await client.expect('+ ');
  await client.send('*\r\n');
  await client.expect('a BAD Authentication cancelled');
  await client.send('b AUTHENTICATE LOGIN\r\n');
  await client.expect('+ VXNlcm5hbWU6');
  await client.send('*\r\n');
  await client.expect('b BAD Authentication cancelled');
  await client.send(`c AUTHENTICATE LOGIN ${base64('alice')}\r\n`);
  await client.expect('+ UGFzc3dvcmQ6');
  await client.send('*\r\n');
  await client.expect('c BAD Authentication cancelled');
  await client.send('d AUTHENTICATE PLAIN *\r\n');
  await client.expect('d BAD Authentication cancelled');
  // Nothing of the cancelled ones is left: the name has to be said again.
  await client.send('e AUTHENTICATE LOGIN\r\n');
  await client.expect('+ VXNlcm5hbWU6');
});

test('mechanisms that a hashed secret cannot serve are not supported', async () => {
  await using client = await postern.client();
  for (const mechanism of [
    'CRAM-MD5',
    'DIGEST-MD5',
    'NTLM',
    'SCRAM-SHA-256',
    'XOAUTH2',
    'EXTERNAL',
    'ANONYMOUS',
  ]) {
    await client.send(`a AUTHENTICATE ${mechanism}\r\n`);
    await client.expect('a NO [CANNOT] …');
  }
  await client.send(`b AUTHENTICATE EXTERNAL ${base64('alice@example.com')}\r\n`);
  await client.expect('b NO [CANNOT] …');
});

test('malformed AUTHENTICATEs get BAD, reach neither gate nor upstream, and the connection stays', async () => {
  const seen = { logins: postern.events('login').length, upstream: postern.upstream.connections.total };
  const good = plainMessage('alice', postern.password);
  const malformed = [
    'AUTHENTICATE',
    'AUTHENTICATE ',
    'AUTHENTICATE "PLAIN"',
    'AUTHENTICATE (PLAIN)',
    'AUTHENTICATE PLAIN ==',
    'AUTHENTICATE PLAIN ====',
    'AUTHENTICATE PLAIN A',
    'AUTHENTICATE PLAIN A===',
    'AUTHENTICATE PLAIN %',
    `AUTHENTICATE PLAIN ${good} more`,
    `AUTHENTICATE PLAIN ${good}=`,
    `AUTHENTICATE PLAIN "${good}"`,
    `AUTHENTICATE PLAIN {${good.length}+}\r\n${good}`,
    `AUTHENTICATE PLAIN ${good.slice(0, 8)}\t${good.slice(8)}`,
    `AUTHENTICATE LOGIN ${base64('ali\0ce').slice(0, -1)}`,
  ];
  await using client = await postern.client();
  for (const line of malformed) {
    await client.send(`a ${line}\r\n`);
    await client.expect('a BAD …');
  }
  await client.send(`a AUTHENTICATE PLAIN ${good}\r\n`);
  await client.expect(OK);
  expect(postern.events('login').length).toBe(seen.logins + 1);
  expect(postern.upstream.connections.total).toBe(seen.upstream + 1);
});

test('what is no PLAIN message but plainly a try to log in is a wrong password to the client, and an attempt to the gate', async () => {
  const seen = postern.upstream.connections.total;
  const { password } = postern;
  for (const message of [
    'alice',
    'alice\0',
    password,
    `alice\0${password}`,
    `\0\0${password}`,
    `\0alice\0${password}\0`,
    `\0alice\0${password}\0more`,
    `\0\0alice\0${password}`,
    `\0ali\r\nce\0${password}`,
    `\0alice\0${password}\r\n`,
    '\0\0\0\0',
  ]) {
    const logins = postern.events('login').length;
    await using client = await postern.client();
    await client.send(`a AUTHENTICATE PLAIN ${base64(message)}\r\n`);
    await client.expect(FAILED);
    expect(postern.events('login').length).toBe(logins + 1);
    expect(postern.events('login').at(-1)).toMatchObject({ verdict: 'refused', passwordId: null });
    // Nothing of it is left behind.
    await client.send(`b AUTHENTICATE PLAIN ${plainMessage('alice', password)}\r\n`);
    await client.expect('b OK …');
  }
  expect(postern.upstream.connections.total).toBe(seen + 11);
});

test('malformed answers to a challenge end the exchange with BAD', async () => {
  const good = plainMessage('alice', postern.password);
  await using client = await postern.client();
  for (const answer of [
    '====',
    'A',
    `${good.slice(0, 8)} ${good.slice(8)}`,
    `${good}=`,
    `"${good}"`,
    '{5+}',
    '{5}',
    '**',
    '* *',
    'a NOOP',
  ]) {
    await client.send('a AUTHENTICATE PLAIN\r\n');
    await client.expect('+ ');
    await client.send(`${answer}\r\n`);
    await client.expect('a BAD …');
  }
  await client.send(`a AUTHENTICATE LOGIN\r\n`);
  await client.expect('+ VXNlcm5hbWU6');
  await client.send('Not base64!\r\n');
  await client.expect('a BAD Invalid base64');
  await client.send('b NOOP\r\n');
  await client.expect('b OK Done');
});

test('CR, LF or NUL in a name or password of AUTHENTICATE LOGIN is refused', async () => {
  const seen = postern.upstream.connections.total;
  await using client = await postern.client();
  for (const [name, password] of [
    ['ali\0ce', 'secret'],
    ['alice\r\np9 LOGOUT', 'secret'],
    ['alice', 'secret\n'],
    ['alice', '\0'],
  ] as const) {
    await client.send('a AUTHENTICATE LOGIN\r\n');
    await client.expect('+ VXNlcm5hbWU6');
    await client.send(`${base64(name)}\r\n`);
    await client.expect('+ UGFzc3dvcmQ6');
    await client.send(`${base64(password)}\r\n`);
    await client.expect(FAILED);
  }
  expect(postern.upstream.connections.total).toBe(seen);
});

test('an answer of 12,288 octets is read; a longer one ends the connection', async () => {
  await using client = await postern.client();
  await client.send('a AUTHENTICATE PLAIN\r\n');
  await client.expect('+ ');
  await client.send(`${base64(`\0alice\0${'x'.repeat(9209)}`)}\r\n`);
  await client.expect(FAILED);
  await client.send('b AUTHENTICATE PLAIN\r\n');
  await client.expect('+ ');
  await client.send('A'.repeat(12_290));
  await client.expect('* BYE Line too long');
  await client.closed();
});
