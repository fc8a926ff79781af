// Replies of an SMTP server, and the worst that can come in their place.

import { describe, expect, test } from 'vitest';
import { enhancedCode, extensionsIn, ReplyReader } from '../../../../src/protocols/smtp/reply.ts';

function read(...chunks: string[]) {
  const reader = new ReplyReader();
  for (const chunk of chunks) reader.push(Buffer.from(chunk, 'latin1'));
  const replies = [];
  for (let reply = reader.next(); reply !== undefined; reply = reader.next()) replies.push(reply);
  return { replies, nonsense: reader.nonsense };
}

test.each([
  ['one line', '250 2.1.0 Ok\r\n', [{ code: 250, lines: ['2.1.0 Ok'] }]],
  ['a code alone', '250\r\n', [{ code: 250, lines: [''] }]],
  ['a code and a space', '354 \r\n', [{ code: 354, lines: [''] }]],
  ['several lines', '250-a\r\n250-SIZE 10\r\n250 DSN\r\n', [{ code: 250, lines: ['a', 'SIZE 10', 'DSN'] }]],
  ['a last line without text', '250-a\r\n250\r\n', [{ code: 250, lines: ['a', ''] }]],
  ['line ends of LF alone', '250-a\n250 b\n', [{ code: 250, lines: ['a', 'b'] }]],
  [
    'two at once',
    '250 a\r\n550 5.1.1 b\r\n',
    [
      { code: 250, lines: ['a'] },
      { code: 550, lines: ['5.1.1 b'] },
    ],
  ],
  ['octets that are not UTF-8', '250 \xe9\xff!\r\n', [{ code: 250, lines: ['??!'] }]],
  ['UTF-8', '250 \xc3\xa9\xe2\x82\xac\xc2\x85\r\n', [{ code: 250, lines: ['é€?'] }]],
  [
    'a character that is cut in two',
    `250 ${'x'.repeat(505)}\xc3\xa9\r\n`,
    [{ code: 250, lines: ['x'.repeat(505)] }],
  ],
  ['control characters', '250 a\0b\rc\x1b[2J\x7f\td\r\n', [{ code: 250, lines: ['a?b?c?[2J?\td'] }]],
  ['a long line', `250 ${'x'.repeat(3000)}\r\n`, [{ code: 250, lines: ['x'.repeat(506)] }]],
  ['half a reply', '250-a\r\n25', []],
])('reads %s', (_, bytes, replies) => {
  expect(read(bytes)).toEqual({ replies, nonsense: undefined });
});

test.each([
  ['no SMTP', '* OK IMAP4rev1\r\n', /not SMTP/],
  ['an empty line', '\r\n', /not SMTP/],
  ['a code of two digits', '25 ok\r\n', /not SMTP/],
  ['a code that no server gives', '999 ok\r\n', /not SMTP/],
  ['a code from before the command', '150 wait\r\n', /not SMTP/],
  ['no separator', '250ok\r\n', /not SMTP/],
  ['codes that differ', '250-a\r\n550 b\r\n', /different codes/],
  ['a line without end', `250 ${'x'.repeat(5000)}`, /too long/],
  ['101 lines', '250-x\r\n'.repeat(101), /more than 100 lines/],
  ['no end of replies', '250 x\r\n'.repeat(2001), /nobody asked/],
])('does not go on after %s', (_, bytes, why) => {
  const { replies, nonsense } = read('220 ready\r\n', bytes, '250 after\r\n');
  expect(nonsense).toMatch(why);
  expect(replies[0]).toEqual({ code: 220, lines: ['ready'] });
  expect(replies).not.toContainEqual({ code: 250, lines: ['after'] });
});

test('a reply of 10 MB is not kept', () => {
  const reader = new ReplyReader();
  const chunk = Buffer.from('250-xxxxxxxxxxxx\r\n'.repeat(4000));
  for (let sent = 0; sent < 10_000_000; sent += chunk.length) reader.push(chunk);
  expect(reader.nonsense).toMatch(/more than 100 lines/);
  expect(reader.next()).toBeUndefined();
});

test.each([
  ['5.7.8 bad', '5.7.8'],
  ['5.7.8', '5.7.8'],
  ['2.1.12345 x', ''],
  ['5.7.8bad', ''],
  ['Ok', ''],
  ['', ''],
])('the enhanced code of %j is %j', (line, code) => {
  expect(enhancedCode({ code: 550, lines: [line] })).toBe(code);
});

describe('extensions', () => {
  test('are upper-case keywords with their parameters', () => {
    const lines = ['mx.example.com', 'size 1000 ', 'AUTH PLAIN LOGIN', 'AUTH=PLAIN LOGIN', 'DSN', 'X-A  b c'];
    expect([...extensionsIn({ code: 250, lines })]).toEqual([
      ['SIZE', '1000'],
      ['AUTH', 'PLAIN LOGIN'],
      ['DSN', ''],
      ['X-A', 'b c'],
    ]);
  });
  test('are not what the greeting line says, nor nonsense, nor said twice', () => {
    const lines = ['SIZE 1', '', ' DSN', '-x', 'SIZE 2', 'SIZE 3', '__proto__'];
    expect([...extensionsIn({ code: 250, lines })]).toEqual([['SIZE', '2']]);
  });
});
