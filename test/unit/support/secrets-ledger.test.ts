import { expect, test } from 'vitest';
import { dresses, leaksIn, ledger, notedSecrets } from '../../support/secrets-ledger.ts';

// Not an app password's alphabet, so that this one cannot be a real one.
const SECRET = 'LEDGER0test"one1';

const base64 = (text: string) => Buffer.from(text).toString('base64');

test.each([
  ['bare', `{"msg":"login","password":"${SECRET}"}`, 'bare'],
  ['as it is shown', 'your password: LEDG ER0t est" one1', 'with spaces'],
  ['in a query', `GET /?p=${encodeURIComponent(SECRET)}`, 'URL-encoded'],
  ['in a quoted string', 'a1 LOGIN alice "LEDGER0test\\"one1"', 'as an IMAP quoted string'],
  ['in SASL PLAIN', `AUTHENTICATE PLAIN ${base64(`\0alice@example.com\0${SECRET}`)}`, 'base64, offset'],
  ['in SASL PLAIN of a longer name', `+ ${base64(`\0alicia@example.com\0${SECRET}`)}`, 'base64, offset'],
  ['in SASL PLAIN of a yet longer name', `+ ${base64(`x\0alicia@example.com\0${SECRET}`)}`, 'base64, offset'],
  ['in SASL LOGIN', `+ ${base64(SECRET)}`, 'base64, offset 0'],
  ['in the middle of base64', base64(`zz${SECRET}tail`), 'base64, offset 2'],
  ['as a dumped buffer', Buffer.from(SECRET).toString('hex'), 'hexadecimal'],
])('finds a secret %s', (_where, line, dress) => {
  const leaks = leaksIn('some.log', `first line\n${line}\n`, [SECRET]);
  expect(leaks.map((leak) => leak.dress)).toContainEqual(expect.stringContaining(dress));
  expect(leaks[0]).toMatchObject({ file: 'some.log', line: 2 });
});

test('finds nothing where nothing is, not even for what looks alike', () => {
  expect(leaksIn('some.log', `LEDGER0test LEDGER0test"one ${base64('LEDGER0test"one')}`, [SECRET])).toEqual(
    [],
  );
});

test('no dress is so short that it would be found by chance', () => {
  for (const [dress, text] of dresses('12345678')) expect(text.length, dress).toBeGreaterThanOrEqual(8);
});

test('what is noted is known to the whole run, once', () => {
  const mine = ledger('LEDGER0test-two2');
  ledger(mine);
  expect(notedSecrets().filter((secret) => secret === mine)).toEqual([mine]);
});

test('a secret that is too short to search for is refused', () => {
  expect(() => ledger('short')).toThrow('cannot be searched for');
});
