// Names of devices: what their owners may call them.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readDeviceName } from '../../../src/passwords/name.ts';

test.each([
  ['Phone', 'Phone'],
  ['  Outlook 2010 (office)  ', 'Outlook 2010 (office)'],
  ['電話 “neu” — №1', '電話 “neu” — №1'],
  ['Te\u0301le\u0301', 'Télé'],
  ['📱', '📱'],
  ['x'.repeat(64), 'x'.repeat(64)],
  ['📱'.repeat(64), '📱'.repeat(64)],
])('%j is a name', (text, name) => {
  expect(readDeviceName(text)).toBe(name);
});

test.each<[string, string, RegExp]>([
  ['nothing', '', /needed/],
  ['blanks', ' \u00a0\u3000\t ', /needed/],
  ['65 characters', 'x'.repeat(65), /too long/],
  ['65 characters outside the BMP', '📱'.repeat(65), /too long/],
  ['a megabyte', 'x'.repeat(1_000_000), /too long/],
  ['a megabyte of combining marks', `a${'\u0301'.repeat(1_000_000)}`, /too long/],
  ['a line end', 'Phone\nap_x', /control/],
  ['a NUL', 'Phone\0', /control/],
  ['a terminal escape', '\u001b[2JPhone', /control/],
  ['a C1 control', 'Phone\u009b', /control/],
  ['a right-to-left override', 'Phone\u202egpj', /text-direction/],
  ['a right-to-left isolate', 'Phone\u2067', /text-direction/],
  ['a zero-width space', 'Pho\u200bne', /invisible/],
  ['a byte-order mark inside', 'Pho\ufeffne', /invisible/],
  ['a soft hyphen', 'Pho\u00adne', /invisible/],
  ['a line separator', 'Pho\u2028ne', /control/],
  ['a Hangul filler', 'Phone\u3164', /invisible/],
  ['a lone surrogate', 'Phone\ud800', /control/],
  ['a private-use character', 'Phone\ue000', /control/],
])('%s is none', (_, text, problem) => {
  expect(readDeviceName(text)).toEqual({ problem: expect.stringMatching(problem) });
});

test('whatever is accepted reads as itself, in one line of at most 64 characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
      const name = readDeviceName(text);
      if (typeof name !== 'string') return;
      expect(readDeviceName(name)).toBe(name);
      expect([...name].length).toBeLessThanOrEqual(64);
      expect(name).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
    { numRuns: 1000 },
  );
});
