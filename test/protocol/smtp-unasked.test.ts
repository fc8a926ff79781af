// What comes without having been asked for, from either side: a message behind a DATA or BDAT that is refused, a whole group behind a
// MAIL that is refused, an upstream that asks for data where there are none. None of it is taken for something else.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type SmtpSetting, startSmtpSetting } from './smtp-setting.ts';

const FROM = 'MAIL FROM:<alice@example.com>';
const TO = 'RCPT TO:<bob@example.net>';
const OK = '250 2.0.0 ok';
/** A message that has a dialogue of its own in it. */
const TRAP = `Subject: x\r\n\r\n${FROM}\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nspam\r\n.\r\nQUIT\r\n`;

let postern: SmtpSetting;
beforeAll(async () => {
  postern = await startSmtpSetting();
});
beforeEach(() => postern.upstream.setScript({}));
afterAll(() => postern[Symbol.asyncDispose]());

test.each([`BDAT ${TRAP.length} LAST`, 'bdat 99999999999', 'BDAT'])(
  'the chunk behind %s is no command',
  async (bdat) => {
    await using client = await postern.session();
    const before = postern.upstream.messages.length;
    await client.send(`${FROM}\r\n${TO}\r\n${bdat}\r\n${TRAP}`);
    await client.expect(OK);
    await client.expect(OK);
    await client.expect('502 5.5.1 Command not implemented');
    await client.closed();
    expect(postern.upstream.messages).toHaveLength(before);
    expect(postern.upstream.lines.join()).not.toContain('victim');
  },
);

test.each<[string, string, readonly (string | RegExp)[]]>([
  ['no MAIL', 'DATA\r\n', [/^503 /]],
  ['no recipient', `${FROM}\r\nDATA\r\n`, [OK, /^554 5\.5\.1 /]],
  ['an argument', `${FROM}\r\n${TO}\r\nDATA x\r\n`, [OK, OK, /^501 /]],
  ['the upstream', `${FROM}\r\nRCPT TO:<no-data@example.net>\r\nDATA\r\n`, [OK, OK, '451 4.3.0 not now']],
])('a message behind a DATA that is refused is no command: %s', async (_, group, answers) => {
  postern.upstream.setScript({ on: [[/^DATA/, '451 4.3.0 not now\r\n']] });
  await using client = await postern.session();
  const before = postern.upstream.messages.length;
  await client.send(group + TRAP);
  for (const answer of answers) await client.expect(answer as string);
  await client.expect('421 4.7.0 A message came without having been asked for');
  await client.closed();
  expect(postern.upstream.messages).toHaveLength(before);
  expect(postern.upstream.lines.join()).not.toContain('victim');
});

test('a group behind a MAIL that is refused is answered, and is no error of the client’s', async () => {
  await using client = await postern.session();
  for (let n = 0; n < 2; n++) {
    await client.send(`MAIL FROM:<eve@example.com>\r\n${`${TO}\r\n`.repeat(60)}DATA\r\n`);
    await client.expect(/^553 5\.7\.1 /);
    for (let m = 0; m < 61; m++) await client.expect('503 5.5.1 MAIL first');
  }
  await client.send(`${FROM}\r\n`);
  await client.expect(OK);
});

test.each(['MAIL', 'RCPT', '<message>'])(
  'an upstream that says 354 to %s is not spoken to any more',
  async (what) => {
    postern.upstream.setScript({ on: [[new RegExp(`^${what}`), '354 go on\r\n']] });
    await using client = await postern.session();
    const before = postern.upstream.messages.length;
    if (what !== 'MAIL') {
      await client.send(`${FROM}\r\n`);
      await client.expect(OK);
    }
    if (what === '<message>') {
      await client.send(`${TO}\r\nDATA\r\n`);
      await client.expect(OK);
      await client.expect(/^354 /);
      await client.send('x\r\n.\r\n');
    } else await client.send(`${what === 'MAIL' ? FROM : TO}\r\n`);
    await client.expect('451 4.5.0 The mail server gave no proper answer, try again later');
    await expect.poll(() => postern.upstream.connections.open).toBe(0);
    // Another message goes by another connection.
    postern.upstream.setScript({});
    await client.send(`RSET\r\n${FROM}\r\n${TO}\r\nDATA\r\n`);
    await client.expect('250 2.0.0 OK');
    await client.expect(OK);
    await client.expect(OK);
    await client.expect(/^354 /);
    await client.send('y\r\n.\r\n');
    await client.expect(/^250 /);
    expect(
      postern.upstream.messages
        .slice(before)
        .map(({ data }) => data.toString())
        .at(-1),
    ).toBe('y');
  },
);

test('what an upstream says reaches the client without control characters, and its extensions are those that Postern knows', async () => {
  await using other = await startSmtpSetting({
    script: {
      extensions: [
        'AUTH PLAIN',
        'SIZE 1000\rX',
        '8BITMIME\r\v',
        'X-EVIL\x1b[2J',
        'CHUNKING',
        'XCLIENT\0ADDR',
        'DSN',
      ],
      on: [[/^RCPT/, '550-5.1.1 a\rb\0\x1b[31m\x07\xff\n550 5.1.1 \u0085\x7fc\r\r\n']],
    },
  });
  await using client = await other.session();
  await client.send('EHLO pc\r\n');
  const lines = await client.expectUntil(/^250 /);
  expect(lines.join('\n')).not.toMatch(/[\0-\x09\x0b-\x1f\x7f]|EVIL|CHUNKING|XCLIENT/);
  expect(lines).toContain('250-DSN');
  await client.send(`${FROM}\r\n${TO}\r\nNOOP\r\n`);
  await client.expect(OK);
  await client.expect(/^550-5\.1\.1 a\?b\?\?\[31m\?\S+$/);
  await client.expect('550 5.1.1 ??c?');
  await client.expect('250 2.0.0 OK');
});
