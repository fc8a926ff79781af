// What goes wrong on either side of a submission: whoever goes, stalls or floods, the client hears the truth, nothing half is
// delivered, nothing is sent twice, and nothing is left behind.

import { describe, expect, test } from 'vitest';
import { comesToRest } from '../support/patience.ts';
import type { Transcript } from '../support/transcript.ts';
import { GREETING, type SmtpSetting, startSmtpSetting } from './smtp-setting.ts';

const FROM = 'MAIL FROM:<alice@example.com>';
const TO = 'RCPT TO:<bob@example.net>';
const OK = '250 2.0.0 ok';

/** As far as the 354. */
async function upToData(client: Transcript): Promise<void> {
  await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
  await client.expect(OK);
  await client.expect(OK);
  await client.expect(/^354 /);
}

async function nothingIsLeft(postern: SmtpSetting): Promise<void> {
  await postern.metricIs(0, 'postern_sessions', { protocol: 'smtp' });
  await postern.metricIs(0, 'postern_connections', { listener: 'submissions' });
  await expect.poll(() => postern.upstream.connections.open).toBe(0);
}

describe('before login', () => {
  test('a line without end: 500, and the end of it', async () => {
    await using postern = await startSmtpSetting();
    await using client = await postern.client();
    void client.send('x'.repeat(1_000_000));
    await client.expect('500 5.5.2 Line too long');
    await client.closed();
  });

  test('a line that is too long is skipped; a command of 4,096 octets is read', async () => {
    await using postern = await startSmtpSetting();
    await using client = await postern.client();
    for (const length of [4096, 12_353, 60_000]) {
      await client.send(`NOOP ${'x'.repeat(length)}\r\n`);
      await client.expect('500 5.5.2 Line too long');
    }
    await client.send(`NOOP ${'x'.repeat(4091)}\r\n`);
    await client.expect('250 2.0.0 OK');
  });

  test('an HTTP request closes at once', async () => {
    await using postern = await startSmtpSetting();
    await using client = await postern.client();
    await client.send('POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n');
    await client.closed();
    expect(postern.events('client_mistake')).toMatchObject([{ kind: 'http' }]);
  });

  test('a hundred commands, and no more', async () => {
    await using postern = await startSmtpSetting();
    await using client = await postern.client();
    await client.send('NOOP\r\n'.repeat(101));
    for (let n = 0; n < 100; n++) await client.expect('250 2.0.0 OK');
    await client.expect('421 4.7.0 Too many commands without a login');
    await client.closed();
  });

  test('silence until the deadline, also within AUTH', async () => {
    await using postern = await startSmtpSetting({ config: 'limits: { loginDeadline: 2s }' });
    for (const begin of ['', 'AUTH LOGIN\r\n', 'EHLO']) {
      await using client = await postern.client();
      await client.send(begin);
      await client.expectUntil('421 4.4.2 Login took too long');
      await client.closed();
    }
  });

  test('a client that reads nothing', async () => {
    await using postern = await startSmtpSetting({ config: 'limits: { loginDeadline: 3s }' });
    await using client = await postern.plain();
    client.socket.pause();
    client.socket.write('EHLO x\r\n'.repeat(100_000));
    await postern.metricIs(1, 'postern_connections', { listener: 'submission' });
    await postern.metricIs(0, 'postern_connections', { listener: 'submission' });
  });
});

describe('the client', () => {
  test('says nothing for too long: between commands, and in the middle of a message, which is not delivered', async () => {
    await using postern = await startSmtpSetting({ config: 'limits: { idle: 2s }' });
    {
      await using client = await postern.session();
      await client.expect('421 4.4.2 Nothing was heard for too long');
      await client.closed();
    }
    await using client = await postern.session();
    await upToData(client);
    await client.send('half a mess');
    await client.expect('421 4.4.2 Nothing was heard for too long');
    await client.closed();
    await nothingIsLeft(postern);
    expect(postern.upstream.messages).toEqual([]);
    expect(postern.events('message')).toMatchObject([{ outcome: 'aborted', size: 11, recipients: 1 }]);
    expect(postern.events('session').map(({ reason }) => reason)).toEqual(['idle', 'idle']);
  });

  test.each(['end', 'reset'] as const)(
    'goes in the middle of a message (%s): nothing is delivered',
    async (how) => {
      await using postern = await startSmtpSetting();
      await using client = await postern.session();
      await upToData(client);
      await client.send('half a message\r\n.\r');
      client[how]();
      await nothingIsLeft(postern);
      expect(postern.upstream.messages).toEqual([]);
      expect(postern.events('message')).toMatchObject([{ outcome: 'aborted' }]);
    },
  );

  test('goes after the last dot: what became of the message is logged all the same', async () => {
    let answer = () => {};
    await using postern = await startSmtpSetting({
      script: {
        on: [
          [
            /^<message>/,
            (upstream) =>
              new Promise<void>((resolve) => {
                answer = () => {
                  upstream.write('250 2.0.0 Ok: queued as ABC123\r\n');
                  resolve();
                };
              }),
          ],
        ],
      },
    });
    await using client = await postern.session();
    await upToData(client);
    await client.send('all of it\r\n.\r\n');
    await expect.poll(() => postern.upstream.messages.length).toBe(1);
    client.reset();
    await postern.metricIs(0, 'postern_connections', { listener: 'submissions' });
    answer();
    expect(await postern.logged('message')).toMatchObject({ outcome: 'accepted', queueId: 'ABC123' });
    await nothingIsLeft(postern);
    expect(postern.upstream.messages).toHaveLength(1);
  });

  test('sends 100,000 recipients', async () => {
    await using postern = await startSmtpSetting();
    await using client = await postern.session();
    await client.send(`${FROM}\r\n`);
    await client.expect(OK);
    const sent = (async () => {
      for (let n = 0; n < 100; n++) {
        await client.send(
          Array.from({ length: 1000 }, (_, m) => `RCPT TO:<r${n}.${m}@example.net>\r\n`).join(''),
        );
      }
      await client.send('QUIT\r\n');
    })();
    const answers = await client.expectUntil('221 2.0.0 Bye');
    await sent;
    expect(answers).toHaveLength(100_001);
    expect(answers.filter((line) => line === OK)).toHaveLength(100);
    expect(answers.filter((line) => line === '452 4.5.3 Too many recipients')).toHaveLength(99_900);
    // One line for all of them.
    expect(postern.events('submission_refused').filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  test('floods a message far beyond its bound: cut off, and not held in memory', async () => {
    await using postern = await startSmtpSetting({ submission: '{ maxSize: 64KiB }' });
    await using client = await postern.session();
    await upToData(client);
    const flood = Buffer.alloc(1_000_000, `${'x'.repeat(98)}\r\n`);
    client.socket.on('error', () => {});
    let sent = 0;
    const pump = () => {
      while (sent < 200 && !client.socket.destroyed) {
        sent++;
        if (!client.socket.write(flood)) return;
      }
    };
    client.socket.on('drain', pump);
    pump();
    await client.expect('552 5.3.4 Message too large');
    await nothingIsLeft(postern);
    expect(sent).toBeLessThan(120);
    expect(postern.upstream.messages).toEqual([]);
  });

  test('waits while the upstream takes nothing', async () => {
    await using postern = await startSmtpSetting({
      script: {
        on: [
          [
            /^DATA/,
            (upstream) => {
              upstream.write('354 go on\r\n');
              upstream.stopReading();
            },
          ],
        ],
      },
    });
    await using client = await postern.session();
    await upToData(client);
    const flood = Buffer.alloc(65_536, `${'x'.repeat(62)}\r\n`);
    let taken = 0;
    const pump = () => {
      do taken += flood.length;
      while (client.socket.write(flood) && taken < 45_000_000);
    };
    client.socket.on('drain', pump);
    pump();
    await comesToRest(() => taken);
    // What the kernel's buffers of both connections take.
    expect(taken).toBeLessThan(30_000_000);
    // It can be ended all the same.
    await postern.revoke(postern.passwordId);
    await postern.metricIs(0, 'postern_sessions', { protocol: 'smtp' });
    expect(await postern.logged('message')).toMatchObject({ outcome: 'aborted' });
  });
});

describe('the session is ended', () => {
  test.each([
    ['between commands', async (_: Transcript) => {}],
    ['with a recipient', (client: Transcript) => client.send(`${FROM}\r\n${TO}\r\n`)],
    [
      'in the middle of a message',
      async (client: Transcript) => {
        await upToData(client);
        await client.send('half a message\r\n');
      },
    ],
  ])('by a revocation, %s', async (_, before) => {
    await using postern = await startSmtpSetting();
    await using client = await postern.session();
    await before(client);
    await postern.revoke(postern.passwordId);
    await client.expectUntil('421 4.7.0 The app password is not valid any more');
    await client.closed();
    await nothingIsLeft(postern);
    expect(postern.upstream.messages).toEqual([]);
    expect(await postern.logged('session')).toMatchObject({ reason: 'revoked' });
  });

  test('by a shutdown: at once between messages, otherwise when the message is answered', async () => {
    await using postern = await startSmtpSetting({ config: 'limits: { drain: 1m }' });
    await using idle = await postern.session();
    await using client = await postern.session();
    await upToData(client);
    await client.send('half');
    const drained = postern.drain();
    await idle.expect('421 4.3.2 Server is shutting down');
    await idle.closed();
    await client.send(' and half\r\n.\r\n');
    await client.expect(/^250 .*queued as 1/);
    await client.expect('421 4.3.2 Server is shutting down');
    await client.closed();
    // Nobody had to be cut off.
    expect(await drained).toBe(0);
    expect(postern.upstream.messages.map(({ data }) => data.toString())).toEqual(['half and half']);
    expect(postern.events('session')).toMatchObject([{ reason: 'shutdown' }, { reason: 'shutdown' }]);
  });

  test('by a shutdown: first the dialogues before login, then the sessions', async () => {
    await using postern = await startSmtpSetting({ config: 'limits: { drain: 100ms }' });
    await using stranger = await postern.plain();
    await stranger.expect(GREETING);
    await using client = await postern.session();
    await upToData(client);
    await client.send('half');
    const drained = postern.drain();
    await stranger.expect('421 4.3.2 Server is shutting down');
    await client.expect('421 4.3.2 Server is shutting down');
    expect(await drained).toBe(1);
    expect(postern.upstream.messages).toEqual([]);
  });
});

describe('the upstream', () => {
  test.each([
    ['MAIL', /^MAIL/],
    ['RCPT', /^RCPT/],
    ['DATA', /^DATA/],
    ['the message', /^<message>/],
  ])('says 4xx and 5xx to %s: so is the client told', async (_, pattern) => {
    for (const answer of ['451 4.3.0 not now', '550 5.7.60 never', '421 4.3.2 closing']) {
      await using postern = await startSmtpSetting({ script: { on: [[pattern, `${answer}\r\n`]] } });
      await using client = await postern.session();
      const dialogue = [FROM, TO, 'DATA', 'x\r\n.'];
      const at = dialogue.findIndex((line) => pattern.test(line.startsWith('x') ? '<message>' : line));
      for (const line of dialogue.slice(0, at)) {
        await client.send(`${line}\r\n`);
        await client.expect(/^(250|354) /);
      }
      await client.send(`${dialogue[at]}\r\n`);
      await client.expect(answer);
      // It is told once, and the next message begins anew.
      postern.upstream.setScript({});
      await client.send('RSET\r\n');
      await client.expect('250 2.0.0 OK');
      await upToData(client);
      await client.send('next\r\n.\r\n');
      await client.expect(/^250 2\.0\.0 queued/);
      expect(
        postern.upstream.messages.map(({ data }) => data.toString()).filter((data) => data === 'next'),
      ).toHaveLength(1);
    }
  });

  test.each<[string, RegExp, readonly string[], RegExp]>([
    ['MAIL', /^MAIL/, [], /^451 4\.4\.2 /],
    ['RCPT', /^RCPT/, [FROM], /^451 4\.4\.2 /],
    ['DATA', /^DATA/, [FROM, TO], /^451 4\.4\.2 /],
    ['the message', /^<message>/, [FROM, TO, 'DATA'], /^451 4\.4\.2 .* before it confirmed the message$/],
  ])('goes at %s: never a 250, and never twice', async (_, pattern, before, heard) => {
    await using postern = await startSmtpSetting({
      script: { on: [[pattern, (upstream) => upstream.drop()]] },
    });
    await using client = await postern.session();
    for (const line of before) {
      await client.send(`${line}\r\n`);
      await client.expect(/^(250|354) /);
    }
    const next = { MAIL: FROM, RCPT: TO, DATA: 'DATA' }[_] ?? 'all\r\n.';
    await client.send(`${next}\r\n`);
    await client.expect(heard);
    expect(postern.upstream.messages.length).toBe(_ === 'the message' ? 1 : 0);
    if (_ === 'the message') {
      expect(postern.events('message')).toMatchObject([{ outcome: 'unknown', code: null, queueId: null }]);
    }
    // Recipients and data of a message that is lost are refused until the next one.
    if (_ === 'RCPT') {
      await client.send(`${TO}\r\nDATA\r\n`);
      await client.expect(/^451 4\.4\.2 /);
      await client.expect(/^451 4\.4\.2 /);
    }
    postern.upstream.setScript({});
    await upToData(client);
    await client.send('next\r\n.\r\n');
    await client.expect(/^250 /);
    expect(postern.upstream.messages.at(-1)!.data.toString()).toBe('next');
  });

  test('goes in the middle of a message: the rest is read, and the client is told', async () => {
    await using postern = await startSmtpSetting();
    await using client = await postern.session();
    await upToData(client);
    await client.send('half\r\n');
    postern.upstream.dropAll();
    await client.send('QUIT\r\n');
    await client.quiet(100);
    await client.send('.\r\n');
    await client.expect('451 4.4.2 The connection to the mail server was lost, try again later');
    expect(postern.upstream.messages).toEqual([]);
    await upToData(client);
    await client.send('next\r\n.\r\n');
    await client.expect(/^250 /);
  });

  test('refuses in the middle of a message', async () => {
    await using postern = await startSmtpSetting({
      script: { on: [[/^DATA/, '354 go on\r\n552 5.3.4 too large for me\r\n']] },
    });
    await using client = await postern.session();
    await upToData(client);
    await client.send('half\r\n');
    await client.send('more\r\n.\r\n');
    await client.expect('552 5.3.4 too large for me');
    expect(postern.upstream.messages).toEqual([]);
  });

  test('is idle for too long between two messages: another connection, and nobody notices', async () => {
    await using postern = await startSmtpSetting();
    await using client = await postern.session();
    await upToData(client);
    await client.send('one\r\n.\r\n');
    await client.expect(/^250 /);
    const before = postern.upstream.connections.total;
    postern.upstream.dropAll();
    await upToData(client);
    await client.send('two\r\n.\r\n');
    await client.expect(/^250 /);
    expect(postern.upstream.connections.total).toBe(before + 1);
    expect(postern.upstream.messages.map(({ data }) => data.toString())).toEqual(['one', 'two']);
  });

  test('cannot be reached any more: 451, and the session stays', async () => {
    await using postern = await startSmtpSetting();
    await using client = await postern.session();
    postern.upstream.setScript({ greeting: '421 4.3.2 not today\r\n' });
    postern.upstream.dropAll();
    for (let n = 0; n < 2; n++) {
      await client.send(`${FROM}\r\n`);
      await client.expect(/^451 4\.4\.[12] /);
    }
    postern.upstream.setScript({});
    await client.send('NOOP\r\n');
    await client.expect('250 2.0.0 OK');
  });

  test('takes DATA for something else: 451, and its connection is not used any more', async () => {
    await using postern = await startSmtpSetting({ script: { on: [[/^DATA/, '250 2.0.0 fine\r\n']] } });
    await using client = await postern.session();
    await client.send(`${FROM}\r\n${TO}\r\nDATA\r\n`);
    await client.expect(OK);
    await client.expect(OK);
    await client.expect(/^451 4\.5\.0 /);
    await expect.poll(() => postern.upstream.connections.open).toBe(0);
  });

  test('does not know extensions: neither are they advertised, nor is what needs them sent', async () => {
    await using postern = await startSmtpSetting({
      script: { extensions: ['AUTH PLAIN', 'CHUNKING', 'SIZE 1000'] },
    });
    await using client = await postern.session();
    await client.send('EHLO pc\r\n');
    expect(await client.expectUntil(/^250 /)).toEqual([
      '250-mail.example.com',
      '250-PIPELINING',
      '250 SIZE 1000',
    ]);
    for (const parameter of ['BODY=8BITMIME', 'SMTPUTF8', 'RET=FULL']) {
      await client.send(`MAIL FROM:<alice@example.com> ${parameter}\r\n`);
      await client.expect(/^555 5\.5\.4 /);
    }
    await client.send(`MAIL FROM:<alice@example.com> BODY=7BIT\r\n${TO}\r\nRCPT TO:<c@example.net>\r\n`);
    for (let n = 0; n < 3; n++) await client.expect(OK);
    await client.send('RCPT TO:<bob@example.net> NOTIFY=NEVER\r\n');
    await client.expect(/^555 5\.5\.4 /);
    expect(postern.upstream.lines).toContain('MAIL FROM:<alice@example.com>');
  });
});
