// An IMAP upstream that fails, in every way that we could think of. To the client that is never a wrong password; to the
// operator it is loud where only the operator can mend it; and nothing of Postern's credentials is in what is logged.

import { describe, expect, test } from 'vitest';
import { createPki } from '../support/pki.ts';
import { freePort } from '../support/ports.ts';
import type { Script } from '../support/scripted-imap-upstream.ts';
import {
  MASTER,
  pki,
  plainMessage,
  type Setting,
  type SettingOptions,
  startSetting,
} from './postern-before-script.ts';

const UNAVAILABLE = 'a NO [UNAVAILABLE] Temporarily unavailable, try again later';
const AS_ALICE = plainMessage(MASTER.user, MASTER.password, 'alice@example.com');
/** For an upstream that is silent: before anything else is heard of it, or in the middle of the login. */
const SOON = 'connectDeadline: 200ms';
const SOON_IN_LOGIN = 'loginDeadline: 200ms';

/** A login with the right app password ends in `UNAVAILABLE` for this reason; and the connection stays. */
async function expectUnavailable(postern: Setting, reason: string): Promise<void> {
  await using client = await postern.client();
  await client.send(`a LOGIN alice ${postern.password}\r\n`);
  await client.expect(UNAVAILABLE);
  await client.send('b NOOP\r\n');
  await client.expect('b OK Done');
  expect(postern.events('login').at(-1)).toMatchObject({
    verdict: 'unavailable',
    reason,
    user: 'alice@example.com',
  });
  await postern.metricIs(1, 'postern_logins_total', { verdict: 'unavailable', reason });
  await postern.metricIs(0, 'postern_sessions');
}

async function expectNothingLeft({ upstream }: Setting): Promise<void> {
  await expect.poll(() => upstream.connections.open).toBe(0);
}

describe('an upstream that cannot be reached', () => {
  const unreachable: [string, SettingOptions, RegExp][] = [
    ['says nothing', { script: { greeting: null }, upstream: SOON }, /greeting within 0.2 s/],
    ['says half a greeting', { script: { greeting: '* OK hal' }, upstream: SOON }, /greeting within/],
    ['says BYE', { script: { greeting: '* BYE overloaded\r\n' } }, /greeting is BYE/],
    [
      'says PREAUTH',
      { script: { greeting: '* PREAUTH [CAPABILITY IMAP4rev1] root\r\n' } },
      /greeting is PREAUTH/,
    ],
    ['says NO', { script: { greeting: '* NO\r\n' } }, /greeting is NO/],
    ['speaks POP3', { script: { greeting: '+OK POP3 ready\r\n' } }, /greeting is POP3/],
    ['speaks SMTP', { script: { greeting: '220 smtp ESMTP\r\n' } }, /greeting is SMTP/],
    ['speaks nothing known', { script: { greeting: 'hello\r\n' } }, /does not speak IMAP/],
    ['sends 1 MB without a line end', { script: { greeting: 'x'.repeat(1_000_000) } }, /too long/],
    ['announces a literal of 2^63', { script: { greeting: '* OK {9223372036854775808}\r\n' } }, /too long/],
    [
      'does not do STARTTLS',
      { script: { tls: 'starttls', on: [[/^(\S+) STARTTLS/, '$1 NO no\r\n']] } },
      /STARTTLS: NO/,
    ],
    [
      'is silent after its OK to STARTTLS',
      { script: { tls: 'starttls', on: [[/^(\S+) STARTTLS/, '$1 OK go\r\n']] }, upstream: SOON },
      /within 0.2 s/,
    ],
    [
      'ends the connection at STARTTLS',
      { script: { tls: 'starttls', on: [[/STARTTLS/, (upstream) => upstream.end()]] } },
      /closed the connection/,
    ],
    [
      'resets the connection at STARTTLS',
      { script: { tls: 'starttls', on: [[/STARTTLS/, (upstream) => upstream.drop()]] } },
      /reset|ECONNRESET/,
    ],
  ];
  test.each(unreachable)('%s', async (_, options, detail) => {
    await using postern = await startSetting(options);
    await expectUnavailable(postern, 'upstream_unreachable');
    expect(await postern.logged('upstream_failed')).toMatchObject({
      level: 'warn',
      upstream: 'script',
      detail: expect.stringMatching(detail),
    });
    await postern.metricIs(0, 'postern_upstream_up', { upstream: 'script' });
    await expectNothingLeft(postern);
    expect(postern.upstream.lines.join('\n')).not.toContain(AS_ALICE);
  });

  test('is down', async () => {
    const port = await freePort();
    await using postern = await startSetting({ upstream: `address: 127.0.0.1:${port}` });
    await expectUnavailable(postern, 'upstream_unreachable');
    expect(await postern.logged('upstream_failed')).toMatchObject({ address: `127.0.0.1:${port}` });
  });

  test('comes back, and the same connection logs in', async () => {
    await using postern = await startSetting({ script: { greeting: '* BYE later\r\n' } });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect(UNAVAILABLE);
    postern.upstream.setScript({});
    await client.send(`b LOGIN alice ${postern.password}\r\n`);
    await client.expect('b OK …');
  });
});

describe('an upstream whose certificate is not accepted gets no credentials', () => {
  test.each([
    ['expired', { expired: true }, /expired/],
    [
      'for another name',
      { names: ['other.example.com'] },
      /another name than 127\.0\.0\.1: DNS:other\.example\.com/,
    ],
  ] as const)('%s', async (_, kind, detail) => {
    for (const tls of ['implicit', 'starttls'] as const) {
      const certificate = await (await pki()).issue(kind);
      await using postern = await startSetting({ script: { tls, certificate } });
      await expectUnavailable(postern, 'upstream_unreachable');
      expect(await postern.logged('upstream_failed')).toMatchObject({
        detail: expect.stringMatching(detail),
      });
      expect(postern.upstream.lines.join('\n')).not.toMatch(/AUTHENTICATE|LOGIN|ID/);
    }
  });

  test('of an authority that is not the configured one', async () => {
    using strangers = await createPki();
    await using postern = await startSetting({
      script: { tls: 'implicit', certificate: await strangers.issue() },
    });
    await expectUnavailable(postern, 'upstream_unreachable');
    expect(postern.upstream.lines).toEqual([]);
  });

  test('plaintext where TLS should be', async () => {
    await using postern = await startSetting({ upstream: `tls: implicit` });
    await expectUnavailable(postern, 'upstream_unreachable');
    expect(postern.upstream.lines.join('\n')).not.toContain('AUTHENTICATE');
  });
});

describe('plaintext injected by whoever sits before the upstream, behind its OK to STARTTLS', () => {
  test.each([
    ['an answer to the next command', 'p1 OK [CAPABILITY IMAP4rev1 INJECTED] hi\r\n'],
    ['capabilities', '* CAPABILITY IMAP4rev1 LOGINDISABLED INJECTED\r\n'],
    ['answers to all that follow', 'p1 OK a\r\np2 OK b\r\np3 OK [CAPABILITY INJECTED] c\r\n'],
    ['half a line', '* OK [ALERT] INJECTED'],
    ['a BYE', '* BYE INJECTED\r\n'],
  ])('%s: is thrown away, or ends the connection', async (_, injected) => {
    await using postern = await startSetting({
      script: {
        tls: 'starttls',
        on: [[/^(\S+) STARTTLS/, (upstream, [, tag]) => upstream.startTls(`${tag} OK go\r\n`, injected)]],
      },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    const answer = await client.expect(/^a (OK|NO \[UNAVAILABLE\]) /);
    expect(answer.input).not.toContain('INJECTED');
    if (answer[1] === 'OK') {
      expect(postern.upstream.lines.map((line) => line.split(' ')[1])).toEqual([
        'STARTTLS',
        'CAPABILITY',
        'ID',
        'AUTHENTICATE',
        'CAPABILITY',
      ]);
    }
  });

  test('capabilities of before TLS are not used after it', async () => {
    await using postern = await startSetting({
      script: { tls: 'starttls', greeting: '* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi\r\n' },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
  });
});

describe('an upstream that fails during the login', () => {
  const refused: [string, Script, string][] = [
    [
      'refuses Postern',
      { on: [[/^(\S+) AUTH/, '$1 NO [AUTHENTICATIONFAILED] no\r\n']] },
      'upstream_refused_postern',
    ],
    ['says BAD', { on: [[/^(\S+) AUTH/, '$1 BAD what\r\n']] }, 'upstream_refused_postern'],
    ['is unavailable itself', { on: [[/^(\S+) AUTH/, '$1 NO [UNAVAILABLE] no\r\n']] }, 'upstream_protocol'],
    ['says BYE to ID', { on: [[/^(\S+) ID/, '* BYE no\r\n']] }, 'upstream_protocol'],
    ['answers another tag', { on: [[/^(\S+) AUTH/, 'p99 OK hi\r\n']] }, 'upstream_protocol'],
    ['talks without end', { on: [[/^(\S+) AUTH/, '* 1 EXISTS\r\n'.repeat(500)]] }, 'upstream_protocol'],
    ['asks without end', { on: [[/^(\S+) AUTH/, '+ more\r\n'.repeat(500)]] }, 'upstream_protocol'],
    ['sends 1 MB in a line', { on: [[/^(\S+) AUTH/, 'x'.repeat(1_000_000)]] }, 'upstream_protocol'],
    ['sends a 1 GB literal', { on: [[/^(\S+) AUTH/, '* OK {1000000000}\r\n']] }, 'upstream_protocol'],
    [
      'tells no capabilities',
      {
        on: [
          [/^(\S+) AUTH/, '$1 OK hi\r\n'],
          [/^(\S+) CAPABILITY/, '$1 OK none\r\n'],
        ],
      },
      'upstream_protocol',
    ],
    [
      'offers neither PLAIN nor LOGIN',
      { capabilities: 'IMAP4rev1 LOGINDISABLED AUTH=NTLM' },
      'upstream_protocol',
    ],
    ['offers no PLAIN for the method plain', { capabilities: 'IMAP4rev1' }, 'upstream_protocol'],
    [
      'offers UNAUTHENTICATE',
      { capabilitiesAfterLogin: 'IMAP4rev1 Unauthenticate' },
      'upstream_unauthenticate',
    ],
    [
      'offers UNAUTHENTICATE in an untagged line only',
      {
        on: [[/^(\S+) AUTH/, '* CAPABILITY IMAP4rev1 UNAUTHENTICATE\r\n$1 OK [CAPABILITY IMAP4rev1] hi\r\n']],
      },
      'upstream_unauthenticate',
    ],
    [
      'offers UNAUTHENTICATE when asked, and in its OK did not (Cyrus)',
      {
        on: [
          [/^(\S+) AUTH/, '$1 OK [CAPABILITY IMAP4rev1 IDLE] hi\r\n'],
          [/^(\S+) CAPABILITY/, '* CAPABILITY IMAP4rev1 UNAUTHENTICATE\r\n$1 OK\r\n'],
        ],
      },
      'upstream_unauthenticate',
    ],
  ];
  test.each(refused)('%s: loud', async (_, script, reason) => {
    await using postern = await startSetting({ script });
    await expectUnavailable(postern, reason);
    await expectNothingLeft(postern);
    expect(await postern.logged('upstream_refused')).toMatchObject({
      level: 'error',
      upstream: 'script',
      reason,
    });
  });

  test.each([
    ['says nothing to ID', { on: [[/^(\S+) ID/, null]] }],
    ['says nothing to the credentials', { on: [[/^(\S+) AUTH/, null]] }],
    ['says half a line', { on: [[/^(\S+) AUTH/, '* OK hal']] }],
    [
      'ends the connection before it has the credentials',
      { on: [[/^(\S+) ID/, (upstream) => upstream.end()]] },
    ],
  ] satisfies [string, Script][])('%s: unreachable', async (_, script) => {
    await using postern = await startSetting({ script, upstream: SOON_IN_LOGIN });
    await expectUnavailable(postern, 'upstream_unreachable');
    await expectNothingLeft(postern);
    expect(await postern.logged('upstream_failed')).toMatchObject({
      address: `127.0.0.1:${postern.upstream.port}`,
      detail: expect.stringMatching(/^no end of the login|closed the connection/),
      // Whose login it was.
      user: 'alice@example.com',
      session: postern.events('login')[0]?.session,
    });
  });

  test.each([
    ['ends the connection', { on: [[/^(\S+) AUTH/, (upstream) => upstream.end()]] }, ''],
    ['resets the connection', { on: [[/^(\S+) AUTH/, (upstream) => upstream.drop()]] }, ''],
    ['says BYE', { on: [[/^(\S+) AUTH/, '* BYE shutting\x07 down\r\n']] }, ': "shutting? down"'],
    ['says BYE and OK', { on: [[/^(\S+) AUTH/, '* BYE [X] later\r\n$1 OK hi\r\n']] }, ': "later"'],
    ['says BYE behind its OK', { on: [[/^(\S+) CAPABILITY/, '* BYE no such user\r\n']] }, ': "no such user"'],
    ['repeats the password', { on: [[/^(\S+) AUTH/, `* BYE <${MASTER.password}>\r\n`]] }, ''],
    ['repeats the message', { on: [[/^\S+ AUTHENTICATE PLAIN (\S+)/, '* BYE bad blob $1!\r\n']] }, ''],
  ] satisfies [string, Script, string][])(
    '%s once it has the credentials: that is about the user, and no fault of the address',
    async (_, script, words) => {
      await using postern = await startSetting({ script });
      await expectUnavailable(postern, 'upstream_closed');
      await expectNothingLeft(postern);
      const [login] = postern.events('login');
      expect(await postern.logged('upstream_refused')).toMatchObject({
        level: 'warn',
        upstream: 'script',
        reason: 'upstream_closed',
        session: login?.session,
        user: 'alice@example.com',
        detail: expect.stringContaining(
          `it ended the connection once it had the credentials${words}; its log says why: does it know the user (Dovecot: userdb)?`,
        ),
      });
      // The next user is sent there as before.
      expect(postern.events(/^upstream_(failed|down)$/)).toEqual([]);
      postern.upstream.setScript({});
      await using client = await postern.client();
      await client.send(`a LOGIN alice ${postern.password}\r\n`);
      await client.expect('a OK …');
    },
  );

  test('and repeats the credentials that it refuses: the log does not', async () => {
    await using postern = await startSetting({
      script: {
        capabilities: 'IMAP4rev1 SASL-IR AUTH=PLAIN',
        on: [[/^(\S+) (.*)$/, `$1 NO [$2] cannot do $2\r\n`]],
      },
    });
    await expectUnavailable(postern, 'upstream_refused_postern');
    const { detail } = await postern.logged('upstream_refused');
    expect(detail).toBe('AUTHENTICATE: NO [AUTHENTICATE]');
  });

  test('in words that are meant for a terminal: the log has them without control characters', async () => {
    await using postern = await startSetting({
      script: { on: [[/^(\S+) AUTH/, '$1 \x1b[31mNO\x07 x\r\n']] },
    });
    await expectUnavailable(postern, 'upstream_refused_postern');
    const { detail } = await postern.logged('upstream_refused');
    expect(detail).not.toMatch(/[\x00-\x1f]/);
  });

  test('many times: the client hears a temporary error each time, and then goodbye', async () => {
    await using postern = await startSetting({ script: { on: [[/^(\S+) AUTH/, '$1 NO no\r\n']] } });
    await using client = await postern.client();
    for (let n = 0; n < 5; n++) {
      await client.send(`a LOGIN alice ${postern.password}\r\n`);
      await client.expect(UNAVAILABLE);
    }
    await client.expect('* BYE …');
    await client.closed();
  });
});

test('UNAUTHENTICATE is joined where the config says so in as many words', async () => {
  await using postern = await startSetting({
    script: { capabilitiesAfterLogin: 'IMAP4rev1 UNAUTHENTICATE' },
    upstream: 'acceptUnauthenticate: true',
  });
  await using client = await postern.client();
  await client.send(`a LOGIN alice ${postern.password}\r\n`);
  await client.expect('a OK [CAPABILITY IMAP4rev1 UNAUTHENTICATE] Logged in');
});

describe('an upstream that drops in mid-session', () => {
  test('with a BYE: the client hears it, and is closed', async () => {
    await using postern = await startSetting({
      script: {
        on: [
          [
            /^(\S+) NOOP/,
            (upstream) => {
              upstream.write('* BYE Session invalidated - AccessTokenExpired\r\n');
              upstream.end();
            },
          ],
        ],
      },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\nb NOOP\r\n`);
    await client.expect('a OK …');
    await client.expect('* BYE Session invalidated - AccessTokenExpired');
    await client.closed();
    await postern.metricIs(0, 'postern_sessions');
  });

  test('by a reset, in the middle of a literal: the client is closed, and no word of ours is put into it', async () => {
    let reset = () => {};
    await using postern = await startSetting({
      script: {
        on: [
          [
            /^(\S+) FETCH/,
            (upstream) => {
              upstream.write('* 1 FETCH (BODY[] {1000}\r\nhalf of it');
              reset = () => upstream.drop();
            },
          ],
        ],
      },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\nb FETCH 1 BODY[]\r\n`);
    await client.expect('a OK …');
    await client.expect('* 1 FETCH (BODY[] {1000}');
    expect((await client.bytes(10)).toString()).toBe('half of it');
    // What is on its way would be lost by it.
    reset();
    await client.closed();
    await postern.metricIs(0, 'postern_sessions');
    await postern.metricIs(0, 'postern_connections');
    expect(await postern.logged('session')).toMatchObject({ reason: expect.stringMatching(/^upstream_/) });
  });
});
