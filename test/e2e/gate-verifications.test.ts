// 40 app passwords of one user, through the real program: what argon2id is run for, by postern_password_verifications_total.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Program, startProgram } from '../support/program-before-script.ts';

const ALICE = 'alice@example.com';
const REFUSED = 'NO [AUTHENTICATIONFAILED] Authentication failed';
let program: Program;
const made: { id: string; password: string }[] = [];

beforeAll(async () => {
  program = await startProgram({
    config:
      'throttle: { failureDelay: 20ms, networkAndUser: { distinct: 1000 }, network: { distinct: 1000 } }',
    hash: { memoryKiB: 19_456, passes: 2, lanes: 1 },
  });
  for (let n = 0; n < 40; n++) made.push(await program.make(ALICE));
});
afterAll(() => program?.[Symbol.asyncDispose]());

/** How many argon2id runs `work` led to. */
async function runsOf(work: () => Promise<void>): Promise<{ match: number; mismatch: number }> {
  const count = async () => ({
    match: await program.verifications('match'),
    mismatch: await program.verifications('mismatch'),
  });
  const before = await count();
  await work();
  const after = await count();
  return { match: after.match - before.match, mismatch: after.mismatch - before.mismatch };
}

const refusedFor = async (reason: string) =>
  (await program.postern.metrics()).value('postern_logins_total', { verdict: 'refused', reason });

test('there are 40, and no 41st', async () => {
  await expect(program.make(ALICE)).rejects.toThrow(/has 40 app passwords/);
});

test('a right one, any of the 40: one run each', async () => {
  for (const { password } of made) {
    const runs = await runsOf(async () => expect(await program.login(ALICE, password)).toBe('OK'));
    expect(runs).toEqual({ match: 1, mismatch: 0 });
  }
});

test('again within `remember`: none', async () => {
  const runs = await runsOf(async () => {
    for (const { password } of made.slice(0, 10)) expect(await program.login(ALICE, password)).toBe('OK');
  });
  expect(runs).toEqual({ match: 0, mismatch: 0 });
});

test('a wrong one without a selector collision: none', async () => {
  const selectors = await program.selectors(ALICE);
  expect(selectors.size).toBe(40);
  const runs = await runsOf(async () => {
    for (let n = 0; n < 20; n++) {
      expect(await program.login(ALICE, program.draw(ALICE, { selector: 'none of', selectors }))).toBe(
        REFUSED,
      );
    }
  });
  expect(runs).toEqual({ match: 0, mismatch: 0 });
});

test('a wrong one with a selector collision: one, and none when it is repeated', async () => {
  const selectors = await program.selectors(ALICE);
  const secret = program.draw(ALICE, { selector: 'one of', selectors });
  const runs = await runsOf(async () => {
    for (let n = 0; n < 5; n++) expect(await program.login(ALICE, secret)).toBe(REFUSED);
  });
  expect(runs).toEqual({ match: 0, mismatch: 1 });
});

test('an unknown user, with whatever secret: none', async () => {
  const runs = await runsOf(async () => {
    for (let n = 0; n < 10; n++) {
      const user = `nobody${n}@example.com`;
      const secret = program.draw(user, { selector: 'none of', selectors: new Set() });
      expect(await program.login(user, secret)).toBe(REFUSED);
      expect(await program.login(user, made[n]?.password ?? '')).toBe(REFUSED);
    }
  });
  expect(runs).toEqual({ match: 0, mismatch: 0 });
});

test('20 connections at once with one cold secret: exactly one', async () => {
  const { password } = await program.make('bob@example.com');
  const clients = await Promise.all(Array.from({ length: 20 }, () => program.client()));
  const runs = await runsOf(async () => {
    const answers = clients.map(async (client) => {
      await client.send(`a LOGIN bob@example.com ${password}\r\n`);
      return (await client.expectUntil(/^a /)).at(-1);
    });
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^a OK /);
  });
  expect(runs).toEqual({ match: 1, mismatch: 0 });
  for (const client of clients) await client[Symbol.asyncDispose]();
});

test('a revoked one is refused at once, by a process that remembers it: one run at most, counted as revoked', async () => {
  const { id, password } = made[7]!;
  expect(await program.login(ALICE, password)).toBe('OK');
  const refusals = await refusedFor('revoked');
  await program.postern.revoke(id);
  // The news of it, which comes within half a second, makes the process forget what it remembers; then it is verified once more.
  const runs = await runsOf(async () => {
    for (let n = 0; n < 3; n++) expect(await program.login(ALICE, password)).toBe(REFUSED);
  });
  expect(runs.match).toBeLessThanOrEqual(1);
  expect(runs.mismatch).toBe(0);
  expect(await refusedFor('revoked')).toBe(refusals + 3);
  expect(await program.login(ALICE, made[8]!.password)).toBe('OK');
});

test('a revoked one that it has never seen costs one run', async () => {
  const { id, password } = await program.make('carol@example.com');
  await program.postern.revoke(id);
  const runs = await runsOf(async () => expect(await program.login('carol', password)).toBe(REFUSED));
  expect(runs).toEqual({ match: 1, mismatch: 0 });
});

test('when and from where it was last used or refused is with the record', async () => {
  const records = await program.store.list({ tombstones: true });
  const used = records.find(({ id }) => id === made[0]?.id);
  expect(used?.lastUsed).toMatchObject({ from: '127.0.0.1', protocol: 'imap' });
  const tombstone = records.find(({ id }) => id === made[7]?.id);
  expect(tombstone?.lastRefused).toMatchObject({ from: '127.0.0.1', protocol: 'imap' });
});
