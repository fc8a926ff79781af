// The fail2ban filter of docs/fail2ban, read by the real fail2ban, on the log that the real program writes: whom it would
// ban, whatever the client calls itself and its user.
//
// What could come in that is worst: a client that names another address in its ID or its user name, one that forges a whole
// line, and one that is not set up anew but knows an app password that was right.

import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { REASONS } from '../../src/gate/verdict.ts';
import { run } from '../support/child-process.ts';
import { until } from '../support/patience.ts';
import { type Program, startProgram } from '../support/program-before-script.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { tempDir } from '../support/temp-dir.ts';

const DOCS = join(import.meta.dirname, '..', '..', 'docs');
const FILTER = join(DOCS, 'fail2ban', 'filter.d', 'postern.conf');
const VICTIM = '203.0.113.99';
const OWN_PASSWORD = ledger('Correct-Horse 7 Battery!');

/** What clients call themselves: JSON that goes on after a quotation mark. */
const NAME_OF_ANOTHER = `x","client":"${VICTIM}","reason":"bad_credentials`;
/** And a line of its own. */
const FORGED_LINE =
  `\r\n{"level":"info","time":"2026-01-01T00:00:00.000Z","event":"login","session":"a","listener":"b",` +
  `"client":"${VICTIM}","clientPort":1,"protocol":"imap","verdict":"refused","reason":"bad_credentials",`;

let program: Program;
beforeAll(async () => {
  program = await startProgram({
    config: `
appPasswords: { hash: { memoryKiB: 7168, passes: 1 } }
throttle:
  failureDelay: 0s
  network: { distinct: 3, window: 10m, block: 10m }
log: { level: info }
`,
  });
});
afterAll(() => program?.[Symbol.asyncDispose]());

/** Logs in from `127.0.0.<host>` as a client that lies about itself; the answer without its tag. */
async function login(host: number, user: string, secret: string): Promise<string> {
  await using c = await program.client({ localAddress: `127.0.0.${host}` });
  const name = NAME_OF_ANOTHER.replace(/["\\]/g, '\\$&');
  await c.send(`i ID ("name" "${name}" "version" {${FORGED_LINE.length}}\r\n`);
  await c.expect(/^\+ /);
  await c.send(`${FORGED_LINE})\r\n`);
  await c.expectUntil('i OK …');
  await c.send(`a LOGIN "${user.replace(/["\\]/g, '\\$&')}" "${secret}"\r\n`);
  return (await c.expectUntil(/^a /)).at(-1)!.slice(2);
}

const wrong = () => program.draw('alice@example.com', { selector: 'none of', selectors: new Set() });

/** The addresses that the filter finds in the log so far, one for each line that it finds. */
async function banned(mode: 'guesses' | 'blocked', log = program.postern.log()): Promise<string[]> {
  using dir = tempDir();
  const file = join(dir.path, 'postern.log');
  writeFileSync(file, log);
  const outcome = await run('fail2ban-regex', ['--out', 'ip', file, `${FILTER}[mode=${mode}]`]);
  expect(outcome.stderr).not.toMatch(/error/i);
  return outcome.stdout.split('\n').filter((line) => line !== '');
}

describe('the filter', () => {
  beforeAll(async () => {
    expect(await login(11, 'alice@example.com', wrong())).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);
    expect(await login(12, 'alice@example.com', OWN_PASSWORD)).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);
    expect(await login(13, NAME_OF_ANOTHER, wrong())).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);
    for (let guess = 0; guess < 3; guess++) await login(14, 'alice@example.com', wrong());
    expect(await login(14, 'alice@example.com', wrong())).toMatch(/^NO \[LIMIT\]/);

    const revoked = await program.make('alice@example.com');
    await program.store.revoke({ ids: [revoked.id] }, Date.now());
    expect(await login(21, 'alice@example.com', revoked.password)).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);
    const expiresAt = Date.now() + 2000;
    const expired = await program.make('alice@example.com', { expiresAt });
    await until('it has expired', () => Date.now() > expiresAt);
    expect(await login(22, 'alice@example.com', expired.password)).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);
    expect(await login(23, 'alice@example.com', '')).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);
    const elsewhere = await program.make('alice@example.com', { networks: ['192.0.2.0/24'] });
    expect(await login(24, 'alice@example.com', elsewhere.password)).toMatch(/^NO \[AUTHENTICATIONFAILED\]/);
    const good = await program.make('alice@example.com');
    expect(await login(25, 'alice@example.com', good.password)).toMatch(/^OK /);
    program.upstream.setScript({ greeting: '* BYE no\r\n' });
    expect(await login(26, 'alice@example.com', good.password)).toMatch(/^NO \[UNAVAILABLE\]/);
    program.upstream.setScript({});
    // Lines are written in batches.
    await program.postern.logged(/"upstream_unreachable"/);
  });

  test('finds guesses, at the address that they came from and at no other', async () => {
    const addresses = await banned('guesses');
    expect(addresses).toEqual([
      '127.0.0.11',
      '127.0.0.12',
      '127.0.0.13',
      ...Array.from({ length: 4 }, () => '127.0.0.14'),
    ]);
    // They were there to be found.
    const reasons = program.postern
      .events()
      .filter(({ event }) => event === 'login')
      .map(({ reason, client }) => [client, reason]);
    expect(reasons).toEqual([
      ['127.0.0.11', 'bad_credentials'],
      ['127.0.0.12', 'not_an_app_password'],
      ['127.0.0.13', 'bad_credentials'],
      ...Array.from({ length: 3 }, () => ['127.0.0.14', 'bad_credentials']),
      ['127.0.0.14', 'network_blocked'],
      ['127.0.0.21', 'revoked'],
      ['127.0.0.22', 'expired'],
      ['127.0.0.23', 'empty_password'],
      ['127.0.0.24', 'wrong_network'],
      ['127.0.0.25', 'none'],
      ['127.0.0.26', 'upstream_unreachable'],
    ]);
    expect(program.postern.log()).toContain(VICTIM);
  });

  test('with mode=blocked, only what Postern has blocked', async () => {
    expect(await banned('blocked')).toEqual(['127.0.0.14']);
  });

  test('reads the time, in UTC, and lines with what a journal puts before them', async () => {
    const line = program.postern
      .log()
      .split('\n')
      .find((text) => text.includes('"127.0.0.14"') && text.includes('network_blocked'))!;
    const seconds = Math.trunc(Date.parse(JSON.parse(line).time) / 1000);
    for (const text of [line, `mail.example.com node[4711]: ${line}`]) {
      const { stdout } = await run('fail2ban-regex', ['--out', 'row', text, FILTER], {
        env: { ...process.env, TZ: 'Asia/Tokyo' },
      });
      expect(stdout).toContain(`['127.0.0.14',\t${seconds},`);
    }
  });

  test('does not find a forged line that has anything before it', async () => {
    const forged = FORGED_LINE.trimStart();
    expect(await banned('guesses', `${forged}\n`)).toEqual([VICTIM]);
    expect(await banned('guesses', `{"level":"info","msg":"${forged}\n`)).toEqual([]);
  });
});

test('the jail is one that fail2ban accepts', async () => {
  using dir = tempDir();
  cpSync('/etc/fail2ban', dir.path, { recursive: true });
  // Debian's own jail wants a log of sshd's.
  rmSync(join(dir.path, 'jail.d', 'defaults-debian.conf'), { force: true });
  copyFileSync(FILTER, join(dir.path, 'filter.d', 'postern.conf'));
  copyFileSync(join(DOCS, 'fail2ban', 'jail.d', 'postern.conf'), join(dir.path, 'jail.d', 'postern.conf'));
  const tested = await run('fail2ban-client', ['-c', dir.path, '-t']);
  expect(tested).toMatchObject({ code: 0 });
  const { stdout } = await run('fail2ban-client', ['-c', dir.path, '-d']);
  expect(stdout).toContain("['start', 'postern']");
  expect(stdout).toMatch(/'addfailregex', '.*"verdict":"throttled"/);
  expect(stdout).not.toMatch(/'addfailregex', '.*"verdict":"refused"/);
});

test('the CrowdSec parser names the same reasons', () => {
  const read = (path: string) => readFileSync(join(DOCS, path), 'utf8');
  const reasonsIn = (text: string) =>
    [...new Set(text.match(new RegExp(`\\b(${REASONS.join('|')})\\b`, 'g')))].sort();
  const filter = read('fail2ban/filter.d/postern.conf').replace(/^#.*$/gm, '');
  const parser = parse(read('crowdsec/parsers/postern-logs.yaml'));
  const scenario = parse(read('crowdsec/scenarios/postern-bf.yaml'));
  const guesses = ['bad_credentials', 'not_an_app_password'];
  const blocked = ['network_and_user_blocked', 'network_blocked', 'too_many_attempts'];
  expect(reasonsIn(filter)).toEqual([...guesses, ...blocked].sort());
  expect(reasonsIn(parser.filter)).toEqual([...guesses, ...blocked].sort());
  expect(reasonsIn(scenario.filter)).toEqual(blocked);
});
