// Notes of last use: at most one a minute for each record and kind.

import { expect, test } from 'vitest';
import { Uses } from '../../../src/gate/uses.ts';
import type { Use } from '../../../src/passwords/record.ts';
import { newRecord } from '../../support/records.ts';
import { FakeClock, settled } from './harness.ts';

const FROM = { from: '192.0.2.7', protocol: 'imap', client: 'Outlook' } as const;
const aRecord = (lastUsed: Use | null = null) => ({
  ...newRecord(),
  revokedAt: null,
  lastUsed,
  lastRefused: null,
});

function setUp() {
  const clock = new FakeClock();
  const written: [id: string, kind: string, use: Use][] = [];
  const failed: unknown[] = [];
  const store = {
    noteUse: async (id: string, kind: 'used' | 'refused', use: Use) => void written.push([id, kind, use]),
  };
  return { clock, written, failed, store, uses: new Uses(store, clock, (error) => failed.push(error)) };
}

test('a use is written with its time', () => {
  const { clock, uses, written } = setUp();
  const record = aRecord();
  uses.note(record, 'used', FROM);
  expect(written).toEqual([[record.id, 'used', { at: clock.now(), ...FROM }]]);
});

test('not again within the minute, by what the record says', () => {
  const { clock, uses, written } = setUp();
  const record = aRecord({ at: clock.now(), ...FROM });
  clock.advance(59_999);
  uses.note(record, 'used', FROM);
  expect(written).toHaveLength(0);
  clock.advance(1);
  uses.note(record, 'used', FROM);
  expect(written).toHaveLength(1);
});

test('a refusal is another thing than a use', () => {
  const { clock, uses, written } = setUp();
  uses.note(aRecord({ at: clock.now(), ...FROM }), 'refused', FROM);
  expect(written.map(([, kind]) => kind)).toEqual(['refused']);
});

test('twenty at once are one write', async () => {
  const { uses, written } = setUp();
  const record = aRecord();
  for (let n = 0; n < 20; n++) uses.note(record, 'used', FROM);
  expect(written).toHaveLength(1);
  uses.note(record, 'refused', FROM);
  uses.note(aRecord(), 'used', FROM);
  expect(written).toHaveLength(3);
  await settled();
  uses.note(record, 'used', FROM);
  expect(written).toHaveLength(4);
});

test('a failure is told, and the next use is written', async () => {
  const { uses, store, written, failed } = setUp();
  const record = aRecord();
  const { noteUse } = store;
  store.noteUse = () => Promise.reject(new Error('disk full'));
  uses.note(record, 'used', FROM);
  await settled();
  expect(failed).toEqual([new Error('disk full')]);
  store.noteUse = noteUse;
  uses.note(record, 'used', FROM);
  expect(written).toHaveLength(1);
});
