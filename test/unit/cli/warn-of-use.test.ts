// `password create` for what there is not: it is made, and that is said.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ledger } from '../../support/secrets-ledger.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { run } from './terminal-double.ts';

const dir = tempDir();
afterAll(() => dir[Symbol.dispose]());

const LISTENERS = `[{ name: imap, protocol: imap, address: "127.0.0.1:1143", tls: starttls }]`;
const ROUTES = `[{ users: "*@example.com", imap: mailbox, smtp: relay }]`;
let files = 0;

/** Warnings of one creation, whose app password is the only thing on standard output. */
async function warnings(args: readonly string[], { listeners = LISTENERS, routes = ROUTES } = {}) {
  files += 1;
  const file = join(dir.path, `postern-${files}.yaml`);
  writeFileSync(
    file,
    `
store: { url: "sqlite:./postern.db" }
keys: { file: ./keys.json }
users: { defaultDomain: example.com }
listeners: ${listeners}
routes: ${routes}
upstreams:
  mailbox: { protocol: imap, address: "127.0.0.1:1", tls: none, login: { method: plain, user: postern, password: "\${NOT_SET}" } }
  relay: { protocol: smtp, address: "127.0.0.1:1", tls: none, login: { method: none } }
appPasswords: { hash: { memoryKiB: 7168, passes: 1, lanes: 1 } }
`,
  );
  const name = `device ${files}`;
  const made = await run(['password', 'create', '--name', name, ...args, '--json', '--config', file]);
  expect([made.code, made.code === 0 ? '' : made.err]).toEqual([0, '']);
  const { password, ...rest } = JSON.parse(made.out);
  ledger(password);
  expect(Object.keys(rest)).toEqual(['id', 'user', 'name', 'scope', 'networks', 'expiresAt']);
  return made.err.split('\n').filter((line) => line.startsWith('warning: '));
}

test.each<[string[], string[]]>([
  [['--user', 'alice'], []],
  [['--user', 'alice', '--scope', 'imap'], []],
  [['--user', 'alice', '--scope', 'pop3'], ['warning: no listener speaks pop3']],
  [
    ['--user', 'alice', '--scope', 'smtp,imap,ldap'],
    ['warning: no listener speaks smtp', 'warning: no listener speaks ldap'],
  ],
  [
    ['--user', 'bob@example.org'],
    ['warning: no route leads bob@example.org anywhere: it is good for nothing until one does'],
  ],
  [
    ['--user', 'bob@example.org', '--scope', 'imap'],
    ['warning: no route leads bob@example.org anywhere by imap'],
  ],
])('%j', async (args, expected) => {
  expect(await warnings(args)).toEqual(expected);
});

test('what is wrong with the rest of the config keeps it from nothing', async () => {
  expect(await warnings(['--user', 'alice'], { listeners: '[{ protocol: nntp }]' })).toEqual([
    'warning: whether it can be used is not known: the listeners or routes of the config have mistakes',
  ]);
});
