// The pages that say one thing, to whoever it may be.

import { expect, test } from 'vitest';
import type { User } from '../../../src/lib/user.ts';
import { noticePage } from '../../../src/portal/pages/notice.ts';
import { textOf } from './pages-request.ts';

const HELP = { help: 'Ask <Bob> & Co.' };

test('without a second step it says what is missing, how to get it, as whom one is signed in, and whom to ask', () => {
  const user = 'a&b@example.com' as User;
  const page = noticePage({ kind: 'two_step_missing', user, retry: '/sign-in?return=%2Fnew' }, HELP);
  const text = textOf(page);
  expect(text).toContain('A second step is needed');
  expect(text).toContain('Set up two-step verification in the security settings of your account');
  expect(text).toContain('Signed in as a&b@example.com');
  expect(text).toContain('Help Ask <Bob> & Co.');
  expect(page).toContain('<a class="button primary" href="/sign-in?return=%2Fnew">Try again</a>');
  // Nobody is: there is nothing to sign out of, and no form.
  expect(page).not.toContain('<form');
});

test('what leads on leads there by itself and by a link, whatever stands in the address', () => {
  const to = 'https://id.example.com/authorize?a=1&b="><script>x</script>';
  const page = noticePage({ kind: 'continue', to }, { help: null });
  const [, refresh = ''] = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(page) ?? [];
  const [, link = ''] = /<a class="button primary" href="([^"]*)"/.exec(page) ?? [];
  expect(textOf(refresh)).toBe(to);
  expect(textOf(link)).toBe(to);
  expect(page).not.toContain('<script>x');
});

test('only what leads on leads on', () => {
  expect(noticePage({ kind: 'signed_out' }, HELP)).not.toContain('http-equiv="refresh"');
});

test('who may not come in is not asked to try again', () => {
  for (const kind of ['not_allowed', 'unusable_name', 'user_disabled'] as const) {
    expect(noticePage({ kind }, HELP)).not.toContain('class="button');
  }
});

test('a fault has a number, and nothing else of itself', () => {
  expect(textOf(noticePage({ kind: 'internal_error', id: 'x7_-Qa' }, HELP))).toContain('this number: x7_-Qa');
});
