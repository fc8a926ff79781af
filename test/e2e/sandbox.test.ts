// `npm start`: the round trip, what it leaves for other programs, and the commands that it prints, each run as it stands.

import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { parseUser } from '../../src/lib/user.ts';
import { openStoreOnce } from '../../src/store/open.ts';
import { run, spawnTied, stopChild, whenReady } from '../support/child-process.ts';
import { PROGRAM_PATIENCE } from '../support/patience.ts';
import { newLogFile } from '../support/run-directory.ts';
import { ledger, mask } from '../support/secrets-ledger.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MAIN = join(ROOT, 'src', 'sandbox', 'main.ts');

const STEPS = [
  'log in, STARTTLS',
  'log in, implicit TLS',
  'list folders',
  'fetch a message',
  'append a message',
  'IDLE hears of new mail in another session',
  'send a message, STARTTLS, and find it in the mailbox',
  'send a message, implicit TLS, and find it in the mailbox',
  'look people up in the directory, STARTTLS, as EXAMPLE\\name',
  'look people up in the directory, implicit TLS',
  'revoke an app password, its session is cut off',
  'and it is refused from then on',
  'while the other device goes on',
];

/** The steps that a sandbox printed, with their milliseconds. */
const stepsIn = (printed: string) =>
  [...printed.matchAll(/^ {2}ok {2}(.+?) +(\d+) ms$/gm)].map(([, name, time]) => ({
    name: name!,
    time: Number(time),
  }));

interface State {
  user: string;
  appPassword: string;
  ca: string;
  config: string;
  portal: string;
  ports: Record<'imap' | 'imaps' | 'smtp' | 'submissions' | 'ldap' | 'ldaps' | 'admin', number>;
}

/** `state.json` of a sandbox, its secret noted and its log kept for the search. */
function readState(directory: string): State {
  const state: State = JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8'));
  ledger(state.appPassword);
  return state;
}

const keepLog = (directory: string) =>
  writeFileSync(newLogFile('postern-sandbox'), readFileSync(join(directory, 'postern.log')));

/** Holds a port of 127.0.0.1, unless another program holds it already. */
async function take(port: number): Promise<AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.once('error', () => resolve());
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

test('`npm start -- --once` does the round trip, on other ports where the usual ones are taken', async () => {
  using dir = tempDir();
  await using _imap = await take(1143);
  await using _admin = await take(9090);
  const old = join(dir.path, 'state.json');
  writeFileSync(old, '{"user":"of an earlier sandbox"}');

  const started = run('npm', ['start', '--', '--once', '--directory', dir.path], { cwd: ROOT });
  let gone = false;
  const looking = setInterval(() => {
    gone ||= !existsSync(old);
  }, 10);
  const { code, stdout, stderr } = await started;
  clearInterval(looking);

  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(gone, 'the old state.json was removed before there was a new one').toBe(true);
  const steps = stepsIn(stdout);
  expect(steps.map(({ name }) => name)).toEqual(STEPS);
  // The constant delay of a refusal.
  expect(steps[STEPS.indexOf('and it is refused from then on')]!.time).toBeGreaterThanOrEqual(2000);

  const state = readState(dir.path);
  keepLog(dir.path);
  expect(state).toEqual({
    user: 'demo@example.com',
    appPassword: expect.stringMatching(/^[a-km-z2-9]{16}$/),
    ca: relative(ROOT, join(dir.path, 'ca.pem')),
    config: relative(ROOT, join(dir.path, 'postern.yaml')),
    portal: expect.stringMatching(/^http:\/\/localhost:\d+$/),
    ports: {
      imap: expect.any(Number),
      imaps: expect.any(Number),
      smtp: expect.any(Number),
      submissions: expect.any(Number),
      ldap: expect.any(Number),
      ldaps: expect.any(Number),
      admin: expect.any(Number),
    },
  });
  expect(state.ports.imap).not.toBe(1143);
  expect(state.ports.admin).not.toBe(9090);
  expect(readFileSync(resolve(ROOT, state.ca), 'utf8')).toMatch(/^-----BEGIN CERTIFICATE-----/);
  // Everything is for its owner only, and nothing is left half written.
  expect(statSync(dir.path).mode & 0o777).toBe(0o700);
  const modes = readdirSync(dir.path).map((name) => [name, statSync(join(dir.path, name)).mode & 0o777]);
  expect(Object.fromEntries(modes)).toMatchObject({
    'state.json': 0o600,
    'keys.json': 0o600,
    'server.key': 0o600,
  });
  expect(modes.filter(([, mode]) => mode !== 0o600)).toEqual([]);
  expect(mask(stdout)).toBe(stdout);
});

test('it stays up until told to stop, and what it prints to paste works', async () => {
  using dir = tempDir();
  let printed = '';
  const child = spawnTied(process.execPath, [MAIN, '--directory', dir.path], { cwd: ROOT, stdio: 'pipe' });
  child.stdout!.on('data', (chunk) => {
    printed += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    printed += chunk;
  });
  try {
    await whenReady(child, async () => printed.includes('tail -f') || undefined);
    const state = readState(dir.path);
    const device = state.appPassword.replace(/.{4}(?=.)/g, '$& ');
    expect(printed).toContain(`app password   ${device}\n`);

    const commands = [
      ...printed.matchAll(/^ {2}((?:curl|openssl|npx|printf|LDAPTLS_CACERT=\S+ ldapsearch) .+)$/gm),
    ].map(([, command]) => command!);
    const sh = async (part: string, input?: string) => {
      const command = commands.find((one) => one.includes(part));
      expect(command, part).toBeDefined();
      const outcome = await run('sh', ['-c', command!], {
        cwd: ROOT,
        ...(input === undefined ? {} : { input }),
      });
      commands.splice(commands.indexOf(command!), 1);
      expect(outcome.code, `${command}: ${mask(outcome.stderr)}`).toBe(0);
      return outcome.stdout;
    };

    // Nobody's Bind, and the root DSE as the embedded directory has it.
    const rootDse = await run(
      'ldapsearch',
      [
        '-x',
        '-LLL',
        '-H',
        `ldaps://localhost:${state.ports.ldaps}`,
        '-s',
        'base',
        '-b',
        '',
        '(objectClass=top)',
        'namingContexts',
      ],
      {
        env: {
          ...process.env,
          LDAPTLS_CACERT: join(ROOT, state.ca),
          LDAPTLS_REQCERT: 'demand',
          LDAPRC: '/nonexistent',
        },
      },
    );
    expect(rootDse).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^namingContexts: dc=example,dc=com$/im),
    });

    expect(await sh('FETCH 1:*')).toMatch(/^\* 7 FETCH /m);
    expect(await sh('MAILINDEX=1')).toContain('Subject: Welcome\r\n');
    expect(await sh(`imaps://localhost:${state.ports.imaps}/`)).toMatch(/^\* LIST .*"INBOX"\r$/m);
    expect(await sh(`imap://localhost:${state.ports.imap}/`)).toMatch(/^\* LIST .*\\Trash.*"Trash"\r$/m);
    for (const listener of ['-starttls imap', `localhost:${state.ports.imaps}`]) {
      const dialogue = await sh(
        listener,
        `a LOGIN ${state.user} ${state.appPassword}\nb SELECT INBOX\nc LOGOUT\n`,
      );
      expect(mask(dialogue)).toMatch(/^a OK \[CAPABILITY [^\]]*\] Logged in\r\n.*^b OK .*^c OK /ms);
    }
    // Two messages by curl, on either port; then the same by hand as far as the sender.
    expect(await sh(`smtps://localhost:${state.ports.submissions} `)).toBe('');
    expect(await sh(`smtp://localhost:${state.ports.smtp} `)).toBe('');
    const auth = /then (AUTH PLAIN \S+), then/.exec(printed)![1]!;
    for (const listener of ['-starttls smtp', `localhost:${state.ports.submissions}`]) {
      const dialogue = await sh(
        listener,
        `EHLO me\n${auth}\nMAIL FROM:<${state.user}>\nRCPT TO:<you@example.com>\nQUIT\n`,
      );
      expect(mask(dialogue)).toMatch(/^235 2\.7\.0 .*\r\n250 .*\r\n250 .*\r\n221 /m);
    }
    const number = (uid: string, digits: string) =>
      `dn: uid=${uid},ou=people,dc=example,dc=com\ntelephonenumber: +1 555 ${digits}\n\n`;
    expect(await sh('uid=ada')).toBe(number('ada', '0100'));
    expect(await sh('uid=grace')).toBe(number('grace', '0106'));
    const made = (await sh('password create')).trim();
    ledger(made.replaceAll(' ', ''));
    expect(await sh('password list')).toMatch(/you@example\.com +phone +active/);
    expect(await sh('sessions list')).toBe('no live sessions\n');
    expect(await sh('user disable')).toContain('you@example.com');
    expect(await sh('password revoke')).toMatch(/^revoked 1 .*you@example\.com/);
    expect(await sh('/metrics')).toMatch(/^postern_build_info\{version="sandbox",/m);
    expect(commands, 'commands that it prints and this test does not know').toEqual([]);

    // A second one in the same place is refused, and does the first no harm.
    const second = await run(process.execPath, [MAIN, '--directory', dir.path, '--once'], { cwd: ROOT });
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/^a sandbox runs in .* already: stop it, or start another by /);
    expect(readState(dir.path)).toEqual(state);
  } finally {
    const { code } = await stopChild(child);
    expect(code).toBe(0);
  }
  expect(printed).toMatch(/\nstopping\n$/);
  expect(existsSync(join(dir.path, 'control.sock'))).toBe(false);
  keepLog(dir.path);
});

test('a step that fails says why and ends it with 1, without a state', async () => {
  using dir = tempDir();
  let printed = '';
  const child = spawnTied(process.execPath, [MAIN, '--directory', dir.path], { cwd: ROOT, stdio: 'pipe' });
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk) => {
      printed += chunk;
    });
  }
  const ended = once(child, 'close');
  await whenReady(child, async () => printed.includes('directory, implicit TLS') || undefined);
  {
    // From now on the user is disabled, which ends the sessions that the last steps need, whichever of them comes to it.
    await using store = await openStoreOnce(`sqlite:${join(dir.path, 'postern.db')}`, { clock: systemClock });
    await store.setUserDisabled(parseUser('demo@example.com')!, Date.now());
  }
  const [code] = await Promise.race([ended, sleep(PROGRAM_PATIENCE, ['it goes on'])]);
  keepLog(dir.path);
  expect(code, printed).toBe(1);
  const done = stepsIn(printed).map(({ name }) => name);
  expect(done.length).toBeLessThan(STEPS.length);
  expect(done).toEqual(STEPS.slice(0, done.length));
  const [, failed] = /\n {2}failed {2}(.+?): \S.*\n\nPostern's log is postern\.log/.exec(printed) ?? [];
  expect(failed, printed).toBe(STEPS[done.length]);
  expect(existsSync(join(dir.path, 'state.json'))).toBe(false);
});

test.each<[why: string, prepare: (directory: string) => string[], says: RegExp]>([
  ['an unknown option', () => ['--onec'], /^Unknown option '--onec'.*\nnpm start \[-- --once\]/],
  [
    'a directory with a config of somebody’s own',
    (directory) => {
      writeFileSync(join(directory, 'postern.yaml'), 'hostname: mail.example.com\n');
      return ['--once', '--directory', directory];
    },
    /postern\.yaml was not made by the sandbox: give it another directory\n$/,
  ],
  [
    'a directory whose path is too long for a Unix socket',
    (directory) => {
      const deep = join(directory, 'd'.repeat(100));
      mkdirSync(deep);
      return ['--once', '--directory', deep];
    },
    /^postern\.yaml:2:1 control\.socket: is too long as an absolute path/,
  ],
])('it ends with 1 and says why: %s', async (_, prepare, says) => {
  using dir = tempDir();
  const args = prepare(dir.path);
  const before = readdirSync(dir.path);
  const { code, stdout, stderr } = await run(process.execPath, [MAIN, ...args], { cwd: ROOT });
  expect(stderr).toMatch(says);
  expect(code).toBe(1);
  expect(stdout).not.toMatch(/ ok /);
  expect(readdirSync(dir.path)).toEqual(before);
});
