// While the store is away, app passwords that were used lately go on; those that were revoked before it went do not.

import { renameSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startPosternWithStore, UNAVAILABLE } from '../support/postern-with-store.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';

test('revoked or disabled, and then the store is gone', async () => {
  await using setting = await startPosternWithStore();
  const [kept, revoked] = [await setting.make(ALICE), await setting.make(ALICE)];
  const disabled = await setting.make(BOB);
  expect(await setting.login(ALICE, kept.password)).toBe('OK');
  expect(await setting.login(ALICE, revoked.password)).toBe('OK');
  expect(await setting.login(BOB, disabled.password)).toBe('OK');

  await setting.postern.revoke(revoked.id);
  await setting.postern.cli(['user', 'disable', BOB]);
  await sleep(1000);
  for (const end of ['', '-wal', '-shm']) renameSync(`${setting.file}${end}`, `${setting.file}${end}.away`);

  expect(await setting.login(ALICE, revoked.password)).toBe(UNAVAILABLE);
  expect(await setting.login(BOB, disabled.password)).toBe(UNAVAILABLE);
  expect(await setting.login(ALICE, kept.password)).toBe('OK');
});
