// What IMAP clients hear: fixed texts of the right kind, since clients act on them.

import { expect, test } from 'vitest';
import { REFUSED_REASONS, THROTTLED_REASONS, UNAVAILABLE_REASONS } from '../../../../src/gate/verdict.ts';
import {
  GOODBYES,
  preLoginCapabilities,
  REPLIES,
  verdictReply,
} from '../../../../src/protocols/imap/replies.ts';

test('every reason of a kind is answered with the same bytes', () => {
  const answers = (replies: string[]) => [...new Set(replies)];
  // Whether somebody else is named tells nothing of the password, which is not looked at.
  const refusals = REFUSED_REASONS.filter((reason) => reason !== 'other_identity');
  expect(answers(refusals.map((reason) => verdictReply({ kind: 'refused', reason })))).toEqual([
    'NO [AUTHENTICATIONFAILED] Authentication failed',
  ]);
  // Only who has shown a right secret hears that there are too many sessions.
  const guessing = THROTTLED_REASONS.filter((reason) => reason !== 'user_sessions');
  expect(
    answers(guessing.map((reason) => verdictReply({ kind: 'throttled', reason, retryAfter: 1 }))),
  ).toEqual([expect.stringMatching(/^NO \[LIMIT\] /)]);
  expect(answers(UNAVAILABLE_REASONS.map((reason) => verdictReply({ kind: 'unavailable', reason })))).toEqual(
    [expect.stringMatching(/^NO \[UNAVAILABLE\] /)],
  );
});

test('only a refusal says that authentication failed', () => {
  const others = [...Object.values(REPLIES), ...Object.values(GOODBYES)];
  for (const text of others) expect(text).not.toMatch(/AUTHENTICATIONFAILED|authentication failed/i);
});

test('every text is one line of printable ASCII', () => {
  for (const text of [...Object.values(REPLIES), ...Object.values(GOODBYES)])
    expect(text).toMatch(/^[ -~]+$/);
});

test('the capabilities have no mechanism before TLS, and none on it that needs a clear secret at rest', () => {
  expect(preLoginCapabilities({ tls: null }, '')).toMatch(/LOGINDISABLED/);
  expect(preLoginCapabilities({ tls: null }, '')).not.toMatch(/AUTH=/);
  expect(preLoginCapabilities({ tls: {} }, '')).not.toMatch(
    /LOGINDISABLED|STARTTLS|MD5|NTLM|SCRAM|LITERAL\+/,
  );
  expect(preLoginCapabilities({ tls: {} }, 'IDLE MOVE')).toMatch(/^IMAP4rev1 .* AUTH=LOGIN IDLE MOVE$/);
});
