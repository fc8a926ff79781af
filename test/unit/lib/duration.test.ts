import { expect, test } from 'vitest';
import { parseDuration } from '../../../src/lib/duration.ts';

test.each([
  ['0ms', 0],
  ['500ms', 500],
  ['60s', 60_000],
  ['35m', 2_100_000],
  ['1h', 3_600_000],
  ['90d', 7_776_000_000],
  ['007s', 7000],
])('%s is %d ms', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each([
  '',
  '5',
  's',
  '-1s',
  '1.5h',
  '1 h',
  '1H',
  '1w',
  '1h30m',
  '1e3s',
  '٣s',
  ' 1s',
  '1s\n',
  '9999999999s',
])('%j is none', (text) => {
  expect(parseDuration(text)).toBeUndefined();
});
