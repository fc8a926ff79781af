// What an IMAP client hears before it logs in: greeting, capabilities, ID, commands in the wrong state, nonsense.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Setting, startSetting } from './postern-before-script.ts';

let postern: Setting;
beforeAll(async () => {
  postern = await startSetting();
});
afterAll(() => postern[Symbol.asyncDispose]());

test('before TLS: STARTTLS and LOGINDISABLED, no mechanism', async () => {
  await using client = await postern.plain();
  await client.expect('* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID STARTTLS LOGINDISABLED] Postern ready');
  await client.send('a CAPABILITY\r\n');
  await client.expect('* CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID STARTTLS LOGINDISABLED');
  await client.expect('a OK Done');
});

test('on TLS: PLAIN and LOGIN and nothing that a hashed secret cannot serve', async () => {
  await using client = await postern.client();
  await client.send('a CAPABILITY\r\n');
  await client.expect('* CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN');
  await client.expect('a OK Done');
});

test('after STARTTLS the capabilities are those of TLS', async () => {
  await using client = await postern.plain();
  await client.expect('* OK …');
  await client.send('a STARTTLS\r\n');
  await client.expect('a OK …');
  await client.startTls();
  await client.send('b CAPABILITY\r\n');
  await client.expect('* CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN');
  await client.expect('b OK Done');
  await client.send('c STARTTLS\r\n');
  await client.expect('c BAD TLS is on already');
});

test('a LOGIN in clear is refused with PRIVACYREQUIRED, and its literals are not asked for', async () => {
  await using client = await postern.plain();
  await client.expect('* OK …');
  await client.send(`a LOGIN alice ${postern.password}\r\n`);
  await client.expect('a NO [PRIVACYREQUIRED] …');
  await client.send('b LOGIN {5}\r\n');
  await client.expect('b NO [PRIVACYREQUIRED] …');
  await client.send(`c LOGIN {5+}\r\nalice {16+}\r\n${postern.password}\r\n`);
  await client.expect('c NO [PRIVACYREQUIRED] …');
  await client.send('d AUTHENTICATE PLAIN\r\n');
  await client.expect('d NO [PRIVACYREQUIRED] …');
  await client.send('e AUTHENTICATE LOGIN YWxpY2U=\r\n');
  await client.expect('e NO [PRIVACYREQUIRED] …');
  expect(postern.upstream.connections.total).toBe(0);
});

test('LOGOUT: BYE, then OK, then the end', async () => {
  await using client = await postern.client();
  await client.send('a LOGOUT\r\n');
  await client.expect('* BYE Logging out');
  await client.expect('a OK Done');
  await client.closed();
});

test('commands of the wrong state, unknown ones and nonsense get BAD, and the connection stays', async () => {
  await using client = await postern.client();
  const dialogue: [string, string][] = [
    ['a SELECT INBOX', 'a BAD Log in first'],
    ['b uid fetch 1 body[]', 'b BAD Log in first'],
    ['c UNAUTHENTICATE', 'c BAD Log in first'],
    ['d XYZZY', 'd BAD Unknown command'],
    ['e', '* BAD Invalid arguments'],
    ['', '* BAD Invalid arguments'],
    [' ', '* BAD Invalid arguments'],
    ['+ NOOP', '* BAD Invalid arguments'],
    ['f+g NOOP', '* BAD Invalid arguments'],
    [`${'t'.repeat(65)} NOOP`, '* BAD Invalid arguments'],
    ['h STARTTLS now', 'h BAD Invalid arguments'],
    ['\u{1f600} NOOP', '* BAD Invalid arguments'],
    ['\0 NOOP', '* BAD Invalid arguments'],
    ['123}', '* BAD Invalid arguments'],
    ['i noop', 'i OK Done'],
  ];
  for (const [sent, heard] of dialogue) {
    await client.send(`${sent}\r\n`);
    await client.expect(heard);
  }
});

test('a bare LF ends a line, as old clients and people at a terminal have it', async () => {
  await using client = await postern.client();
  await client.send('a NOOP\nb NOOP\n');
  await client.expect('a OK Done');
  await client.expect('b OK Done');
});

test('an unknown command with literals: the announced one is refused, the one that comes unasked is skipped', async () => {
  await using client = await postern.client();
  await client.send('a XYZZY {5}\r\n');
  await client.expect('a BAD …');
  await client.send('b NOOP\r\n');
  await client.expect('b OK Done');
  // A server that took the literal for commands would log out here.
  await client.send('c XYZZY {10+}\r\nd LOGOUT\r\n\r\ne NOOP\r\n');
  await client.expect('c BAD Unknown command');
  await client.expect('e OK Done');
});

test('ID is answered before login: with pairs, NIL, an empty list, literals', async () => {
  await using client = await postern.client();
  await client.send('a ID ("name" "Outlook" "version" NIL)\r\n');
  await client.expect('* ID ("name" "Postern")');
  await client.expect('a OK Done');
  await client.send('b ID NIL\r\n');
  await client.expect('* ID ("name" "Postern")');
  await client.expect('b OK Done');
  await client.send('c ID ()\r\n');
  await client.expect('* ID …');
  await client.expect('c OK Done');
  await client.send('d ID ({4}\r\n');
  await client.expect('+ …');
  await client.send('name {7+}\r\nOutlook)\r\n');
  await client.expect('* ID …');
  await client.expect('d OK Done');
});

test('ID takes 30 pairs of 1,024 octets, and not one more', async () => {
  const pairs = (count: number, value: string) =>
    Array.from({ length: count }, (_, n) => `"k${n}" {${value.length}+}\r\n${value}`).join(' ');
  await using client = await postern.client();
  const inOneLine = Array.from({ length: 30 }, (_, n) => `"k${n}" "${'v'.repeat(1024)}"`).join(' ');
  for (const list of [pairs(30, 'v'.repeat(1024)), inOneLine]) {
    await client.send(`a ID (${list})\r\n`);
    await client.expect('* ID …');
    await client.expect('a OK Done');
  }
  const same = Array.from({ length: 31 }, () => '"k" "v"').join(' ');
  const good = '"name" "Outlook"';
  for (const bad of [pairs(31, 'v'), same, pairs(1, 'v'.repeat(1025)), `"${'k'.repeat(31)}" "v"`]) {
    await client.send(`b ID (${good})\r\nc ID (${bad})\r\n`);
    await client.expectUntil('b OK Done');
    await client.expectUntil('c OK Done');
  }
  await client.send(`d LOGIN alice ${postern.password}\r\n`);
  await client.expect('d OK …');
  // What went beyond is forgotten, and nothing else.
  expect(postern.events('login').at(-1)).toMatchObject({ software: 'Outlook' });
});

describe('an optional command never costs a login', () => {
  test.each([
    'ID',
    'ID ',
    'ID "name" "x"',
    'ID ("name")',
    'ID ("name" "x"',
    'ID ("name" "x") ',
    'ID ("name" atom)',
    'ID (NIL "x")',
    'ID ("name" ("nested" "x"))',
    `ID ${'('.repeat(4000)}`,
    'ID ("name" "\\x")',
    'ID ("name"  "x")',
    'ID name x',
    'ID ("name" "x") more',
    'ID )',
    'ID \0\u00ff',
    'NOOP x y',
    'CAPABILITY x',
    'ENABLE QRESYNC CONDSTORE',
    'ENABLE',
  ])('%s is answered OK', async (line) => {
    await using client = await postern.client();
    // More often than a client may fail to log in.
    for (let n = 0; n < 20; n++) {
      await client.send(`a ${line}\r\n`);
      await client.expectUntil(/^a OK /);
    }
    await client.send(`b LOGIN alice ${postern.password}\r\n`);
    await client.expect('b OK …');
  });

  test.each(['XYZZY', 'XYZZY {3+}\r\nabc', 'COMPRESS DEFLATE', 'NAMESPACE', 'X-REALLY "?', 'LANGUAGE de'])(
    '%s is answered BAD',
    async (line) => {
      await using client = await postern.client();
      for (let n = 0; n < 20; n++) {
        await client.send(`a ${line}\r\n`);
        await client.expect('a BAD …');
      }
      await client.send(`b LOGIN alice ${postern.password}\r\n`);
      await client.expect('b OK …');
    },
  );
});

test.each(['GET / HTTP/1.1', 'POST /login HTTP/1.1', 'PRI * HTTP/2.0', 'CONNECT host:25 HTTP/1.1'])(
  '%s closes at once, with STARTTLS not used, on TLS too',
  async (request) => {
    const mistakes = postern.events('client_mistake').length;
    await using plain = await postern.plain();
    await plain.expect('* OK …');
    await plain.send(`${request}\r\nHost: x\r\n\r\na LOGOUT\r\n`);
    await plain.closed();
    await using secure = await postern.client();
    await secure.send(`${request}\r\nHost: x\r\n\r\na LOGOUT\r\n`);
    await secure.closed();
    expect(
      postern
        .events('client_mistake')
        .slice(mistakes)
        .map((line) => line.kind),
    ).toEqual(['http', 'http']);
  },
);

test('commands without a login are limited in number', async () => {
  await using client = await postern.client();
  await client.send('a NOOP\r\n'.repeat(150));
  for (let n = 0; n < 100; n++) await client.expect('a OK Done');
  await client.expect('* BYE Too many commands without a login');
  await client.closed();
});

test('a client that has sent all it had to and closed its half gets every answer', async () => {
  const commands = Array.from({ length: 20 }, (_, i) => `c${i} NOOP\r\n`);
  for (const open of [postern.plain, postern.client]) {
    for (let i = 0; i < 10; i++) {
      await using client = await open();
      if (open === postern.plain) await client.expect('* OK …');
      void client.send(commands.join(''));
      client.end();
      await client.expectUntil('c19 OK Done');
      await client.closed();
    }
  }
});
