// AUTH (RFC 4954) on the wire: PLAIN and LOGIN in every form that clients use, what is refused and by which code.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { base64, MASTER, plainMessage } from './postern-before-script.ts';
import { GREETING, type SmtpSetting, startSmtpSetting } from './smtp-setting.ts';

let postern: SmtpSetting;
beforeAll(async () => {
  postern = await startSmtpSetting();
});
afterAll(() => postern[Symbol.asyncDispose]());

const OK = '235 2.7.0 Authentication successful';
const FAILED = '535 5.7.8 Authentication failed';

describe('before TLS', () => {
  test('no AUTH is offered, and none is taken', async () => {
    await using client = await postern.plain();
    await client.expect(GREETING);
    await client.send('EHLO 172.16.0.35\r\n');
    const lines = await client.expectUntil(/^250 /);
    expect(lines[0]).toBe('250-mail.example.com');
    expect(lines.at(-1)).toBe('250 STARTTLS');
    expect(lines.join()).not.toContain('AUTH');
    await client.send(`AUTH PLAIN ${plainMessage('alice', postern.password)}\r\n`);
    await client.expect('538 5.7.11 Encryption required: turn on STARTTLS first');
    await client.send('AUTH LOGIN\r\n');
    await client.expect('538 5.7.11 …');
    for (const command of ['MAIL FROM:<alice@example.com>', 'RCPT TO:<b@example.com>', 'DATA']) {
      await client.send(`${command}\r\n`);
      await client.expect('530 5.7.0 Must issue a STARTTLS command first');
    }
    expect(postern.events('login')).toEqual([]);
  });

  test('STARTTLS, and what was said in clear is forgotten', async () => {
    await using client = await postern.plain();
    await client.expect(GREETING);
    await client.send('EHLO pc\r\n');
    await client.expectUntil('250 STARTTLS');
    await client.send('STARTTLS now\r\n');
    await client.expect('501 5.5.4 …');
    await client.send('STARTTLS\r\n');
    await client.expect('220 2.0.0 Ready to start TLS');
    await client.startTls();
    await client.send('EHLO pc\r\n');
    const lines = await client.expectUntil(/^250 /);
    expect(lines).toContain('250 AUTH LOGIN PLAIN');
    expect(lines.join()).not.toContain('STARTTLS');
    await client.send('STARTTLS\r\n');
    await client.expect('503 5.5.1 TLS is on already');
    await client.send(`AUTH PLAIN ${plainMessage('alice', postern.password)}\r\n`);
    await client.expect(OK);
  });

  test('commands that came behind STARTTLS in clear are thrown away (CVE-2021-33515)', async () => {
    await using client = await postern.plain();
    await client.expect(GREETING);
    const injected = `EHLO evil\r\nAUTH PLAIN ${plainMessage('alice', postern.password)}\r\nMAIL FROM:<alice@example.com>\r\n`;
    await client.send(`STARTTLS\r\n${injected}`);
    await client.expect('220 …');
    await client.startTls();
    await client.quiet(100);
    await client.send('MAIL FROM:<alice@example.com>\r\n');
    await client.expect('530 5.7.0 Authentication required');
  });

  test('nor is the name that the client had in clear told to anybody', async () => {
    await using client = await postern.plain();
    await client.expect(GREETING);
    await client.send('EHLO said-in-clear\r\n');
    await client.expectUntil('250 STARTTLS');
    await client.send('STARTTLS\r\n');
    await client.expect('220 …');
    await client.startTls();
    await client.send(`AUTH PLAIN ${plainMessage('alice', postern.password)}\r\n`);
    await client.expect(OK);
    expect(postern.events('login').at(-1)).toMatchObject({ verdict: 'admitted', software: null });
    expect(postern.upstream.lines.join('\n')).not.toContain('said-in-clear');
  });

  test('nor do they count where they come in other packets than STARTTLS', async () => {
    const text = `STARTTLS\r\nAUTH PLAIN ${plainMessage('alice', postern.password)}\r\nMAIL FROM:<alice@example.com>\r\n`;
    const logins = postern.events('login').length;
    for (const at of [5, 9, 10, 11, 30]) {
      for (const pause of [0, 5]) {
        await using client = await postern.plain();
        await client.expect(GREETING);
        client.socket.setNoDelay(true);
        await client.send(text.slice(0, at));
        await new Promise((resolve) => setTimeout(resolve, pause));
        await client.send(text.slice(at));
        await client.expect('220 2.0.0 Ready to start TLS');
        const isSecured = await client.startTls().then(
          () => true,
          // What came later than the 220 is no TLS.
          () => false,
        );
        if (!isSecured) continue;
        await client.send('MAIL FROM:<alice@example.com>\r\n');
        await client.expect('530 5.7.0 Authentication required');
      }
    }
    expect(postern.events('login')).toHaveLength(logins);
  });

  test('a port without TLS takes logins, if the config says so', async () => {
    await using client = await postern.inClear();
    await client.expect(GREETING);
    await client.send('EHLO scanner\r\n');
    const lines = await client.expectUntil(/^250 /);
    expect(lines.at(-1)).toBe('250 AUTH LOGIN PLAIN');
    await client.send('STARTTLS\r\n');
    await client.expect('502 5.5.1 No TLS on this port');
    await client.send(`AUTH LOGIN ${base64('alice')}\r\n`);
    await client.expect('334 UGFzc3dvcmQ6');
    await client.send(`${base64(postern.password)}\r\n`);
    await client.expect(OK);
  });

  test('plaintext on the TLS port is told what to do', async () => {
    await using client = await postern.plainToTlsPort();
    await client.send('EHLO pc\r\n');
    await client.expect('554 5.7.0 This port speaks TLS from the first byte: …');
    await client.closed();
  });
});

describe('forms', () => {
  const full = () => plainMessage('alice', postern.password);
  test.each<[string, (p: () => string) => readonly (readonly [string, string])[]]>([
    ['PLAIN with an initial response', () => [[`AUTH PLAIN ${full()}`, OK]]],
    ['in lower case', () => [[`auth plain ${full()}`, OK]]],
    [
      'PLAIN without',
      () => [
        ['AUTH PLAIN', '334 '],
        [full(), OK],
      ],
    ],
    [
      'PLAIN with the authorization identity that is the login',
      () => [[`AUTH PLAIN ${plainMessage('alice', postern.password, 'alice')}`, OK]],
    ],
    [
      'PLAIN with one that is the same user',
      () => [[`AUTH PLAIN ${plainMessage('alice', postern.password, 'EXAMPLE\\Alice')}`, OK]],
    ],
    [
      'LOGIN',
      () => [
        ['AUTH LOGIN', '334 VXNlcm5hbWU6'],
        [base64('alice@EXAMPLE.com'), '334 UGFzc3dvcmQ6'],
        [base64(postern.password), OK],
      ],
    ],
    [
      'LOGIN with the name inline',
      () => [
        [`AUTH LOGIN ${base64('EXAMPLE\\alice')}`, '334 UGFzc3dvcmQ6'],
        [base64(postern.password.toUpperCase()), OK],
      ],
    ],
  ])('%s', async (_, dialogue) => {
    await using client = await postern.client();
    for (const [said, heard] of dialogue(full)) {
      await client.send(`${said}\r\n`);
      await client.expect(heard);
    }
    expect(postern.upstream.lines.at(-1)).toBe(
      `AUTH PLAIN ${plainMessage(MASTER.user, MASTER.password, 'alice@example.com')}`,
    );
  });

  test('one octet at a time', async () => {
    await using client = await postern.client();
    for (const octet of `AUTH PLAIN ${full()}\r\n`) await client.send(octet);
    await client.expect(OK);
  });

  test('without EHLO, with an empty HELO, with a bare LF at the end', async () => {
    await using client = await postern.client();
    await client.send('HELO\r\n');
    await client.expect('250 mail.example.com');
    await client.send('EHLO\n');
    await client.expectUntil(/^250 /);
    await client.send(`AUTH PLAIN ${full()}\n`);
    await client.expect(OK);
  });

  test('with a computer’s name in Latin-1', async () => {
    for (const verb of ['EHLO', 'helo']) {
      await using client = await postern.client();
      await client.send(Buffer.from(`${verb} J\u00fcrgen-PC\r\n`, 'latin1'));
      await client.expectUntil(/^250 /);
      await client.send(Buffer.from('VRFY J\u00fcrgen\r\n', 'latin1'));
      await client.expect(/^500 5\.5\.2 /);
      await client.send(`AUTH PLAIN ${plainMessage('alice', postern.password)}\r\n`);
      await client.expect(OK);
    }
    expect(postern.events('login').at(-1)).toMatchObject({ software: 'J?rgen-PC' });
    expect(postern.upstream.lines.filter((line) => line.includes(' HELO=J')).at(-1)).toMatch(
      / HELO=J\?rgen-PC$/,
    );
  });

  test('AUTH= is said too, where the config wants it', async () => {
    await using client = await postern.client();
    await client.send('EHLO old\r\n');
    const lines = await client.expectUntil(/^250 /);
    expect(lines.slice(-2)).toEqual(['250-AUTH LOGIN PLAIN', '250 AUTH=LOGIN PLAIN']);
  });

  test('a second AUTH', async () => {
    await using client = await postern.session();
    await client.send(`AUTH PLAIN ${full()}\r\n`);
    await client.expect('503 5.5.1 Already authenticated');
    await client.send('EHLO pc\r\n');
    expect((await client.expectUntil(/^250 /)).join()).not.toContain('AUTH');
  });
});

describe('no', () => {
  test.each([
    ['AUTH', '501 5.5.4 …'],
    ['AUTH PLAIN a b', '501 5.5.4 …'],
    ['AUTH CRAM-MD5', '504 5.5.4 …'],
    ['AUTH NTLM', '504 5.5.4 …'],
    ['AUTH PLAIN *', '501 5.7.0 Authentication cancelled'],
    ['AUTH PLAIN !!!!', '501 5.5.2 Invalid base64'],
    ['AUTHPLAIN', '500 5.5.2 …'],
  ])('%s', async (said, heard) => {
    const before = postern.events('login').length;
    await using client = await postern.client();
    await client.send(`${said}\r\n`);
    await client.expect(heard);
    await client.send('NOOP\r\n');
    await client.expect('250 2.0.0 OK');
    expect(postern.events('login').length).toBe(before);
  });

  test.each<[string, () => string, string, string]>([
    ['one NUL', () => `alice\0${postern.password}`, 'Authentication failed', 'not_an_app_password'],
    ['no name', () => `\0\0${postern.password}`, 'Authentication failed', 'bad_credentials'],
    ['a NUL behind', () => `\0alice\0${postern.password}\0`, 'Authentication failed', 'not_an_app_password'],
    ['a line end', () => `\0alice\0${postern.password}\r\n`, 'Authentication failed', 'not_an_app_password'],
    ['nothing', () => '', 'Authentication failed', 'empty_password'],
    [
      'another identity',
      () => `bob\0alice\0${postern.password}`,
      'Logging in as another user is not possible',
      'other_identity',
    ],
  ])('PLAIN with %s: 535, so that the client asks its user', async (_, message, heard, reason) => {
    const upstream = postern.upstream.connections.total;
    await using client = await postern.client();
    await client.send(`AUTH PLAIN ${base64(message()) || '='}\r\n`);
    await client.expect(`535 5.7.8 ${heard}`);
    expect(postern.events('login').at(-1)).toMatchObject({ verdict: 'refused', reason });
    expect(postern.upstream.connections.total).toBe(upstream);
    await client.send(`AUTH PLAIN ${plainMessage('alice', postern.password)}\r\n`);
    await client.expect(OK);
  });

  test('cancelled in the middle, which is not an attempt', async () => {
    await using client = await postern.client();
    for (const begin of ['AUTH PLAIN', 'AUTH LOGIN', `AUTH LOGIN ${base64('alice')}`]) {
      await client.send(`${begin}\r\n`);
      await client.expect(/^334 /);
      await client.send('*\r\n');
      await client.expect('501 5.7.0 Authentication cancelled');
    }
    await client.send(`AUTH PLAIN ${plainMessage('alice', postern.password)}\r\n`);
    await client.expect(OK);
  });

  test('a wrong password: the connection stays, until there were five', async () => {
    await using client = await postern.client();
    for (let n = 0; n < 5; n++) {
      await client.send(`AUTH PLAIN ${plainMessage('alice', 'wrong')}\r\n`);
      await client.expect(FAILED);
    }
    await client.expect('421 4.7.0 Too many failed logins');
    await client.closed();
  });

  test('an empty password counts as nothing', async () => {
    await using client = await postern.client();
    for (let n = 0; n < 7; n++) {
      await client.send(`AUTH PLAIN ${plainMessage('alice', '')}\r\n`);
      await client.expect(FAILED);
    }
    await client.send(`AUTH PLAIN ${plainMessage('alice', postern.password)}\r\n`);
    await client.expect(OK);
  });

  test('an answer over 12,288 octets', async () => {
    await using client = await postern.client();
    await client.send('AUTH PLAIN\r\n');
    await client.expect('334 ');
    await client.send(`${'A'.repeat(12_400)}\r\n`);
    await client.expect('500 5.5.6 …');
    await client.send(`AUTH PLAIN ${'A'.repeat(12_288)}\r\n`);
    await client.expect(FAILED);
  });

  test.each([
    ['refuses Postern', '535 5.7.8 no\r\n'],
    ['fails for now', '454 4.7.0 later\r\n'],
  ])('an upstream that %s is never a wrong password', async (_, answer) => {
    await using other = await startSmtpSetting({ script: { on: [[/^AUTH/, answer]] } });
    await using client = await other.client();
    await client.send(`AUTH PLAIN ${plainMessage('alice', other.password)}\r\n`);
    await client.expect('454 4.7.0 Temporarily unavailable, try again later');
    await client.send('NOOP\r\n');
    await client.expect('250 …');
  });
});

test('behind a balancer the client is whom its PROXY header names, to the log and to the upstream', async () => {
  await using other = await startSmtpSetting({
    config:
      'listeners: [{ name: scanners, protocol: smtp, address: "127.0.0.1:0", tls: none, passwordsInClear: accepted, proxyProtocol: [127.0.0.1] }]',
  });
  await using client = await other.inClear();
  await client.send('PROXY TCP4 203.0.113.9 192.0.2.99 51234 587\r\n');
  await client.expect(GREETING);
  await client.send(
    `EHLO pc\r\nAUTH PLAIN ${plainMessage('alice', other.password)}\r\nMAIL FROM:<alice@example.com>\r\n`,
  );
  await client.expectUntil(/^250 /);
  await client.expect(OK);
  await client.expect('250 2.0.0 ok');
  expect(other.events('login')).toMatchObject([{ client: '203.0.113.9', clientPort: 51_234 }]);
  expect(other.upstream.lines.find((line) => line.startsWith('XCLIENT'))).toMatch(
    / ADDR=203\.0\.113\.9 PORT=51234 /,
  );
});
