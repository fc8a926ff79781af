// Sessions that ended in every way leave nothing behind: no socket, no timer, no connection upstream, no message under way.

import { expect, test } from 'vitest';
import { eventually } from '../support/patience.ts';
import { type SmtpSetting, startSmtpSetting } from './smtp-setting.ts';

const WAYS = ['quit', 'reset in a message', 'a message that is refused', 'reset after a message'] as const;

async function session(postern: SmtpSetting, way: (typeof WAYS)[number]): Promise<void> {
  await using client = await postern.session();
  await client.send('MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n');
  await client.expectUntil(/^354 /);
  if (way !== 'reset in a message') {
    await client.send(way === 'a message that is refused' ? 'bare\nLF\r\n.\r\n' : 'x\r\n.\r\n');
    await client.expect(way === 'a message that is refused' ? /^550 / : /^250 /);
  }
  if (way !== 'quit') return client.reset();
  await client.send('QUIT\r\n');
  await client.expect(/^221 /);
}

/** Kinds of what keeps the process alive, and how many there are of each. */
const resources = () => process.getActiveResourcesInfo().sort().join();

test('160 sessions', async () => {
  const many = '{ messagesPerHour: 1000, messagesPerDay: 1000 }';
  await using postern = await startSmtpSetting({
    submission: `{ perAppPassword: ${many}, perUser: ${many} }`,
  });
  let before: string | undefined;
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 4; n++) {
      await Promise.all(Array.from({ length: 20 }, (_, m) => session(postern, WAYS[m % WAYS.length]!)));
    }
    await postern.metricIs(0, 'postern_sessions', { protocol: 'smtp' });
    await postern.metricIs(0, 'postern_connections', { listener: 'submissions' });
    await expect.poll(() => postern.upstream.connections.open).toBe(0);
    // What is over may take a moment to be gone. `undefined`: a timer was still there after 5 s.
    const now = await eventually(async () => (resources().includes('Timeout') ? undefined : resources()));
    expect(now).toBeDefined();
    before ??= now;
    expect(now).toBe(before);
  }
  expect(postern.upstream.messages).toHaveLength(80);
});
