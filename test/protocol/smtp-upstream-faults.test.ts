// An SMTP upstream that fails in every way that we could think of: at each step of the login, and afterwards in the middle of a
// session. Each time whoever waits hears of it, with the right reason, and nothing is left open.

import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import { Secret } from '../../src/lib/secret.ts';
import { UpstreamLoginError } from '../../src/protocols/admission.ts';
import {
  openSmtpUpstream,
  type SmtpLogin,
  type SmtpUpstream,
  UpstreamGoneError,
  type UpstreamSession,
} from '../../src/protocols/smtp/upstream.ts';
import { freePort } from '../support/ports.ts';
import {
  type ScriptedSmtpUpstream,
  type SmtpReaction,
  type SmtpScript,
  startScriptedSmtpUpstream,
} from '../support/scripted-smtp-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';

const PASSWORD = ledger('fAu7 of the relay account');

function targetAt(port: number, more: Partial<SmtpUpstream> = {}): SmtpUpstream & { failures: string[] } {
  const failures: string[] = [];
  return {
    name: 'script',
    addresses: [{ host: '127.0.0.1', port }],
    tls: 'none',
    ca: null,
    serverName: null,
    fingerprint: null,
    connectDeadline: 60_000,
    loginDeadline: 60_000,
    sendClientAddress: 'secure',
    login: { method: 'plain', user: 'postern', password: new Secret(PASSWORD) },
    onConnected: () => {},
    onFailed: (_, error) => failures.push(error.message),
    failures,
    ...more,
  };
}

const facts = (more: Partial<SmtpLogin> = {}): SmtpLogin => ({
  user: 'alice@example.com',
  client: { address: '203.0.113.5', port: 50_123 },
  destination: { address: '192.0.2.1', port: 587 },
  sessionId: 's-1',
  hostname: 'mail.example.com',
  helo: null,
  signal: new AbortController().signal,
  clock: systemClock,
  ...more,
});

/** The login fails; gives why. Nothing is left open. */
async function refusal(script: SmtpScript, more?: Partial<SmtpUpstream>) {
  await using upstream = await startScriptedSmtpUpstream(script);
  const target = targetAt(upstream.port, more);
  const error = await openSmtpUpstream(target, facts()).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UpstreamLoginError);
  await expect.poll(() => upstream.connections.open).toBe(0);
  const { reason, message } = error as UpstreamLoginError;
  expect(message).not.toContain(PASSWORD);
  return { reason, message, failures: target.failures, lines: [...upstream.lines] };
}

/** For an upstream that keeps Postern waiting: only then a deadline may be why. */
const SHORT = { connectDeadline: 300, loginDeadline: 300 };
const deadlines = (message: RegExp) => (message.source.startsWith('no ') ? SHORT : {});

const drop: SmtpReaction = (upstream) => upstream.drop();
const end: SmtpReaction = (upstream) => upstream.end();
const XCLIENT_LOGIN = { login: { method: 'xclient' } } as const;

describe('at the greeting', () => {
  test.each<[string, string | null, RegExp]>([
    ['no service', '554 5.3.2 no\r\n', /greeting: 554 5.3.2$/],
    ['overloaded', '421 4.3.2 later\r\n', /greeting: 421 4.3.2$/],
    ['no SMTP', '* OK IMAP4rev1\r\n', /not SMTP/],
    ['a strange code', '250 hello\r\n', /greeting: 250$/],
    ['silence', null, /no greeting within 0.3 s/],
    ['half a greeting', '220-wait', /no greeting within/],
    ['10 MB', '220-x\r\n'.repeat(1_500_000), /more than 100 lines/],
    ['10 MB without a line end', 'x'.repeat(10_000_000), /too long/],
    ['codes that differ', '220-x\r\n554 y\r\n', /different codes/],
  ])('%s', async (_, greeting, message) => {
    const { reason, message: told } = await refusal({ greeting }, deadlines(message));
    expect(reason).toBe('upstream_unreachable');
    expect(told).toMatch(message);
  });

  test('nobody listens', async () => {
    const error = openSmtpUpstream(targetAt(await freePort()), facts());
    await expect(error).rejects.toMatchObject({ reason: 'upstream_unreachable' });
  });
});

describe.each<
  [step: string, pattern: RegExp, more: Partial<SmtpUpstream>, permanent: string, closed: string]
>([
  ['EHLO', /^EHLO/, {}, 'upstream_protocol', 'upstream_unreachable'],
  // From here on it knows who the user is, and may have closed because of that.
  ['XCLIENT', /^XCLIENT/, XCLIENT_LOGIN, 'upstream_refused_postern', 'upstream_closed'],
  ['AUTH', /^AUTH/, {}, 'upstream_refused_postern', 'upstream_closed'],
])('at %s', (step, pattern, more, permanent, closed) => {
  test.each<[string, SmtpReaction, reason: string, RegExp]>([
    ['4xx', '454 4.7.0 not now\r\n', 'upstream_unreachable', /: 454 4.7.0$/],
    ['421', '421 4.3.2 closing\r\n', closed, /: 421 4.3.2$|ended the connection.*: "4\.3\.2 closing"/],
    ['432, too many connections', '432 4.3.2 limit\r\n', 'upstream_unreachable', /: 432 4.3.2$/],
    ['5xx', '535 5.7.8 no\r\n', permanent, /: 535 5.7.8$/],
    ['5xx, and closes', (upstream) => upstreamSays(upstream, '535 no\r\n'), permanent, /: 535$/],
    ['a code that does not belong there', '251 2.0.0 what\r\n', 'upstream_protocol', /: 251/],
    ['nonsense', 'what?\r\n', 'upstream_protocol', /not SMTP/],
    ['NULs', '\0\0\0\0\r\n', 'upstream_protocol', /not SMTP/],
    ['10 MB', '250-x\r\n'.repeat(1_500_000), 'upstream_protocol', /more than 100 lines/],
    ['silence', null, 'upstream_unreachable', /no end of the login/],
    ['a reply without end', '250-x\r\n250', 'upstream_unreachable', /no end of the login/],
    ['the end of the connection', end, closed, /closed the connection|ended the connection/],
    ['a reset', drop, closed, /broke: ECONNRESET|closed the connection|ended the connection/],
  ])('%s', async (_, reaction, reason, message) => {
    const outcome = await refusal({ on: [[pattern, reaction]] }, { ...more, ...deadlines(message) });
    expect(outcome.reason).toBe(reason);
    expect(outcome.message).toMatch(message);
    expect(outcome.failures).toEqual(reason === 'upstream_unreachable' ? [outcome.message] : []);
    expect(outcome.lines.at(-1)).toMatch(new RegExp(`^${step}`));
  });
});

function upstreamSays(upstream: { write(data: string): void; end(): void }, text: string): void {
  upstream.write(text);
  upstream.end();
}

test('a challenge that does not end is not answered for ever', async () => {
  const outcome = await refusal({ extensions: ['AUTH PLAIN'], on: [[/./, '334 more\r\n']] });
  expect(outcome).toMatchObject({ reason: 'upstream_protocol', message: 'EHLO: 334' });
  const auth = await refusal({ extensions: ['AUTH PLAIN'], on: [[/^AUTH/, '334 more\r\n']] });
  expect(auth).toMatchObject({ reason: 'upstream_protocol', message: 'AUTH: 334' });
});

test('what the upstream repeats of the credentials is not told', async () => {
  const echo: SmtpReaction = (upstream, [line]) =>
    upstream.write(`535 5.7.8 ${Buffer.from(line.split(' ')[2]!, 'base64')}\r\n`);
  const { message } = await refusal({ on: [[/^AUTH .*/, echo]] });
  expect(message).toBe('AUTH: 535 5.7.8');
});

test('a client that goes ends the login, whatever step it is in', async () => {
  for (const step of [/^EHLO/, /^XCLIENT/, /^AUTH/]) {
    await using upstream = await startScriptedSmtpUpstream({ on: [[step, null]] });
    const leaving = new AbortController();
    const target = targetAt(upstream.port, { loginDeadline: 60_000 });
    const opening = openSmtpUpstream(target, facts({ signal: leaving.signal }));
    const outcome = expect(opening).rejects.toMatchObject({ reason: 'session_ended' });
    await expect.poll(() => upstream.lines.some((line) => step.test(line))).toBe(true);
    leaving.abort();
    await outcome;
    await expect.poll(() => upstream.connections.open).toBe(0);
    expect(target.failures).toEqual([]);
  }
});

describe('in a session', () => {
  async function joined(script: SmtpScript = {}): Promise<{
    upstream: ScriptedSmtpUpstream;
    session: UpstreamSession;
    gone: Error[];
    [Symbol.asyncDispose](): Promise<void>;
  }> {
    const upstream = await startScriptedSmtpUpstream();
    const session = await openSmtpUpstream(targetAt(upstream.port), facts());
    upstream.setScript(script);
    const gone: Error[] = [];
    session.onGone((error) => gone.push(error));
    return {
      upstream,
      session,
      gone,
      async [Symbol.asyncDispose]() {
        session.destroy();
        await upstream[Symbol.asyncDispose]();
      },
    };
  }

  async function inData(script: SmtpScript) {
    const all = await joined(script);
    await all.session.command('MAIL FROM:<alice@example.com>');
    await all.session.command('RCPT TO:<bob@example.org>');
    expect((await all.session.command('DATA')).code).toBe(354);
    return all;
  }

  test('commands are answered in order, pipelined too, and a message is taken', async () => {
    await using all = await joined({ on: [[/^RCPT TO:<no/, '550-5.1.1 nobody\r\n550 5.1.1 here\r\n']] });
    const { session, upstream, gone } = all;
    const replies = await Promise.all([
      session.command('MAIL FROM:<alice@example.com> BODY=8BITMIME'),
      session.command('RCPT TO:<no@example.org>'),
      session.command('RCPT TO:<bob@example.org>'),
      session.command('DATA'),
    ]);
    expect(replies.map(({ code }) => code)).toEqual([250, 550, 250, 354]);
    expect(replies[1]!.lines).toEqual(['5.1.1 nobody', '5.1.1 here']);
    session.write(Buffer.from('Subject: x\r\n\r\n'));
    session.write(Buffer.from('..\r\nHello'));
    const answer = await session.endData(Buffer.from('\r\n.\r\n'));
    expect(answer).toEqual({ code: 250, lines: ['2.0.0 queued as 1'] });
    expect(upstream.messages[0]!.data.toString()).toBe('Subject: x\r\n\r\n..\r\nHello');
    session.quit();
    await expect.poll(() => upstream.connections.open).toBe(0);
    expect(upstream.lines.at(-1)).toBe('QUIT');
    expect(gone).toEqual([]);
  });

  test('silence is bounded, and the other commands in the pipeline hear it too', async () => {
    await using all = await joined({ on: [[/./, null]] });
    const outcomes = await Promise.allSettled([
      all.session.command('MAIL FROM:<a@example.com>', 100),
      all.session.command('RCPT TO:<b@example.org>'),
    ]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: expect.objectContaining({ why: 'silent', message: 'it does not answer MAIL' }),
      });
    }
    expect(all.gone).toHaveLength(1);
    await expect(all.session.command('RSET')).rejects.toBeInstanceOf(UpstreamGoneError);
    await expect.poll(() => all.upstream.connections.open).toBe(0);
  });

  test('421 is heard by whoever waits, and is the end', async () => {
    await using all = await joined({ on: [[/^MAIL/, '421 4.4.2 bye\r\n']] });
    const [mail, rcpt] = await Promise.allSettled([
      all.session.command('MAIL FROM:<a@example.com>'),
      all.session.command('RCPT TO:<b@example.org>'),
    ]);
    expect(mail).toMatchObject({ status: 'fulfilled', value: { code: 421, lines: ['4.4.2 bye'] } });
    expect(rcpt).toMatchObject({ status: 'rejected', reason: expect.any(UpstreamGoneError) });
    expect(all.gone.map(({ message }) => message)).toEqual(['it said 421 to MAIL']);
  });

  test.each<[string, (upstream: ScriptedSmtpUpstream) => void, RegExp]>([
    ['a reset', (upstream) => upstream.dropAll(), /broke: ECONNRESET|closed/],
  ])('between commands: %s is told once', async (_, happen, message) => {
    await using all = await joined();
    happen(all.upstream);
    await expect.poll(() => all.gone.length).toBe(1);
    expect(all.gone[0]!.message).toMatch(message);
    const late: Error[] = [];
    all.session.onGone((error) => late.push(error));
    expect(late).toEqual(all.gone);
  });

  test('a reply that nobody asked for is the end', async () => {
    await using all = await joined({ on: [[/^RSET/, '250 a\r\n250 b\r\n']] });
    expect((await all.session.command('RSET')).lines).toEqual(['a']);
    await expect.poll(() => all.gone.length).toBe(1);
    expect(all.gone[0]).toMatchObject({ why: 'nonsense' });
  });

  test.each<[string, SmtpReaction]>([
    ['closes', end],
    ['resets the connection', drop],
  ])('it takes a message and %s before it answers: nobody is told that it was taken', async (_, reaction) => {
    await using all = await inData({ on: [[/^<message>$/, reaction]] });
    const answer = all.session.endData(Buffer.from('x\r\n.\r\n'));
    await expect(answer).rejects.toBeInstanceOf(UpstreamGoneError);
    expect(all.upstream.messages).toHaveLength(1);
  });

  test('a refusal before the end of the data is the answer to the message, and no end of data is sent', async () => {
    await using all = await inData({
      on: [[/^DATA/, '354 go on\r\n552 5.3.4 too big\r\n']],
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(all.session.write(Buffer.alloc(1_000_000, 'x'))).toBe(true);
    await all.session.drained();
    expect(await all.session.endData(Buffer.from('\r\n.\r\n'))).toEqual({
      code: 552,
      lines: ['5.3.4 too big'],
    });
    await expect.poll(() => all.upstream.connections.open).toBe(0);
    expect(all.upstream.messages).toEqual([]);
  });

  test('an acceptance before the end of the data is none', async () => {
    await using all = await inData({ on: [[/^DATA/, '354 go on\r\n250 2.0.0 taken\r\n']] });
    await expect.poll(() => all.gone.length).toBe(1);
    await expect(all.session.endData(Buffer.from('\r\n.\r\n'))).rejects.toMatchObject({ why: 'nonsense' });
    expect(all.upstream.messages).toEqual([]);
  });

  test('an upstream that reads no more makes the writer wait, and one that goes wakes it', async () => {
    await using all = await inData({
      on: [
        [
          /^DATA/,
          (upstream) => {
            upstream.write('354 go on\r\n');
            upstream.stopReading();
          },
        ],
      ],
    });
    const block = Buffer.alloc(1 << 20, 'x');
    while (all.session.write(block));
    let isDrained = false;
    const drained = all.session.drained().then(() => {
      isDrained = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isDrained).toBe(false);
    const outcome = expect(drained).rejects.toBeInstanceOf(UpstreamGoneError);
    all.upstream.dropAll();
    await outcome;
  });

  test('quit in the middle of a message ends nothing that could be taken for one', async () => {
    await using all = await inData({});
    all.session.write(Buffer.from('half a mess'));
    all.session.quit();
    await expect.poll(() => all.upstream.connections.open).toBe(0);
    expect(all.upstream.lines.at(-1)).toBe('DATA');
    expect(all.upstream.messages).toEqual([]);
    expect(all.gone).toEqual([]);
  });

  test('quit does not wait for an upstream that never says goodbye', async () => {
    await using all = await joined({ on: [[/^QUIT/, null]] });
    all.session.quit();
    await expect.poll(() => all.upstream.connections.open).toBe(0);
  });
});
