// Mail that people's clients send through Postern to a real Postfix: it arrives, byte for byte, in the name of whoever logged in.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../support/child-process.ts';
import { type SmtpChain, startPosternBeforePostfix } from '../support/postern-before-postfix.ts';
import { ledger, mask } from '../support/secrets-ledger.ts';
import {
  type Mail,
  type SmtpAccount,
  sendByCurl,
  sendByMsmtp,
  sendByNodemailer,
  sendBySwaks,
} from '../support/smtp-clients.ts';
import { connect } from '../support/transcript.ts';

let chain: SmtpChain;
beforeAll(async () => {
  chain = await startPosternBeforePostfix();
});
afterAll(async () => {
  await chain?.[Symbol.asyncDispose]();
});

const USER = 'alice@example.com';
/** One device, however many clients try it. */
let device: Promise<SmtpAccount> | undefined;
async function account(tls: SmtpAccount['tls'] = 'implicit'): Promise<SmtpAccount> {
  device ??= chain.account(USER);
  return { ...(await device), tls, port: chain.ports[tls === 'implicit' ? 'submissions' : 'smtp'] };
}

let count = 0;
function mail(body: string | Buffer = '.dot\r\n..two\r\nend\r\n', more: Partial<Mail> = {}) {
  count += 1;
  const subject = `message-${process.pid}-${count}`;
  const message = Buffer.concat([
    Buffer.from(`From: ${USER}\r\nTo: bob@example.org\r\nSubject: ${subject}\r\n\r\n`),
    Buffer.from(body),
  ]);
  return { subject, from: USER, to: ['bob@example.org'], message, ...more };
}

/** What arrived behind Postfix with this subject, dots as they were; waits for the first. */
async function arrived(subject: string) {
  const found = () =>
    chain.postfix.sink.messages.filter(({ data }) => data.includes(`Subject: ${subject}\r\n`));
  await expect.poll(() => found().length).toBeGreaterThan(0);
  return found().map(({ envelope, data }) => {
    const raw = data.toString('latin1').replaceAll('\r\n.', '\r\n');
    return {
      envelope,
      head: raw.slice(0, raw.indexOf('\r\n\r\n')),
      body: raw.slice(raw.indexOf('\r\n\r\n') + 4),
    };
  });
}

type Send = (account: SmtpAccount, message: Mail) => Promise<string>;
const nodemailer =
  (method: 'PLAIN' | 'LOGIN'): Send =>
  (at, message) =>
    sendByNodemailer({ ...at, ca: chain.pki.ca.cert }, message, method);

describe.each(['implicit', 'starttls'] as const)('%s TLS', (tls) => {
  test.each<[string, Send]>([
    ['swaks, AUTH PLAIN', (at, message) => sendBySwaks(at, message, 'PLAIN')],
    ['swaks, AUTH LOGIN', (at, message) => sendBySwaks(at, message, 'LOGIN')],
    ['swaks, pipelining', (at, message) => sendBySwaks(at, message, 'PLAIN', ['--pipeline'])],
    ['msmtp, AUTH PLAIN', (at, message) => sendByMsmtp(at, message, 'plain')],
    ['msmtp, AUTH LOGIN', (at, message) => sendByMsmtp(at, message, 'login')],
    ['curl', sendByCurl],
    ['nodemailer, AUTH PLAIN', nodemailer('PLAIN')],
    ['nodemailer, AUTH LOGIN', nodemailer('LOGIN')],
  ])('%s', async (_, send) => {
    const message = mail();
    expect(await send(await account(tls), message)).toBe('ok');
    const [one, ...others] = await arrived(message.subject);
    expect(others).toEqual([]);
    expect(one!.body.trimEnd()).toBe('.dot\r\n..two\r\nend');
    expect(one!.envelope[0]).toMatch(/^MAIL FROM:<alice@example\.com>/);
    expect(one!.envelope.slice(1).map((line) => line.split(' ')[1])).toEqual(['TO:<bob@example.org>']);
    // Postfix's word for who the client is, not Postern's address nor anybody's name for it.
    await chain.postfix.logged(
      /client=unknown\[127\.0\.0\.1\], sasl_method=XCLIENT, sasl_username=alice@example\.com/,
    );
  });
});

test('openssl s_client', async () => {
  const { password } = await account();
  const auth = ledger(Buffer.from(`\0${USER}\0${password.replaceAll(' ', '')}`).toString('base64'));
  const { subject } = mail();
  // s_client takes a line that begins with Q or R for a command of its own.
  const input = `EHLO me\nAUTH PLAIN ${auth}\nmail from:<${USER}>\nrcpt to:<bob@example.org>\nDATA\nSubject: ${subject}\n\nby hand\n.\nquit\n`;
  const { stdout } = await run(
    'openssl',
    [
      ...['s_client', '-quiet', '-crlf', '-verify_return_error', '-servername', 'localhost'],
      ...['-CAfile', chain.pki.ca.certFile, '-connect', `localhost:${chain.ports.smtp}`, '-starttls', 'smtp'],
    ],
    { input },
  );
  expect(mask(stdout)).toMatch(/^250 2\.0\.0 Ok: queued as \w+\r$/m);
  expect((await arrived(subject))[0]!.body).toBe('by hand');
});

test('a 25 MB attachment arrives byte for byte', async () => {
  const lines = randomBytes(18_750_000)
    .toString('base64')
    .replace(/(.{76})/g, '$1\r\n');
  const message = mail(`${lines}\r\n`);
  expect(message.message.length).toBeGreaterThan(25_000_000);
  expect(await sendByCurl(await account(), message)).toBe('ok');
  const [one] = await arrived(message.subject);
  // Not toBe: nobody wants to read that difference.
  const [sent, got] = [lines.trimEnd(), one!.body.trimEnd()];
  const different = [...Array(Math.ceil(sent.length / 1000)).keys()].find(
    (i) => sent.slice(i * 1000, i * 1000 + 1000) !== got.slice(i * 1000, i * 1000 + 1000),
  );
  expect([got.length, different]).toEqual([sent.length, undefined]);
});

describe('by hand', () => {
  async function loggedIn(localAddress = '127.0.0.1') {
    const { password } = await account();
    const client = await connect({
      port: chain.ports.submissions,
      tls: true,
      ca: chain.pki.ca.cert,
      localAddress,
    });
    await client.expect(/^220 /);
    await client.send('EHLO me\r\n');
    const extensions = await client.expectUntil(/^250 /);
    const auth = ledger(Buffer.from(`\0${USER}\0${password.replaceAll(' ', '')}`).toString('base64'));
    await client.send(`AUTH PLAIN ${auth}\r\n`);
    await client.expect(/^235 2\.7\.0 /);
    return { client, extensions: extensions.map((line) => line.slice(4)) };
  }

  test('what Postfix can do is offered, and arrives: 8BITMIME, SMTPUTF8, DSN', async () => {
    const { client, extensions } = await loggedIn();
    await using _ = client;
    expect(extensions).toEqual(
      expect.arrayContaining([
        'SIZE 52428800',
        '8BITMIME',
        'SMTPUTF8',
        'DSN',
        'PIPELINING',
        'ENHANCEDSTATUSCODES',
      ]),
    );
    expect(extensions.join()).not.toMatch(/XCLIENT|CHUNKING|VRFY|ETRN/);
    const { subject } = mail();
    await client.send(
      `MAIL FROM:<${USER}> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e-1\r\n` +
        'RCPT TO:<jürgen@example.org> NOTIFY=FAILURE,DELAY ORCPT=rfc822;j@example.org\r\n' +
        'DATA\r\n',
    );
    await client.expect(/^250 2\.1\.0 /);
    await client.expect(/^250 2\.1\.5 /);
    await client.expect(/^354 /);
    await client.send(`Subject: ${subject}\r\n\r\nGrüße\r\n.\r\n`);
    await client.expect(/^250 2\.0\.0 Ok: queued as \w+$/);
    const [one] = await arrived(subject);
    expect(Buffer.from(one!.body, 'latin1').toString()).toBe('Grüße');
    expect(one!.envelope[0]).toMatch(/ BODY=8BITMIME.* SMTPUTF8/);
    expect(one!.envelope[0]).toMatch(/ ENVID=e-1 RET=HDRS/);
    expect(one!.envelope[1]).toMatch(/^RCPT TO:<jürgen@example\.org> ORCPT=\S+ NOTIFY=FAILURE,DELAY$/);
  });

  test('Postfix’s log has the client’s own address', async () => {
    const { client } = await loggedIn('127.0.0.5');
    await using _ = client;
    await client.send(`MAIL FROM:<${USER}>\r\nRCPT TO:<bob@example.org>\r\nRSET\r\n`);
    for (let i = 0; i < 3; i += 1) await client.expect(/^250 /);
    await chain.postfix.logged(
      /client=unknown\[127\.0\.0\.5\], sasl_method=XCLIENT, sasl_username=alice@example\.com/,
    );
  });

  test('Postfix’s own answers reach the client', async () => {
    const { client } = await loggedIn();
    await using _ = client;
    await client.send(`MAIL FROM:<${USER}> SIZE=1000\r\nRCPT TO:<"bad\r\n`);
    await client.expect(/^250 2\.1\.0 Ok$/);
    await client.expect(/^50[01] 5\.\d\.\d /);
    await client.send('RCPT TO:<bob@example..org>\r\n');
    await client.expect(/^501 5\.1\.3 Bad recipient address syntax$/);
    await client.send('QUIT\r\n');
    await client.expect(/^221 2\.0\.0 /);
  });

  test.each([
    ['LF . LF', '\n.\n'],
    ['LF . CR LF', '\n.\r\n'],
    ['CR LF . LF', '\r\n.\n'],
    ['CR . CR', '\r.\r'],
    ['CR . CR LF', '\r.\r\n'],
    ['CR LF . CR', '\r\n.\r'],
    ['CR LF . CR CR LF', '\r\n.\r\r\n'],
    ['LF . LF CR LF', '\n.\n\r\n'],
    ['CR LF NUL . CR LF', '\r\n\0.\r\n'],
    ['CR LF . NUL CR LF', '\r\n.\0\r\n'],
  ])('no second message by %s', async (_, end) => {
    const { client } = await loggedIn();
    await using __ = client;
    const { subject: outer } = mail();
    const { subject: inner } = mail();
    const before = chain.postfix.sink.messages.length;
    await client.send(`MAIL FROM:<${USER}>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n`);
    await client.expect(/^250 /);
    await client.expect(/^250 /);
    await client.expect(/^354 /);
    await client.send(
      `Subject: ${outer}\r\n\r\nx${end}` +
        `MAIL FROM:<boss@example.com>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: ${inner}\r\n\r\nsmuggled\r\n.\r\n`,
    );
    const answer = await client.expect(/^(250|550) /);
    await client.send('NOOP\r\n');
    await client.expect(/^250 /);
    // A message that follows is the proof that nothing is still to come.
    const after = mail();
    expect(await sendByNodemailer({ ...(await account()), ca: chain.pki.ca.cert }, after)).toBe('ok');
    await arrived(after.subject);
    const seen = chain.postfix.sink.messages.slice(before).map(({ envelope }) => envelope.join());
    expect(seen.join()).not.toMatch(/boss@|victim@/);
    expect(seen.length).toBeLessThanOrEqual(answer[1] === '250' ? 2 : 1);
    expect(chain.postfix.log()).not.toMatch(/boss@|victim@/);
  });
});

test('a wrong guess never reaches Postfix', async () => {
  const connects = () => chain.postfix.log().match(/ connect from /g)?.length ?? 0;
  const before = connects();
  const at = await account();
  const guess = ledger('gue5 sthe 2nda yout');
  const outcome = await sendBySwaks({ ...at, password: guess }, mail());
  expect(outcome).toMatch(/535 5\.7\.8/);
  expect(connects()).toBe(before);
});
