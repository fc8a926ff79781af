// Who may send as whom. Three worst things: an address that is one domain's to us and another's to the server behind; one that
// looks like the user's; a grant that means more than it says.

import { describe, expect, test } from 'vitest';
import { parseUser } from '../../../../src/lib/user.ts';
import { maySendAs } from '../../../../src/protocols/smtp/policy.ts';
import { parsePathArgument } from '../../../../src/protocols/smtp/wire.ts';

const alice = parseUser('alice@example.com')!;
const may = (path: string, senders: string[] = []) =>
  maySendAs(path, alice, { senders, nullSender: false } as unknown as Parameters<typeof maySendAs>[2]);

describe('the user’s own address', () => {
  test.each(['alice@example.com', 'ALICE@Example.COM'])('%s', (path) => {
    expect(may(path)).toBe(true);
  });

  test.each([
    'alice@example.com.',
    'alice.@example.com',
    'alice@example.com@example.com',
    'bob@evil.example,alice@example.com',
    'bob@evil.example:alice@example.com',
    '"alice"@example.com',
    'alice(bob)@example.com',
    'alice@(x)example.com',
    'alice\\@evil.example@example.com',
    'evil.example!alice@example.com',
    'alice%evil.example@example.com',
    // Cyrillic а, fullwidth, soft hyphen, zero width space, dotless i, Kelvin sign.
    '\u0430lice@example.com',
    'alice@ex\u0430mple.com',
    '\uff41lice@example.com',
    'alice@\uff45xample.com',
    'al\u00adice@example.com',
    'al\u200bice@example.com',
    'al\u0131ce@example.com',
    'alice@example\u3002com',
    'alice+tag@example.com',
    'alice',
    '@example.com',
    'alice@',
    '',
  ])('%j is not it', (path) => {
    expect(may(path)).toBe(false);
  });
});

describe('a domain that is granted', () => {
  test.each([
    'anyone@lists.example',
    'a+b=c@LISTS.example',
    'two..dots.@lists.example',
    '"quoted @ string"@lists.example',
    'j\u00fcrgen@lists.example',
  ])('%s', (path) => {
    expect(may(path, ['*@lists.example'])).toBe(true);
  });

  test.each([
    'victim@evil.example@lists.example',
    'victim@evil.example(@lists.example',
    'victim(@lists.example',
    'victim@evil.example,x@lists.example',
    'victim@evil.example;x@lists.example',
    'victim@evil.example:x@lists.example',
    'victim\\@evil.example@lists.example',
    '"a"victim@evil.example"@lists.example',
    '""x@lists.example',
    '[192.0.2.1]@lists.example',
    'x@sub.lists.example',
    'x@lists.example.evil.example',
    'x@lists.example.',
    'x@lists.example)',
    'x@l\u0456sts.example',
  ])('%j is not in it', (path) => {
    expect(may(path, ['*@lists.example'])).toBe(false);
  });
});

test.each([
  ['FROM:<@evil.example,@b.example:alice@example.com>', true],
  ['FROM:<@example.com:victim@evil.example>', false],
  ['FROM:<alice@example.com:victim@evil.example>', false],
])('a source route means nothing: %s', (argument, isAllowed) => {
  expect(may(parsePathArgument('FROM', argument)!.path)).toBe(isAllowed);
});
