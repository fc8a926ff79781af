// Whether what this process prints goes to journald.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isJournal, withPriority } from '../../../src/lib/journal.ts';

test('only if systemd says so, and of this very descriptor', () => {
  const descriptor = openSync('/dev/null', 'w');
  const { dev, ino } = fstatSync(descriptor, { bigint: true });
  expect(isJournal(descriptor, `${dev}:${ino}`)).toBe(true);
  const others = [
    undefined,
    '',
    ':',
    '0:0',
    `${dev}:${ino}0`,
    `${ino}:${dev}`,
    `${dev}:${ino}:`,
    ` ${dev}:${ino}`,
  ];
  for (const other of others) expect(isJournal(descriptor, other)).toBe(false);
  closeSync(descriptor);
  expect(isJournal(descriptor, `${dev}:${ino}`), 'one that is closed').toBe(false);
});

test('a priority is on every line, and on none that is empty', () => {
  expect(withPriority(3, 'one\ntwo\n')).toBe('<3>one\n<3>two\n');
  expect(withPriority(3, 'one')).toBe('<3>one');
  expect(withPriority(3, '')).toBe('');
});
