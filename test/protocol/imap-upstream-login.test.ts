// How Postern logs in to an IMAP upstream, and what of it the client hears.

import { describe, expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { type Script, startScriptedImapUpstream } from '../support/scripted-imap-upstream.ts';
import { MASTER, plainMessage, startSetting } from './postern-before-script.ts';

const AS_ALICE = plainMessage(MASTER.user, MASTER.password, 'alice@example.com');

describe('capabilities', () => {
  test('in the greeting and in the OK: asked for once more after the login, and the client is told these', async () => {
    await using postern = await startSetting({
      script: { capabilitiesAfterLogin: 'IMAP4rev1 IDLE QUOTA X-SPECIAL' },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK [CAPABILITY IMAP4rev1 IDLE QUOTA X-SPECIAL] Logged in');
    expect(postern.upstream.lines).toEqual([
      expect.stringMatching(/^p1 ID /),
      `p2 AUTHENTICATE PLAIN ${AS_ALICE}`,
      'p3 CAPABILITY',
    ]);
    // Outlook asks again anyway: the upstream answers.
    await client.send('b CAPABILITY\r\n');
    await client.expect('* CAPABILITY IMAP4rev1 IDLE QUOTA X-SPECIAL');
    await client.expect('b OK done');
  });

  test('asked for where neither tells them, before login and after', async () => {
    await using postern = await startSetting({
      script: {
        greeting: '* OK hello\r\n',
        on: [[/^(\S+) AUTHENTICATE/, '$1 OK no capabilities here\r\n']],
      },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK [CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN] Logged in');
    expect(postern.upstream.lines.map((line) => line.split(' ')[1])).toEqual([
      'CAPABILITY',
      'ID',
      'AUTHENTICATE',
      'CAPABILITY',
    ]);
  });

  test('those of before the login are not told', async () => {
    await using postern = await startSetting({
      script: {
        capabilities: 'IMAP4rev1 SASL-IR AUTH=PLAIN ONLY-BEFORE',
        capabilitiesAfterLogin: 'IMAP4rev1 ONLY-AFTER',
      },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK [CAPABILITY IMAP4rev1 ONLY-AFTER] Logged in');
  });
});

describe('the way to log in', () => {
  test('PLAIN without SASL-IR waits for the challenge', async () => {
    await using postern = await startSetting({ script: { capabilities: 'IMAP4rev1 AUTH=PLAIN' } });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] Logged in');
    expect(postern.upstream.lines).toEqual(['p1 AUTHENTICATE PLAIN', AS_ALICE, 'p2 CAPABILITY']);
  });

  test('master-suffix is user*master, by PLAIN or, where there is only that, by a quoted LOGIN', async () => {
    const upstream = `login: { method: master-suffix, user: postern, password: 'mEs8 master of the script "\\' }`;
    await using withPlain = await startSetting({ upstream });
    await using one = await withPlain.client();
    await one.send(`a LOGIN alice ${withPlain.password}\r\n`);
    await one.expect('a OK …');
    expect(withPlain.upstream.lines.at(-2)).toBe(
      `p2 AUTHENTICATE PLAIN ${plainMessage('alice@example.com*postern', MASTER.password)}`,
    );
    await using loginOnly = await startSetting({ upstream, script: { capabilities: 'IMAP4rev1' } });
    await using two = await loginOnly.client();
    await two.send(`a LOGIN alice ${loginOnly.password}\r\n`);
    await two.expect('a OK …');
    expect(loginOnly.upstream.lines).toEqual([
      'p1 LOGIN "alice@example.com*postern" "mEs8 master of the script \\"\\\\"',
      'p2 CAPABILITY',
    ]);
  });

  test('password logs in to one account, whoever the user is', async () => {
    await using postern = await startSetting({
      upstream: `login: { method: password, user: 'Shared "Box\\', password: 'mEs8 master of the script "\\' }`,
      script: { capabilities: 'IMAP4rev1' },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
    expect(postern.upstream.lines).toEqual([
      'p1 LOGIN "Shared \\"Box\\\\" "mEs8 master of the script \\"\\\\"',
      'p2 CAPABILITY',
    ]);
  });

  test('a user with every character that a user may have reaches the upstream as it is', async () => {
    const user = "o'brien!#$&+-?^_`{|}~m\u00fcller@example.com";
    await using postern = await startSetting();
    const { password } = await postern.createPassword(user);
    await using client = await postern.client();
    await client.send(`a LOGIN "${user}" ${password}\r\n`);
    await client.expect('a OK …');
    expect(postern.upstream.lines.at(-2)).toBe(
      `p2 AUTHENTICATE PLAIN ${plainMessage(MASTER.user, MASTER.password, user)}`,
    );
  });

  test('the app password never goes upstream', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
    const said = postern.upstream.lines.join('\n');
    expect(said).not.toContain(postern.password);
    expect(Buffer.from(said.split(' ').at(-1)!, 'base64').toString()).not.toContain(postern.password);
  });

  test.each(['implicit', 'starttls'] as const)('over %s TLS', async (tls) => {
    await using postern = await startSetting({ script: { tls } });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
    expect(postern.upstream.lines.map((line) => line.split(' ', 2).join(' '))).toEqual(
      tls === 'implicit'
        ? ['p1 ID', 'p2 AUTHENTICATE', 'p3 CAPABILITY']
        : ['p1 STARTTLS', 'p1 CAPABILITY', 'p2 ID', 'p3 AUTHENTICATE', 'p4 CAPABILITY'],
    );
  });
});

describe('the ID that goes upstream', () => {
  test('has the client\u2019s address, port and session, and the client\u2019s own fields without x- keys', async () => {
    await using postern = await startSetting();
    await using client = await postern.client({ localAddress: '127.0.0.77' });
    await client.send(
      'a ID ("Name" "Outlook" "X-Originating-IP" "192.0.2.1" "x-session-id" "forged" "x-proxy-ttl" "99" "X-anything" NIL "version" "16.0")\r\n',
    );
    await client.expect('* ID …');
    await client.expect('a OK Done');
    await client.send(`b LOGIN alice ${postern.password}\r\n`);
    await client.expect('b OK …');
    const { session } = await postern.logged('login');
    expect(postern.upstream.lines[0]).toBe(
      'p1 ID ("name" "Outlook" "version" "16.0" "x-originating-ip" "127.0.0.77" ' +
        `"x-originating-port" "${client.socket.localPort}" "x-session-id" "${session}" "x-proxy-ttl" "4")`,
    );
  });

  test('has at most 30 pairs, of which ours are not the ones to go', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    const pairs = Array.from({ length: 30 }, (_, n) => `"k${n}" "v"`).join(' ');
    await client.send(`a ID (${pairs})\r\nb LOGIN alice ${postern.password}\r\n`);
    await client.expect('* ID …');
    await client.expect('a OK Done');
    await client.expect('b OK …');
    expect(postern.upstream.lines[0]).toMatch(/^p1 ID \("k0" "v" .* "k25" "v" "x-originating-ip" .*"4"\)$/);
  });

  test('cannot be broken out of by a value', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    const value = 'a") p9 LOGOUT\r\np8 LOGOUT';
    await client.send(`a ID ("quote" "a\\") \\\\" "crlf" {${value.length}+}\r\n${value} "k\\"x" "v")\r\n`);
    await client.expect('* ID …');
    await client.expect('a OK Done');
    await client.send(`b LOGIN alice ${postern.password}\r\n`);
    await client.expect('b OK …');
    expect(postern.upstream.lines[0]).toMatch(
      /^p1 ID \("quote" "a\\"\) \\\\" "k\\"x" "v" "x-originating-ip" "127\.0\.0\.1" /,
    );
    expect(postern.upstream.lines).toHaveLength(3);
  });

  test('stays within what servers read in one line, whatever the client has to say', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    const value = `"${'\\"'.repeat(1024)}"`;
    const pairs = Array.from({ length: 26 }, (_, i) => `"k${i}" ${value}`).join(' ');
    await client.send(`a ID (${pairs})\r\nb LOGIN alice ${postern.password}\r\n`);
    await client.expect('* ID …');
    await client.expect('a OK …');
    await client.expect('b OK …');
    const [line] = postern.upstream.lines;
    expect(line).toMatch(/^p1 ID \("k0" .* "k2" "[^k]*" "x-originating-ip" "127\.0\.0\.1" .*"4"\)$/);
    expect(line?.length).toBeLessThan(8192);
  });

  test('does not tell the address if the config says never, and is left out without ID or anything to tell', async () => {
    await using never = await startSetting({ upstream: 'sendClientAddress: never' });
    await using one = await never.client();
    await one.send(`a ID ("name" "Thunderbird")\r\nb LOGIN alice ${never.password}\r\n`);
    await one.expectUntil('b OK …');
    expect(never.upstream.lines[0]).toBe('p1 ID ("name" "Thunderbird")');
    await using two = await never.client();
    await two.send(`b LOGIN alice ${never.password}\r\n`);
    await two.expect('b OK …');
    expect(never.upstream.lines.at(-2)).toMatch(/^p1 AUTHENTICATE/);

    await using without = await startSetting({ script: { capabilities: 'IMAP4rev1 SASL-IR AUTH=PLAIN' } });
    await using three = await without.client();
    await three.send(`a ID ("name" "Thunderbird")\r\nb LOGIN alice ${without.password}\r\n`);
    await three.expectUntil('b OK …');
    expect(without.upstream.lines).toEqual([`p1 AUTHENTICATE PLAIN ${AS_ALICE}`, 'p2 CAPABILITY']);
  });

  test('is not worth a failed login where the upstream refuses it', async () => {
    await using postern = await startSetting({ script: { on: [[/^(\S+) ID/, '$1 BAD go away\r\n']] } });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
  });

  test('names the client in the log, at most 100 characters of it, without control characters', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    const value = `Mail\x1b[31m\r\n{"event":"login"}${'x'.repeat(500)}`;
    await client.send(
      `a ID ("name" {${value.length}+}\r\n${value})\r\nb LOGIN alice ${postern.password}\r\n`,
    );
    await client.expectUntil('b OK …');
    const { software } = await postern.logged('login');
    expect(software).toMatch(/^Mail\?\[31m\?\?\{"event":"login"\}x+$/);
    expect(software).toHaveLength(100);
  });
});

describe('what comes with the answer to the login', () => {
  test('untagged data goes to the client, ahead of its OK; capabilities do not', async () => {
    await using postern = await startSetting({
      script: {
        on: [
          [
            /^(\S+) AUTHENTICATE/,
            '* CAPABILITY IMAP4rev1 OLD\r\n* OK [ALERT] Disk is full {really}\r\n* NAMESPACE NIL {4}\r\na\r\nb NIL\r\n' +
              '$1 OK [CAPABILITY IMAP4rev1 OLD] hi\r\n* 3 EXISTS\r\n',
          ],
          [/^(\S+) CAPABILITY/, '* 4 EXISTS\r\n* CAPABILITY IMAP4rev1 NEW\r\n$1 OK asked\r\n* 5 EXISTS\r\n'],
        ],
      },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('* OK [ALERT] Disk is full {really}');
    await client.expect('* NAMESPACE NIL {4}');
    await client.expect('a');
    await client.expect('b NIL');
    await client.expect('* 3 EXISTS');
    await client.expect('* 4 EXISTS');
    await client.expect('a OK [CAPABILITY IMAP4rev1 NEW] Logged in');
    await client.expect('* 5 EXISTS');
  });

  test('what follows it in pieces is not lost', async () => {
    let rest = () => {};
    await using postern = await startSetting({
      script: {
        on: [
          [
            /^(\S+) CAPABILITY/,
            (upstream, [, tag]) => {
              upstream.write(`* CAPABILITY IMAP4rev1\r\n${tag} OK hi\r\n* LIST () "/" {10}\r\nab`);
              rest = () => upstream.write('cdefghij\r\n');
            },
          ],
        ],
      },
    });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\n`);
    await client.expect('a OK …');
    await client.expect('* LIST () "/" {10}');
    rest();
    await client.expect('abcdefghij');
  });
});

describe('what the client pipelined behind its login', () => {
  test('reaches the upstream after the answer, in order, octet by octet', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    await client.send(
      `a LOGIN alice ${postern.password}\r\nb SELECT INBOX\r\nc APPEND x {5+}\r\n1\r\n34\r\nd NOOP\r\n`,
    );
    await client.expect('a OK …');
    await client.expect('b OK done');
    await client.expect('c OK done');
    await client.expect('d OK done');
    expect(postern.upstream.lines.slice(-3)).toEqual([
      'b SELECT INBOX',
      'c APPEND x {5+}\r\n1\r\n34',
      'd NOOP',
    ]);
  });

  test('behind AUTHENTICATE too, and more of it than a dialogue buffers', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    const many = Array.from({ length: 20_000 }, (_, n) => `x${n} NOOP\r\n`).join('');
    const sent = client.send(`a AUTHENTICATE PLAIN\r\n${plainMessage('alice', postern.password)}\r\n${many}`);
    await client.expect('+ ');
    await client.expect('a OK …');
    for (let n = 0; n < 20_000; n++) await client.expect(`x${n} OK done`);
    await sent;
  });

  test('is counted, and so is what came behind the answer of the upstream', async () => {
    const script: Script = { on: [[/^(\S+) CAPABILITY/, '* CAPABILITY X\r\n$1 OK done\r\n* 1 EXISTS\r\n']] };
    await using postern = await startSetting({ script });
    await using client = await postern.client();
    await client.send(`a LOGIN alice ${postern.password}\r\nb NOOP\r\n`);
    await client.expect('a OK …');
    await client.expect('* 1 EXISTS');
    await client.expect('b OK done');
    client.end();
    expect(await postern.logged('session')).toMatchObject({
      bytesToUpstream: 'b NOOP\r\n'.length,
      bytesToClient: '* 1 EXISTS\r\nb OK done\r\n'.length,
    });
  });

  test('is a command to Postern again if the login fails', async () => {
    await using postern = await startSetting();
    await using client = await postern.client();
    await client.send('a LOGIN alice wrong\r\nb NOOP\r\nc SELECT INBOX\r\n');
    await client.expect('a NO [AUTHENTICATIONFAILED] …');
    await client.expect('b OK Done');
    await client.expect('c BAD Log in first');
    expect(postern.upstream.connections.total).toBe(0);
  });
});

test('several addresses: a dead one, one that says BYE and a silent one are passed over', async () => {
  await using bye = await startScriptedImapUpstream({ greeting: '* BYE full\r\n' });
  await using silent = await startScriptedImapUpstream({ greeting: null });
  const nobody = await freePort();
  await using postern = await startSetting({
    upstream: (port) =>
      `address: [127.0.0.1:${nobody}, 127.0.0.1:${bye.port}, 127.0.0.1:${silent.port}, 127.0.0.1:${port}]\n` +
      'connectDeadline: 1s',
  });
  await using client = await postern.client();
  await client.send(`a LOGIN alice ${postern.password}\r\n`);
  await client.expect('a OK …');
  expect(postern.events('upstream_failed').map((line) => line.address)).toEqual([
    `127.0.0.1:${nobody}`,
    `127.0.0.1:${bye.port}`,
    `127.0.0.1:${silent.port}`,
  ]);
  await postern.metricIs(1, 'postern_upstream_up', { upstream: 'script' });
});
