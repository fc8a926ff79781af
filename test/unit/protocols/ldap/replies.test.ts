// What each verdict becomes on the wire.

import { expect, test } from 'vitest';
import { REFUSED_REASONS, THROTTLED_REASONS, UNAVAILABLE_REASONS } from '../../../../src/gate/verdict.ts';
import { encodeVerdict, GOODBYES, goodbyeNotice, REPLIES } from '../../../../src/protocols/ldap/replies.ts';
import { readMessage } from '../../../support/ldap-bytes.ts';

const answer = (verdict: Parameters<typeof encodeVerdict>[1]) => readMessage(encodeVerdict(7, verdict));

test.each(REFUSED_REASONS)('refused (%s) is 49, whatever the reason', (reason) => {
  const invalid = { id: 7, op: 'bindResponse', code: 49, diagnostic: 'Invalid credentials' };
  expect(answer({ kind: 'refused', reason })).toEqual(invalid);
});

test.each(THROTTLED_REASONS)('throttled (%s) is 51', (reason) => {
  expect(answer({ kind: 'throttled', reason, retryAfter: 99 })).toMatchObject({ code: 51 });
});

test.each(UNAVAILABLE_REASONS)('unavailable (%s) is 52', (reason) => {
  expect(answer({ kind: 'unavailable', reason })).toMatchObject({ code: 52 });
});

test('no other answer of ours looks like a wrong password, and a bind that did not succeed never like success', () => {
  const codes = Object.entries(REPLIES).map(([name, [code]]): [string, number] => [name, code]);
  expect(codes.filter(([, code]) => code === 49)).toEqual([['badCredentials', 49]]);
  expect(codes.filter(([, code]) => code === 0)).toEqual([]);
});

test.each(Object.keys(GOODBYES) as (keyof typeof GOODBYES)[])(
  'goodbye %s is a Notice of Disconnection',
  (why) => {
    const notice = readMessage(goodbyeNotice(why));
    expect(notice).toMatchObject({ id: 0, op: 'extendedResponse', oid: '1.3.6.1.4.1.1466.20036' });
    expect(notice.code).toBeGreaterThan(0);
  },
);
