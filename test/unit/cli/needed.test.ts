// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written that way in a configuration
// Commands in a shell that has neither the service's environment nor its secrets.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { openStoreOnce } from '../../../src/store/open.ts';
import { SMALL } from '../config/example.ts';
import { run } from './terminal-double.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-needed-'));
const file = join(directory, 'postern.yaml');
afterAll(() => rmSync(directory, { recursive: true }));

beforeAll(async () => {
  const admin = 'admin: { address: "127.0.0.1:1" }\n';
  writeFileSync(file, `${SMALL}${admin}redis: { url: "redis://a", password: "\${REDIS_PASSWORD}" }\n`);
  const store = await openStoreOnce(`sqlite:${join(directory, 'data/postern.db')}`, { clock: systemClock });
  await store[Symbol.asyncDispose]();
});

it.each([
  ['password list', 0],
  ['audit list', 0],
  ['user disable alice@example.com', 0],
  // Nothing runs that could answer; that is found out after the configuration was read.
  ['sessions list', 69],
  ['throttle list', 69],
  ['healthcheck', 69],
])('%s needs no variable and no secret of the service', async (command, expected) => {
  const { code, err } = await run([...command.split(' '), '--config', file]);
  expect([code, err.includes('REDIS_PASSWORD'), err.includes('passwordFile')]).toEqual([
    expected,
    false,
    false,
  ]);
});

it.each(['check-config', 'print-config', 'serve'])('%s needs all of them', async (command) => {
  const { code, err } = await run([command, '--config', file]);
  expect(code).toBe(78);
  expect(err).toContain('needs the environment variable REDIS_PASSWORD');
  expect(err).toContain('upstreams.dovecot.login.passwordFile: cannot be read');
});
