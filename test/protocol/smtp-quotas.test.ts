// Quotas: messages and recipients per app password and per user. What the upstream has accepted counts, nothing else does.

import { describe, expect, test } from 'vitest';
import type { Transcript } from '../support/transcript.ts';
import { plainMessage } from './postern-before-script.ts';
import { startSmtpSetting } from './smtp-setting.ts';

const FROM = 'MAIL FROM:<alice@example.com>';
const OK = '250 2.0.0 ok';

async function submit(client: Transcript, recipients = 1): Promise<void> {
  const to = Array.from({ length: recipients }, (_, n) => `RCPT TO:<r${n}@example.net>\r\n`).join('');
  await client.send(`${FROM}\r\n${to}DATA\r\n`);
  for (let n = 0; n <= recipients; n++) await client.expect(OK);
  await client.expect(/^354 /);
  await client.send('x\r\n.\r\n');
}

describe('messages', () => {
  test('of one app password, over several connections; another app password has its own', async () => {
    await using postern = await startSmtpSetting({
      submission: '{ perAppPassword: { messagesPerHour: 3 } }',
    });
    for (let n = 0; n < 3; n++) {
      await using client = await postern.session();
      await submit(client);
      await client.expect(/^250 /);
    }
    await using client = await postern.session();
    await client.send(`${FROM}\r\n`);
    await client.expect('450 4.7.1 Too many messages in too short a time, try again later');
    expect(postern.events('submission_refused')).toMatchObject([{ reason: 'message_quota' }]);
    await postern.metricIs(1, 'postern_submission_refusals_total', { reason: 'message_quota' });
    const other = await postern.createPassword('alice@example.com');
    await using second = await postern.client();
    await second.send(`AUTH PLAIN ${plainMessage('alice', other.password)}\r\n`);
    await second.expect(/^235 /);
    await submit(second);
    await second.expect(/^250 /);
  });

  test('of a user, with all app passwords together', async () => {
    await using postern = await startSmtpSetting({ submission: '{ perUser: { messagesPerDay: 2 } }' });
    const passwords = [postern.password, (await postern.createPassword('alice@example.com')).password];
    for (const password of passwords) {
      await using client = await postern.client();
      await client.send(`AUTH PLAIN ${plainMessage('alice', password)}\r\n`);
      await client.expect(/^235 /);
      await submit(client);
      await client.expect(/^250 /);
    }
    await using client = await postern.session();
    await client.send(`${FROM}\r\n`);
    await client.expect(/^450 4\.7\.1 /);
  });

  test('that come to nothing do not count: refused, reset, cut off', async () => {
    await using postern = await startSmtpSetting({
      submission: '{ perAppPassword: { messagesPerHour: 1 } }',
    });
    await using client = await postern.session();
    postern.upstream.setScript({ on: [[/^<message>/, '554 5.6.0 no\r\n']] });
    for (let n = 0; n < 3; n++) {
      await submit(client);
      await client.expect('554 5.6.0 no');
    }
    postern.upstream.setScript({ on: [[/^MAIL/, '451 4.3.0 no\r\n']] });
    await client.send(`${FROM}\r\n`);
    await client.expect('451 4.3.0 no');
    postern.upstream.setScript({});
    await client.send(`${FROM}\r\nRSET\r\n`);
    await client.expect(OK);
    await client.expect('250 2.0.0 OK');
    {
      await using gone = await postern.session();
      await gone.send(`${FROM}\r\n`);
      await gone.expect(OK);
      // While it is under way it has the only place.
      await client.send(`${FROM}\r\n`);
      await client.expect(/^450 /);
    }
    await postern.metricIs(1, 'postern_sessions', { protocol: 'smtp' });
    await submit(client);
    await client.expect(/^250 /);
    await client.send(`${FROM}\r\n`);
    await client.expect(/^450 /);
  });

  test('at the same time, on fifty connections: each place is given once, and so is each recipient', async () => {
    await using postern = await startSmtpSetting({
      submission: '{ perAppPassword: { messagesPerHour: 40, recipientsPerHour: 60 } }',
      config: 'limits: { perUser: 100, beforeLogin: 100, connections: 1000, perNetwork: 100 }',
    });
    const clients = await Promise.all(Array.from({ length: 50 }, () => postern.session()));
    await Promise.all(clients.map((client) => client.send(`${FROM}\r\n`)));
    const answers = await Promise.all(clients.map((client) => client.expect(/^(250|450) /)));
    const begun = clients.filter((_, n) => answers[n]![1] === '250');
    expect(begun).toHaveLength(40);
    // All of them were begun while there was room for 60 recipients; one after the other they are sent.
    let taken = 0;
    for (const client of begun) {
      await client.send('RCPT TO:<a@example.net>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n');
      const lines = await client.expectUntil(/^(354|554) /);
      taken += lines.filter((line) => line === OK).length;
      if (lines.at(-1)!.startsWith('554')) continue;
      await client.send('x\r\n.\r\n');
      await client.expect(/^250 /);
    }
    expect(taken).toBe(60);
    for (const client of clients) await client[Symbol.asyncDispose]();
  });
});

describe('recipients', () => {
  test('over the quota are refused for now, one by one; the others get the message', async () => {
    await using postern = await startSmtpSetting({
      submission: '{ perAppPassword: { recipientsPerHour: 5 } }',
      script: { on: [[/^RCPT TO:<no@/, '550 5.1.1 nobody\r\n']] },
    });
    await using client = await postern.session();
    await submit(client, 3);
    await client.expect(/^250 /);
    await client.send(`${FROM}\r\n`);
    await client.expect(OK);
    const dialogue: [string, RegExp | string][] = [
      // Whom the upstream does not take does not count.
      ['no@example.net', '550 5.1.1 nobody'],
      ['no@example.net', '550 5.1.1 nobody'],
      ['a@example.net', OK],
      ['b@example.net', OK],
      ['c@example.net', '452 4.5.3 Too many recipients in too short a time, try again later'],
    ];
    for (const [to, heard] of dialogue) {
      await client.send(`RCPT TO:<${to}>\r\n`);
      await client.expect(heard as string);
    }
    await client.send('DATA\r\n');
    await client.expect(/^354 /);
    await client.send('x\r\n.\r\n');
    await client.expect(/^250 /);
    await client.send(`${FROM}\r\nRCPT TO:<a@example.net>\r\n`);
    await client.expect(OK);
    await client.expect(/^452 4\.5\.3 /);
  });
});
