// The log: one JSON object a line, with a word for the level and the time in UTC.

import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createLog, forJournal, type LogLevel } from '../../../src/lib/log.ts';
import { spawnTied, stopChild, whenReady } from '../../support/child-process.ts';
import { PATIENCE } from '../../support/patience.ts';

function logTo(level: LogLevel) {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { log: createLog(level, stream), text: () => chunks.join('') };
}

test('a line', () => {
  const { log, text } = logTo('info');
  log.info({ event: 'login', user: 'alice@example.com' }, 'login admitted');
  const line = JSON.parse(text());
  expect(line).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    event: 'login',
    user: 'alice@example.com',
    msg: 'login admitted',
  });
  expect(Math.abs(Date.parse(line.time) - Date.now())).toBeLessThan(5000);
});

test('what a peer sent cannot begin a line of its own', () => {
  const { log, text } = logTo('info');
  log.info({ software: 'Outlook\r\n{"level":"info","msg":"forged"}\0' }, 'a\nb');
  expect(text().split('\n')).toHaveLength(2);
  expect(JSON.parse(text()).software).toBe('Outlook\r\n{"level":"info","msg":"forged"}\0');
});

test('for the journal: a priority before each line, and then the line as it is', () => {
  const lines: string[] = [];
  const log = createLog('debug', forJournal({ write: (line: string) => lines.push(line) }));
  log.error({}, 'one');
  log.warn({}, 'two\n<0>three');
  log.info({}, 'four');
  log.debug({}, 'five');
  log.error({}, 'six');
  expect(lines.map((line) => line.slice(0, 3))).toEqual(['<3>', '<4>', '<6>', '<7>', '<3>']);
  for (const line of lines) expect(line.indexOf('\n')).toBe(line.length - 1);
  expect(lines.map((line) => JSON.parse(line.slice(3)).level)).toEqual([
    'error',
    'warn',
    'info',
    'debug',
    'error',
  ]);
});

test('a level leaves out what is below it', () => {
  const { log, text } = logTo('warn');
  log.debug({}, 'one');
  log.info({}, 'two');
  log.warn({}, 'three');
  expect(text()).toContain('three');
  expect(text()).not.toMatch(/one|two/);
  const silent = logTo('silent');
  silent.log.error({}, 'four');
  expect(silent.text()).toBe('');
});

test('a full disk costs lines: the process goes on, and ends when it wants to', async () => {
  const log = join(import.meta.dirname, '../../../src/lib/log.ts');
  const program = `
    import { createLog } from ${JSON.stringify(log)};
    import { setTimeout as sleep } from 'node:timers/promises';
    const log = createLog('info');
    for (let line = 0; line < 5; line++) {
      log.info({ line }, 'x'.repeat(1_500_000));
      await sleep(50);
    }
    console.error('still here');
    process.exit(7);
  `;
  const full = openSync('/dev/full', 'w');
  const child = spawnTied(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', full, 'pipe'],
  });
  closeSync(full);
  let said = '';
  child.stderr!.on('data', (chunk) => {
    said += chunk;
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  try {
    await whenReady(child, async () => said.includes('still here') || undefined).catch(() => {});
    expect(said).toBe('still here\n');
    expect(await Promise.race([exited, sleep(PATIENCE, 'it does not end')])).toBe(7);
  } finally {
    await stopChild(child, 'SIGKILL');
  }
});
