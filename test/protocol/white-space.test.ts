// White space more than there should be, as old clients, scripts and people at a keyboard send it: at any place where there may be some
// and at the end of any line, it changes nothing. What Dovecot 2.3 and Postfix 3.7 take is taken.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Transcript } from '../support/transcript.ts';
import { base64, plainMessage, type Setting, startSetting } from './postern-before-script.ts';
import { type SmtpSetting, startSmtpSetting } from './smtp-setting.ts';

/** A line of a client as its words, and the answers up to the last of them. */
type Step = readonly [words: readonly string[], answer: string | RegExp];
type Spaces = () => string;

/** Never fewer than the one that stands there anyway. */
function line(words: readonly string[], spaces: Spaces): string {
  return `${words.reduce((before, word) => `${before} ${spaces()}${word}`)}${spaces()}\r\n`;
}

async function play(client: Transcript, steps: readonly Step[], spaces: Spaces): Promise<void> {
  for (const [words, answer] of steps) {
    await client.send(line(words, spaces));
    await client.expectUntil(answer);
  }
}

/** Runs a dialogue with spaces drawn for each place; the first run has one more at every one. */
async function property(units: string, run: (spaces: Spaces) => Promise<void>): Promise<void> {
  await run(() => ' ');
  const draw = fc.array(fc.string({ unit: fc.constantFrom(...units), maxLength: 3 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(draw, async (drawn) => {
      let n = 0;
      await run(() => drawn[n++ % drawn.length] as string);
    }),
    { numRuns: 6 },
  );
}

describe('IMAP', () => {
  let postern: Setting;
  beforeAll(async () => {
    postern = await startSetting();
  });
  afterAll(() => postern[Symbol.asyncDispose]());

  const plain = () => plainMessage('alice', postern.password);
  const ok: RegExp = /^a OK /;
  test.each<[string, () => readonly Step[]]>([
    [
      'CAPABILITY, NOOP',
      () => [
        [['a', 'CAPABILITY'], ok],
        [['a', 'NOOP'], ok],
      ],
    ],
    ['LOGOUT', () => [[['a', 'LOGOUT'], ok]]],
    [
      'ID',
      () => [
        [['a', 'ID', '(', '"name"', '"Outlook"', '"version"', 'NIL', ')'], ok],
        [['a', 'LOGIN', 'alice', postern.password], ok],
      ],
    ],
    [
      'ID without anything',
      () => [
        [['a', 'ID', 'NIL'], ok],
        [['a', 'ID', '(', ')'], ok],
        [['a', 'ID'], ok],
      ],
    ],
    ['LOGIN with atoms', () => [[['a', 'LOGIN', 'alice', postern.password], ok]]],
    ['LOGIN with quoted strings', () => [[['a', 'LOGIN', '"EXAMPLE\\alice"', `"${postern.password}"`], ok]]],
    ['LOGIN with literals', () => [[['a', 'LOGIN', '{5+}\r\nalice', `{16+}\r\n${postern.password}`], ok]]],
    [
      'AUTHENTICATE PLAIN',
      () => [
        [['a', 'AUTHENTICATE', 'PLAIN'], '+ '],
        [[plain()], ok],
      ],
    ],
    ['AUTHENTICATE PLAIN at once', () => [[['a', 'AUTHENTICATE', 'PLAIN', plain()], ok]]],
    [
      'AUTHENTICATE LOGIN',
      () => [
        [['a', 'AUTHENTICATE', 'LOGIN'], '+ VXNlcm5hbWU6'],
        [[base64('alice')], '+ UGFzc3dvcmQ6'],
        [[base64(postern.password)], ok],
      ],
    ],
    [
      'AUTHENTICATE LOGIN with the name at once',
      () => [
        [['a', 'AUTHENTICATE', 'LOGIN', base64('alice')], '+ UGFzc3dvcmQ6'],
        [[base64(postern.password)], ok],
      ],
    ],
    [
      'a cancelled AUTHENTICATE',
      () => [
        [['a', 'AUTHENTICATE', 'PLAIN'], '+ '],
        [['*'], 'a BAD Authentication cancelled'],
      ],
    ],
  ])('%s', async (what, steps) => {
    await property(' ', async (spaces) => {
      await using client = await postern.client();
      await play(client, steps(), spaces);
    });
    if (what === 'ID') expect(postern.events('login').at(-1)).toMatchObject({ software: 'Outlook' });
  });

  test('STARTTLS, and LOGIN in clear', async () => {
    await property(' ', async (spaces) => {
      await using client = await postern.plain();
      await client.expect('* OK …');
      await play(client, [[['a', 'LOGIN', 'alice', 'x'], /^a NO \[PRIVACYREQUIRED\]/]], spaces);
      await play(client, [[['a', 'STARTTLS'], ok]], spaces);
      await client.startTls();
      await play(client, [[['a', 'LOGIN', 'alice', postern.password], ok]], spaces);
    });
  });

  test('a TAB is no white space, as to Dovecot', async () => {
    await using client = await postern.client();
    for (const bad of [`a LOGIN alice ${postern.password}\t`, 'a LOGIN\talice x', 'a\tNOOP']) {
      await client.send(`${bad}\r\n`);
      await client.expect(/^[a*] BAD /);
    }
  });
});

describe('SMTP', () => {
  let postern: SmtpSetting;
  beforeAll(async () => {
    postern = await startSmtpSetting();
  });
  afterAll(() => postern[Symbol.asyncDispose]());

  const plain = () => plainMessage('alice', postern.password);
  const in200 = /^2\d\d /;
  test.each<[string, () => readonly Step[]]>([
    [
      'EHLO, HELO',
      () => [
        [['EHLO', 'pc'], in200],
        [['HELO', 'pc'], in200],
        [['EHLO'], in200],
      ],
    ],
    [
      'NOOP, RSET, VRFY, HELP',
      () => [
        [['NOOP'], in200],
        [['NOOP', 'x'], in200],
        [['RSET'], in200],
        [['VRFY', 'x'], in200],
        [['HELP'], in200],
      ],
    ],
    ['QUIT', () => [[['QUIT'], /^221 /]]],
    [
      'AUTH PLAIN',
      () => [
        [['AUTH', 'PLAIN'], '334 '],
        [[plain()], /^235 /],
      ],
    ],
    ['AUTH PLAIN at once', () => [[['AUTH', 'PLAIN', plain()], /^235 /]]],
    [
      'AUTH LOGIN',
      () => [
        [['AUTH', 'LOGIN'], '334 VXNlcm5hbWU6'],
        [[base64('alice')], '334 UGFzc3dvcmQ6'],
        [[base64(postern.password)], /^235 /],
      ],
    ],
    [
      'AUTH LOGIN with the name at once',
      () => [
        [['AUTH', 'LOGIN', base64('alice')], '334 UGFzc3dvcmQ6'],
        [[base64(postern.password)], /^235 /],
      ],
    ],
    [
      'a cancelled AUTH',
      () => [
        [['AUTH', 'PLAIN'], '334 '],
        [['*'], /^501 5\.7\.0 /],
      ],
    ],
  ])('%s', async (_, steps) => {
    await property(' \t', async (spaces) => {
      await using client = await postern.client();
      await play(client, steps(), spaces);
    });
  });

  test('STARTTLS', async () => {
    await property(' \t', async (spaces) => {
      await using client = await postern.plain();
      await client.expect(/^220 /);
      await play(client, [[['STARTTLS'], /^220 /]], spaces);
      await client.startTls();
    });
  });

  test('a message: what goes upstream is written anew', async () => {
    await property(' \t', async (spaces) => {
      const seen = postern.upstream.lines.length;
      await using client = await postern.session();
      await play(
        client,
        [
          [['MAIL', 'FROM', ':', '<', 'alice@example.com', '>', 'SIZE=100', 'BODY=8BITMIME'], in200],
          [['RCPT', 'TO', ':', '<', 'bob@example.net', '>'], in200],
          [['RCPT', 'TO', ':', 'carol@example.net'], in200],
          [['RCPT', 'TO', ':', '<', '@a.example:"d e"@example.net', '>'], in200],
          [['DATA'], /^354 /],
        ],
        spaces,
      );
      await client.send('hello\r\n.\r\n');
      await client.expect(in200);
      expect(postern.upstream.lines.slice(seen).filter((said) => /^(MAIL|RCPT|DATA)/.test(said))).toEqual([
        expect.stringMatching(/^MAIL FROM:<alice@example\.com>( SIZE=100)?( BODY=8BITMIME)?$/),
        'RCPT TO:<bob@example.net>',
        'RCPT TO:<carol@example.net>',
        'RCPT TO:<"d e"@example.net>',
        'DATA',
      ]);
    });
  });
});
