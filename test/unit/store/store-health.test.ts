// When the store counts as working: each change is told once, and what is damaged is not called whole by those it does not touch.

import { beforeEach, expect, test } from 'vitest';
import { StoreUnavailableError } from '../../../src/store/store.ts';
import { StoreHealth } from '../../../src/store/store-health.ts';

let now: number;
let told: string[];
let health: StoreHealth;
beforeEach(() => {
  now = 0;
  told = [];
  health = new StoreHealth({ now: () => 0, monotonic: () => now }, (operation, error) =>
    told.push(`${operation} ${error === null ? 'works' : error.message}`),
  );
});
const failure = (code: string) => new StoreUnavailableError(code, { code });

test('reading and writing are two states, each told at its changes only', () => {
  health.succeeded('read');
  for (let n = 0; n < 3; n++) health.failed('write', failure('SQLITE_FULL'));
  health.succeeded('read');
  expect(health.failing).toEqual(['write']);
  health.failed('read', failure('SQLITE_BUSY'));
  now += 1000;
  health.succeeded('write');
  health.succeeded('write');
  health.succeeded('read');
  expect(told).toEqual(['write SQLITE_FULL', 'read SQLITE_BUSY', 'write works', 'read works']);
  expect(health.failing).toEqual([]);
});

test('a success among failures is none', () => {
  for (let n = 0; n < 10; n++) {
    health.failed('write', failure('SQLITE_FULL'));
    now += 999;
    health.succeeded('write');
  }
  expect(told).toEqual(['write SQLITE_FULL']);
  now += 1;
  health.succeeded('write');
  expect(told).toEqual(['write SQLITE_FULL', 'write works']);
});

test.each([
  ['read', 'SQLITE_CORRUPT'],
  ['read', 'SQLITE_CORRUPT_INDEX'],
  ['read', 'SQLITE_NOTADB'],
  ['read', 'SQLITE_IOERR_READ'],
  ['write', 'SQLITE_CORRUPT'],
  ['write', 'SQLITE_READONLY_DBMOVED'],
] as const)('after %s fails with %s, only another opening tells', (operation, code) => {
  health.failed(operation, failure(code));
  now += 60_000;
  health.succeeded(operation);
  expect([health.isDamaged, health.failing]).toEqual([true, [operation]]);
  health.repaired();
  health.succeeded(operation);
  expect(told).toEqual([`${operation} ${code}`, `${operation} works`]);
});

test.each([
  ['read', 'SQLITE_BUSY'],
  ['write', 'SQLITE_FULL'],
  ['write', 'SQLITE_IOERR_WRITE'],
] as const)('after %s fails with %s, a success tells', (operation, code) => {
  health.failed(operation, failure(code));
  expect(health.isDamaged).toBe(false);
});
