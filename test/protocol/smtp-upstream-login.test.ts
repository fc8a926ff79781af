// How Postern logs in to an SMTP upstream: what it says, line by line, and what it never says.

import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';
import { UpstreamLoginError } from '../../src/protocols/admission.ts';
import {
  openSmtpUpstream,
  type SmtpLogin,
  type SmtpLoginMethod,
  type SmtpUpstream,
} from '../../src/protocols/smtp/upstream.ts';
import { createPki, type Pki } from '../support/pki.ts';
import {
  type SmtpScript,
  startScriptedSmtpUpstream,
  USUAL_EXTENSIONS,
} from '../support/scripted-smtp-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';

const PASSWORD = ledger('sEc9 of the relay account');
const PLAIN: SmtpLoginMethod = { method: 'plain', user: 'postern', password: new Secret(PASSWORD) };
const FIXED: SmtpLoginMethod = { method: 'password', user: 'relay', password: new Secret(PASSWORD) };
const XCLIENT: SmtpLoginMethod = { method: 'xclient' };
const NONE: SmtpLoginMethod = { method: 'none' };
const plainOf = (text: string) => Buffer.from(text).toString('base64');

let authority: Promise<Pki> | undefined;
const pki = () => {
  authority ??= createPki();
  return authority;
};

interface Options {
  script?: SmtpScript;
  target?: Partial<SmtpUpstream>;
  login?: Partial<SmtpLogin>;
}

/** Logs in, quits, and gives the lines that the upstream has heard; null where it was refused, with why. */
async function dialogue(method: SmtpLoginMethod, { script = {}, target = {}, login = {} }: Options = {}) {
  const { ca, issue } = await pki();
  await using upstream = await startScriptedSmtpUpstream({ certificate: await issue(), ...script });
  const connected: string[] = [];
  const failed: string[] = [];
  const where: SmtpUpstream = {
    name: 'script',
    addresses: [{ host: '127.0.0.1', port: upstream.port }],
    tls: script.tls ?? 'none',
    ca: ca.cert,
    serverName: null,
    fingerprint: null,
    connectDeadline: 2000,
    loginDeadline: 2000,
    sendClientAddress: 'secure',
    login: method,
    onConnected: ({ host }) => connected.push(host),
    onFailed: (_, error) => failed.push(error.message),
    ...target,
  };
  const facts: SmtpLogin = {
    user: 'alice@example.com',
    client: { address: '203.0.113.5', port: 50_123 },
    destination: { address: '192.0.2.1', port: 587 },
    sessionId: 's-1',
    hostname: 'mail.example.com',
    helo: 'laptop',
    signal: new AbortController().signal,
    clock: systemClock,
    ...login,
  };
  let refused: { reason: string; message: string } | undefined;
  let extensions: ReadonlyMap<string, string> | undefined;
  try {
    const session = await openSmtpUpstream(where, facts);
    extensions = session.extensions;
    session.quit();
  } catch (error) {
    expect(error).toBeInstanceOf(UpstreamLoginError);
    const { reason, message } = error as UpstreamLoginError;
    expect(message).not.toContain(PASSWORD);
    refused = { reason, message };
  }
  await expect.poll(() => upstream.connections.open).toBe(0);
  return { lines: [...upstream.lines], refused, extensions, connected, failed };
}

const heard = async (method: SmtpLoginMethod, options?: Options) => {
  const { lines, refused } = await dialogue(method, options);
  expect(refused).toBeUndefined();
  return lines;
};

describe('plain', () => {
  test('names the user as authorization identity, in one line, after telling the client', async () => {
    expect(await heard(PLAIN)).toEqual([
      'EHLO mail.example.com',
      'XCLIENT NAME=[UNAVAILABLE] ADDR=203.0.113.5 PORT=50123 PROTO=ESMTP HELO=laptop',
      'EHLO mail.example.com',
      `AUTH PLAIN ${plainOf(`alice@example.com\0postern\0${PASSWORD}`)}`,
      'QUIT',
    ]);
  });

  test('logs in where the client’s address is not wanted', async () => {
    const lines = await heard(PLAIN, { script: { on: [[/^XCLIENT/, '550 5.7.0 no\r\n']] } });
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['EHLO', 'XCLIENT', 'AUTH', 'QUIT']);
  });

  test('waits for 334 where the line would be longer than 512 octets', async () => {
    const long = ledger(`${'L'.repeat(349)}ong secret`);
    const method = { ...PLAIN, password: new Secret(long) } as SmtpLoginMethod;
    const extensions = ['AUTH PLAIN'];
    expect(await heard(method, { script: { extensions } })).toEqual([
      'EHLO mail.example.com',
      'AUTH PLAIN',
      plainOf(`alice@example.com\0postern\0${long}`),
      'QUIT',
    ]);
    // The longest that still fits: 510 octets and CR LF.
    const fits = ledger(`${'F'.repeat(346)}its`);
    const shorter = { ...PLAIN, password: new Secret(fits) } as SmtpLoginMethod;
    const lines = await heard(shorter, { script: { extensions }, login: { user: 'a@b.c' } });
    expect(lines[1]).toHaveLength(11 + 4 * Math.ceil((5 + 1 + 7 + 1 + fits.length) / 3));
    expect(lines[1]!.length).toBeLessThanOrEqual(510);
    expect(lines[1]!.length + 4).toBeGreaterThan(490);
  });

  test('is not tried where it is not offered', async () => {
    const { refused, lines } = await dialogue(PLAIN, { script: { extensions: ['AUTH LOGIN XOAUTH2'] } });
    expect(refused).toMatchObject({
      reason: 'upstream_protocol',
      message: expect.stringMatching(/AUTH PLAIN/),
    });
    expect(lines).toEqual(['EHLO mail.example.com']);
  });
});

describe('password', () => {
  test('is one account, whoever the user is', async () => {
    expect(await heard(FIXED, { script: { extensions: ['AUTH LOGIN PLAIN'] } })).toEqual([
      'EHLO mail.example.com',
      `AUTH PLAIN ${plainOf(`\0relay\0${PASSWORD}`)}`,
      'QUIT',
    ]);
  });

  test('goes by LOGIN where there is no PLAIN (Exchange Online)', async () => {
    expect(await heard(FIXED, { script: { extensions: ['AUTH LOGIN XOAUTH2'] } })).toEqual([
      'EHLO mail.example.com',
      'AUTH LOGIN',
      plainOf('relay'),
      plainOf(PASSWORD),
      'QUIT',
    ]);
  });
});

describe('xclient', () => {
  test('names the user, and no password', async () => {
    expect(await heard(XCLIENT)).toEqual([
      'EHLO mail.example.com',
      'XCLIENT LOGIN=alice@example.com NAME=[UNAVAILABLE] ADDR=203.0.113.5 PORT=50123 PROTO=ESMTP HELO=laptop',
      'EHLO mail.example.com',
      'QUIT',
    ]);
  });

  test('only what the upstream lists, each after a space; IPv6 with its prefix; xtext', async () => {
    const options: Options = {
      script: { extensions: ['xclient addr login helo'] },
      login: {
        client: { address: '2001:db8::5', port: 1 },
        user: 'a+b=c@example.com',
        helo: 'my pc=\r\nLOGIN=root',
      },
    };
    expect((await heard(XCLIENT, options))[1]).toBe(
      'XCLIENT LOGIN=a+2Bb+3Dc@example.com ADDR=IPV6:2001:db8::5 HELO=my+20pc+3D+0D+0ALOGIN+3Droot',
    );
  });

  test('of the user alone, where the client’s address may not be told', async () => {
    const lines = await heard(XCLIENT, { target: { sendClientAddress: 'never' } });
    expect(lines[1]).toBe('XCLIENT LOGIN=alice@example.com');
    expect((await heard(PLAIN, { target: { sendClientAddress: 'never' } }))[1]).toMatch(/^AUTH/);
  });

  test('in one command, whatever has to be left out: Postfix forgets the LOGIN at a second', async () => {
    const user = `${'ü'.repeat(32)}@${'d'.repeat(60)}.${'e'.repeat(60)}.${'f'.repeat(60)}.example`;
    const lines = await heard(XCLIENT, { login: { user, helo: 'é'.repeat(200) } });
    expect(lines.filter((line) => line.startsWith('XCLIENT '))).toEqual([
      `XCLIENT LOGIN=${user.replaceAll('ü', '+C3+BC')} NAME=[UNAVAILABLE] ADDR=203.0.113.5 PORT=50123 PROTO=ESMTP`,
    ]);
    const some = await heard(XCLIENT, { login: { helo: 'é'.repeat(200) } });
    expect(some[1]).toMatch(/ HELO=(\+C3\+A9){42}$/);
  });

  test('an IPv6 client of an upstream that knows IPv4 alone is from nowhere', async () => {
    const login = { client: { address: '2001:db8::5', port: 1 } };
    const script: SmtpScript = { on: [[/IPV6:/, '501 5.5.4 Bad ADDR syntax\r\n']] };
    expect((await heard(XCLIENT, { login, script })).slice(1, 4)).toEqual([
      'XCLIENT LOGIN=alice@example.com NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::5 PORT=1 PROTO=ESMTP HELO=laptop',
      'XCLIENT LOGIN=alice@example.com NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PROTO=ESMTP HELO=laptop',
      'EHLO mail.example.com',
    ]);
  });

  test.each([
    ['no XCLIENT', ['PIPELINING']],
    ['XCLIENT without LOGIN', ['XCLIENT NAME ADDR PORT']],
  ])('is loud, and goes no further, where there is %s', async (_, extensions) => {
    const { refused, lines } = await dialogue(XCLIENT, { script: { extensions } });
    expect(refused).toMatchObject({
      reason: 'upstream_protocol',
      message: expect.stringMatching(/smtpd_authorized_xclient_hosts/),
    });
    expect(lines).toEqual(['EHLO mail.example.com']);
  });
});

describe('none', () => {
  test('says who the client is, if that is taken', async () => {
    expect(await heard(NONE, { script: { extensions: ['XCLIENT ADDR'] } })).toEqual([
      'EHLO mail.example.com',
      'XCLIENT ADDR=203.0.113.5',
      'EHLO mail.example.com',
      'QUIT',
    ]);
  });

  test('falls back to HELO', async () => {
    const { lines, extensions } = await dialogue(NONE, {
      script: { on: [[/^EHLO/, '502 5.5.1 what?\r\n']] },
    });
    expect(lines).toEqual(['EHLO mail.example.com', 'HELO mail.example.com', 'QUIT']);
    expect(extensions?.size).toBe(0);
  });

  test('does not where another method needs EHLO', async () => {
    const { lines, refused } = await dialogue(PLAIN, { script: { on: [[/^EHLO/, '502 5.5.1 what?\r\n']] } });
    expect(lines).toEqual(['EHLO mail.example.com']);
    expect(refused).toMatchObject({ reason: 'upstream_protocol', message: 'EHLO: 502 5.5.1' });
  });
});

describe('TLS', () => {
  test('STARTTLS, and nothing that was learnt before it', async () => {
    let hellos = 0;
    const { lines, extensions } = await dialogue(XCLIENT, {
      script: {
        tls: 'starttls',
        on: [
          [
            /^EHLO/,
            (upstream) => {
              hellos += 1;
              upstream.write(
                hellos === 1 ? '250-x\r\n250-CLEAR\r\n250 STARTTLS\r\n' : '250-x\r\n250 XCLIENT LOGIN\r\n',
              );
            },
          ],
        ],
      },
    });
    expect(lines).toEqual([
      'EHLO mail.example.com',
      'STARTTLS',
      'EHLO mail.example.com',
      'XCLIENT LOGIN=alice@example.com',
      'EHLO mail.example.com',
      'QUIT',
    ]);
    expect([...extensions!.keys()]).toEqual(['XCLIENT']);
  });

  test('implicit', async () => {
    expect(await heard(XCLIENT, { script: { tls: 'implicit' } })).toHaveLength(4);
  });

  test('is not done without: a server, or somebody in between, that hides STARTTLS', async () => {
    const { lines, refused } = await dialogue(PLAIN, {
      script: { tls: 'starttls', on: [[/^EHLO/, '250-x\r\n250 AUTH PLAIN\r\n']] },
    });
    expect(refused).toMatchObject({
      reason: 'upstream_unreachable',
      message: expect.stringMatching(/STARTTLS/),
    });
    expect(lines).toEqual(['EHLO mail.example.com']);
  });

  test.each([
    ['a reply', '250-x\r\n250 XCLIENT LOGIN\r\n'],
    ['half a reply', '250-evil\r\n250-AUTH PL'],
  ])('%s behind the answer to STARTTLS is never used', async (_, injected) => {
    const { lines, refused, extensions } = await dialogue(PLAIN, {
      script: {
        tls: 'starttls',
        on: [[/^STARTTLS/, (upstream) => upstream.startTls('220 go\r\n', injected)]],
      },
    });
    if (refused === undefined) expect([...extensions!.keys()]).toContain('PIPELINING');
    else expect(refused).toMatchObject({ reason: 'upstream_unreachable' });
    expect(lines.filter((line) => line.startsWith('AUTH')).length).toBe(refused === undefined ? 1 : 0);
  });
});

test('the session has the extensions of the last EHLO', async () => {
  const { extensions, connected, failed } = await dialogue(XCLIENT);
  expect([...extensions!]).toEqual(
    USUAL_EXTENSIONS.map((one) => {
      const [keyword = '', ...parameters] = one.split(' ');
      return [keyword, parameters.join(' ')];
    }),
  );
  expect({ connected, failed }).toEqual({ connected: ['127.0.0.1'], failed: [] });
});
