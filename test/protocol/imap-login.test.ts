// LOGIN (RFC 3501 §6.2.3) on the wire: what a user name and a password may be dressed as, and what is malformed.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MASTER, plainMessage, type Setting, startSetting } from './postern-before-script.ts';

let postern: Setting;
beforeAll(async () => {
  // More names than a network may guess at before it is blocked.
  postern = await startSetting({
    config: 'throttle: { failureDelay: 30ms, network: { distinct: 1000, window: 1h, block: 1h } }',
  });
});
afterAll(() => postern[Symbol.asyncDispose]());

const OK = 'a OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN] Logged in';
const FAILED = 'a NO [AUTHENTICATIONFAILED] Authentication failed';
/** What Postern says to the upstream for alice. */
const AS_ALICE = plainMessage(MASTER.user, MASTER.password, 'alice@example.com');

/** How the app password can be written; `P` stands for it. */
describe.each([
  ['an atom', (p: string) => p],
  ['in capitals', (p: string) => p.toUpperCase()],
  ['a quoted string', (p: string) => `"${p}"`],
  ['a quoted string with spaces', (p: string) => `"${grouped(p)}"`],
  ['a quoted string with hyphens', (p: string) => `"${grouped(p, '-')}"`],
  ['a literal that comes unasked', (p: string) => `{16+}\r\n${p}`],
  ['a literal with spaces', (p: string) => `{19+}\r\n${grouped(p)}`],
])('the password as %s', (_, password) => {
  test.each([
    ['an atom', 'alice'],
    ['an atom with domain', 'alice@EXAMPLE.com'],
    ['an atom with a NetBIOS domain', 'EXAMPLE\\alice'],
    ['a quoted string', '"alice"'],
    ['a quoted string with an escaped backslash', '"EXAMPLE\\\\alice"'],
    ['a quoted string with a backslash that is not escaped', '"EXAMPLE\\alice"'],
    ['a literal, in which a backslash is itself', '{13+}\r\nEXAMPLE\\alice'],
    ['a literal', '{5+}\r\nalice'],
  ])('and the name as %s', async (_, name) => {
    await using client = await postern.client();
    await client.send(`a LOGIN ${name} ${password(postern.password)}\r\n`);
    await client.expect(OK);
    expect(postern.upstream.lines.at(-2)).toBe(`p2 AUTHENTICATE PLAIN ${AS_ALICE}`);
  });
});

test('announced literals are asked for one by one', async () => {
  await using client = await postern.client();
  await client.send('a LOGIN {5}\r\n');
  await client.expect('+ OK');
  await client.send('alice {16}\r\n');
  await client.expect('+ OK');
  await client.send(`${postern.password}\r\n`);
  await client.expect(OK);
});

test('announced literals whose sender does not wait', async () => {
  await using client = await postern.client();
  await client.send(`a LOGIN {5}\r\nalice {16}\r\n${postern.password}\r\n`);
  await client.expect('+ OK');
  await client.expect('+ OK');
  await client.expect(OK);
});

test('one octet at a time', async () => {
  await using client = await postern.client();
  for (const octet of `a LOGIN "alice" {16+}\r\n${postern.password}\r\n`) await client.send(octet);
  await client.expect(OK);
});

test('an announced literal of size 0 is an empty password', async () => {
  await using client = await postern.client();
  await client.send('a LOGIN alice {0}\r\n');
  await client.expect('+ OK');
  await client.send('\r\n');
  await client.expect(FAILED);
});

test('a literal over 4,096 octets that comes unasked is taken, though LITERAL- does not have it', async () => {
  await using client = await postern.client();
  await client.send(`a LOGIN alice {16000+}\r\n${'x'.repeat(16_000)}\r\n`);
  await client.expect(FAILED);
});

test('malformed LOGINs get BAD, reach neither gate nor upstream, and the connection stays', async () => {
  const seen = { logins: postern.events('login').length, upstream: postern.upstream.connections.total };
  const malformed = [
    'LOGIN',
    'LOGIN ',
    'LOGIN alice',
    'LOGIN alice ',
    'LOGIN alice secret more',
    'LOGIN alice abcd efgh ijkm npqr',
    'LOGIN "alice secret',
    'LOGIN "alice" "secret',
    'LOGIN "alice""secret"',
    'LOGIN "alice\\" secret',
    'LOGIN "alice\\',
    'LOGIN alice"x" secret',
    'LOGIN (alice) secret',
    'LOGIN (alice secret)',
    'LOGIN "alice" NI(L',
    'LOGIN {5+} alice secret',
    'LOGIN {-1}',
    'LOGIN {}',
    'LOGIN {5-} secret',
    'LOGIN alice\tsecret',
    'LOGIN {5+}\r\nalicesecret',
    'LOGIN {5+}\r\nalice{6+}\r\nsecret',
    'LOGIN alice {0000000006+}\r\nsecret',
  ];
  await using client = await postern.client();
  for (const line of malformed) {
    await client.send(`a ${line}\r\n`);
    await client.expect('a BAD …');
  }
  await client.send(`a LOGIN alice ${postern.password}\r\n`);
  await client.expect(OK);
  expect(postern.events('login').length).toBe(seen.logins + 1);
  expect(postern.upstream.connections.total).toBe(seen.upstream + 1);
});

test('CR, LF and NUL in a name or a password are a wrong one', async () => {
  const seen = postern.upstream.connections.total;
  for (const line of [
    'LOGIN "alice\0" secret',
    'LOGIN {6+}\r\nali\0ce secret',
    'LOGIN {7+}\r\nali\r\nce secret',
    'LOGIN alice {7+}\r\nsec\r\nre',
    'LOGIN alice {7+}\r\nsec\nret',
    'LOGIN alice {7+}\r\nsec\0ret',
    `LOGIN {7+}\r\nalice\r\n ${postern.password}`,
    `LOGIN alice {18+}\r\n${postern.password}\r\n`,
  ]) {
    await using client = await postern.client();
    await client.send(`a ${line}\r\n`);
    await client.expect(FAILED);
  }
  expect(postern.upstream.connections.total).toBe(seen);
});

test('names that are nobody get the same refusal as a wrong password, and the upstream never sees them', async () => {
  const seen = postern.upstream.connections.total;
  const quoted = (name: string) => `"${name.replace(/["\\]/g, '\\$&')}"`;
  const names = [
    '',
    '@',
    'alice*postern',
    'alice@example.com*postern',
    'postern*alice@example.com',
    'alice%example.com',
    'alice/admin',
    'alice"@example.com',
    "alice'@example.com",
    '\\alice',
    'OTHER\\alice',
    'EXAMPLE\\alice@example.com',
    '__proto__\\alice',
    'alice@@example.com',
    'alice@example.com@example.com',
    'alice @example.com',
    'alice\t@example.com',
    'alice\u007f@example.com',
    'alice\u200b@example.com',
    'alice\u202e@example.com',
    '\uff41lice@example.com',
    'al\u0131ce@example.com',
    'alice@ex\u0430mple.com',
    'alice@example\u3002com',
    'alice@\u212aexample.com',
    'alice@example.com.',
    '.alice@example.com',
    'al..ice@example.com',
    `${'a'.repeat(65)}@example.com`,
    `alice@${'a.'.repeat(200)}com`,
    'alice=00@example.com',
  ];
  for (const name of names) {
    await using client = await postern.client();
    await client.send(`a LOGIN ${quoted(name)} ${postern.password}\r\n`);
    await client.expect(FAILED);
  }
  expect(postern.upstream.connections.total).toBe(seen);
});

test('octets that are not UTF-8 are a wrong name or a wrong password, not a crash', async () => {
  await using client = await postern.client();
  await client.send(Buffer.from('a LOGIN "alic\xe9" secret\r\n', 'latin1'));
  await client.expect(FAILED);
  await client.send(Buffer.from('a LOGIN alice p\xe4ssw\xf6rt\r\n', 'latin1'));
  await client.expect(FAILED);
  await client.send(Buffer.from('a LOGIN alice {3+}\r\n\xff\xfe\xfd\r\n', 'latin1'));
  await client.expect(FAILED);
});

function grouped(password: string, separator = ' '): string {
  return password.match(/.{4}/g)!.join(separator);
}
