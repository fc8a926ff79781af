// What the upstream's answer to a message tells the log: the queue id as servers say it, and no more of their text.

import { expect, test } from 'vitest';
import { outcomeOf, queueIdOf } from '../../../../src/protocols/smtp/reports.ts';

test.each([
  ['2.0.0 Ok: queued as 4XyZ9q1Bcz', '4XyZ9q1Bcz'],
  ['OK id=1r9xYz-0001Ab-2C', '1r9xYz-0001Ab-2C'],
  ['2.0.0 3AP1Bc2D012345 Message accepted for delivery', '3AP1Bc2D012345'],
  ['2.0.0 <alice@example.com> 6kQHG8Y+ZWXyBwAAfRJ1Fw Saved', null],
  ['2.0.0 done', null],
  ['', null],
  [`queued as ${'x'.repeat(200)}`, 'x'.repeat(64)],
  ['queued as "; rm -rf', null],
])('%s', (text, id) => {
  expect(queueIdOf({ code: 250, lines: [text] })).toBe(id);
});

test('the id may be on any line', () => {
  expect(queueIdOf({ code: 250, lines: ['2.0.0 hello', '2.0.0 Ok: queued as ABC'] })).toBe('ABC');
});

test('outcomes', () => {
  expect([250, 451, 550, 354].map((code) => outcomeOf({ code, lines: [] }))).toEqual([
    'accepted',
    'deferred',
    'refused',
    'deferred',
  ]);
});
