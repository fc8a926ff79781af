// What a client is offered before login: the greeting and CAPABILITY say the same, before TLS and on it, and no more than every
// upstream of the routes offers after login.

import { expect, test } from 'vitest';
import { startScriptedImapUpstream } from '../support/scripted-imap-upstream.ts';
import { pki, plainMessage, type Setting, startSetting } from './postern-before-script.ts';

/** The upstream is asked what it can do. */
const ASKED = 'capabilities: null';
const CLEAR = 'IMAP4rev1 SASL-IR LITERAL- ID STARTTLS LOGINDISABLED';
const SECURE = 'IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN AUTH=LOGIN';
const BEFORE = 'IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=CRAM-MD5';
const AFTER =
  'IMAP4rev1 LITERAL+ idle Enable MOVE UNSELECT COMPRESS=DEFLATE X-SECRET THREAD=REFS SORT SORT=DISPLAY QUOTA';

/** The list that a new client hears: in clear by the greeting, on TLS when it asks. */
async function greeted(setting: Setting, from: 'client' | 'plain' = 'plain'): Promise<string> {
  await using client = from === 'plain' ? await setting.plain() : await setting.client();
  if (from === 'plain') return (await client.expect(/^\* OK \[CAPABILITY (.*)\] Postern ready$/))[1]!;
  await client.send('a CAPABILITY\r\n');
  return (await client.expect(/^\* CAPABILITY (.*)$/))[1]!;
}

/** Waits until a new client is offered this, for 5 s at most. */
async function offers(setting: Setting, theirs: string): Promise<void> {
  await expect.poll(() => greeted(setting), { timeout: 5000 }).toBe(`${CLEAR}${theirs}`);
}

async function logIn(setting: Setting, user: string): Promise<void> {
  const { password } = await setting.createPassword(`${user}@example.com`);
  await using client = await setting.client();
  await client.send(`a AUTHENTICATE PLAIN ${plainMessage(user, password)}\r\n`);
  await client.expectUntil(/^a OK /);
}

test('at first what the upstream tells strangers; once two users have logged in, what they are told', async () => {
  await using setting = await startSetting({
    upstream: ASKED,
    script: { capabilities: BEFORE, capabilitiesAfterLogin: AFTER },
  });
  await offers(setting, ' IDLE ENABLE');
  expect(setting.upstream.lines).toEqual(['p1 CAPABILITY', 'bye LOGOUT']);

  await logIn(setting, 'alice');
  await logIn(setting, 'alice');
  expect(await greeted(setting)).toBe(`${CLEAR} IDLE ENABLE`);
  await logIn(setting, 'bob');
  expect(await greeted(setting)).toBe(`${CLEAR} IDLE ENABLE UNSELECT MOVE SORT THREAD=REFS QUOTA`);
});

test('greeting and CAPABILITY agree, before TLS and on it, whatever is learnt meanwhile', async () => {
  await using setting = await startSetting({
    upstream: ASKED,
    script: { capabilities: BEFORE, capabilitiesAfterLogin: AFTER },
  });
  await offers(setting, ' IDLE ENABLE');
  await using client = await setting.plain();
  await client.expect(`* OK [CAPABILITY ${CLEAR} IDLE ENABLE] Postern ready`);
  await logIn(setting, 'alice');
  await logIn(setting, 'bob');
  await client.send('a CAPABILITY\r\n');
  await client.expect(`* CAPABILITY ${CLEAR} IDLE ENABLE`);
  await client.expect('a OK Done');
  await client.send('b STARTTLS\r\n');
  await client.expect('b OK …');
  await client.startTls();
  await client.send('c CAPABILITY\r\n');
  await client.expect(`* CAPABILITY ${SECURE} IDLE ENABLE`);
  await client.expect('c OK Done');
  expect(await greeted(setting, 'client')).toBe(`${SECURE} IDLE ENABLE UNSELECT MOVE SORT THREAD=REFS QUOTA`);
});

test('what is offered does nothing before login, and costs no login', async () => {
  await using setting = await startSetting({ upstream: 'capabilities: [IDLE, ENABLE]' });
  await using client = await setting.client();
  await client.send('a ENABLE CONDSTORE\r\n');
  await client.expect('* ENABLED');
  await client.expect('a OK …');
  await client.send('b IDLE\r\n');
  await client.expect('b BAD Log in first');
  await client.send(`c LOGIN alice ${setting.password}\r\n`);
  await client.expectUntil(/^c OK /);
});

test('nothing from before TLS: neither of the upstream, nor what is injected behind its OK', async () => {
  const { issue } = await pki();
  const certificate = await issue();
  await using setting = await startSetting({
    upstream: ASKED,
    script: {
      tls: 'starttls',
      certificate,
      greeting: '* OK [CAPABILITY IMAP4rev1 STARTTLS IDLE MOVE] ready\r\n',
      on: [
        [
          /^(\S+) STARTTLS/,
          (connection, [, tag]) =>
            connection.startTls(`${tag} OK begin\r\n`, '* CAPABILITY IMAP4rev1 AUTH=PLAIN QUOTA\r\n'),
        ],
        [
          /^(\S+) CAPABILITY/,
          (connection, [, tag]) =>
            connection.write(
              `* CAPABILITY IMAP4rev1 AUTH=PLAIN ${connection.isTls ? 'ENABLE' : 'SORT'}\r\n${tag} OK done\r\n`,
            ),
        ],
      ],
    },
  });
  // Either nothing is believed of a connection where plaintext was injected, or only what came on TLS.
  await expect.poll(() => setting.upstream.connections.total, { timeout: 5000 }).toBeGreaterThan(0);
  await expect.poll(() => setting.upstream.connections.open, { timeout: 5000 }).toBe(0);
  expect(await greeted(setting)).toMatch(/^IMAP4rev1 SASL-IR LITERAL- ID STARTTLS LOGINDISABLED( ENABLE)?$/);
});

test('of two upstreams what both offer; of one that cannot be asked nothing', async () => {
  await using other = await startScriptedImapUpstream({ capabilities: 'IMAP4rev1 AUTH=PLAIN ENABLE MOVE' });
  const second = (port: number) => `
routes:
  - { users: "bob@example.com", imap: other }
  - { users: "*@example.com", imap: script }
upstreams:
  script: { protocol: imap, address: "127.0.0.1:1", tls: none, login: { method: plain, user: x, password: y } }
  other: { protocol: imap, address: "127.0.0.1:${port}", tls: none, login: { method: plain, user: x, password: y } }
`;
  await using half = await startSetting({ config: second(other.port) });
  await expect.poll(() => other.connections.total, { timeout: 5000 }).toBe(1);
  await expect.poll(() => other.connections.open, { timeout: 5000 }).toBe(0);
  expect(await greeted(half)).toBe(CLEAR);

  await using first = await startScriptedImapUpstream({ capabilities: 'IMAP4rev1 AUTH=PLAIN IDLE ENABLE' });
  const both = second(other.port).replace('127.0.0.1:1"', `127.0.0.1:${first.port}"`);
  await using whole = await startSetting({ config: both });
  await offers(whole, ' ENABLE');
});

test.each([
  ['says nothing', { greeting: null }],
  ['says goodbye', { greeting: '* BYE not now\r\n' }],
  ['knows somebody already', { greeting: '* PREAUTH [CAPABILITY IMAP4rev1 IDLE] hello\r\n' }],
  ['refuses the question', { on: [[/^(\S+) CAPABILITY/, '$1 NO not you\r\n']] as const }],
  ['answers without end', { on: [[/CAPABILITY/, '* OK more\r\n'.repeat(200)]] as const }],
  ['answers a line without end', { on: [[/CAPABILITY/, `* CAPABILITY ${'A'.repeat(70_000)}`]] as const }],
  [
    'tells what is no list',
    { on: [[/^(\S+) CAPABILITY/, '* CAPABILITY [IDLE] "IDLE" {4}\r\nIDLE\r\n$1 OK\r\n']] as const },
  ],
])('an upstream that %s teaches nothing, and holds nobody up', async (_, script) => {
  await using setting = await startSetting({ upstream: ASKED, script });
  await expect.poll(() => setting.upstream.connections.total, { timeout: 5000 }).toBeGreaterThan(0);
  expect(await greeted(setting)).toBe(CLEAR);
  expect(setting.events('internal_error')).toEqual([]);
});
