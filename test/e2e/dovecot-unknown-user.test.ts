// A user with a right app password whom Dovecot's userdb does not know. Dovecot takes the master user's word for the login, and closes
// the connection without one of its own.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startPosternBeforeDovecot } from '../support/postern-before-dovecot.ts';
import { connect } from '../support/transcript.ts';

test('is unavailable by a reason of its own, named with session and user, and keeps nobody else out', async () => {
  await using chain = await startPosternBeforeDovecot({ users: ['alice@example.com'] });
  const login = async (user: string) => {
    const { password, port, caFile } = await chain.account(user);
    await using client = await connect({
      port,
      tls: true,
      ca: readFileSync(caFile, 'utf8'),
      patience: 30_000,
    });
    await client.expect('* OK …');
    await client.send(`a LOGIN ${user} "${password}"\r\n`);
    return await client.expect(/^a (OK|NO \[\w+\])/);
  };
  for (let n = 0; n < 3; n++) {
    expect((await login('bob@example.com'))[1]).toBe('NO [UNAVAILABLE]');
    expect((await login('alice@example.com'))[1]).toBe('OK');
  }
  await chain.dovecot.logged(/bob@example\.com.*user not found from userdb/);
  await chain.postern.logged(/"event":"upstream_refused"/);
  const events = chain.postern.events();
  const failed = events.find(({ event, reason }) => event === 'login' && reason === 'upstream_closed');
  expect(failed).toMatchObject({ verdict: 'unavailable', user: 'bob@example.com' });
  expect(events.find(({ event }) => event === 'upstream_refused')).toMatchObject({
    level: 'warn',
    upstream: 'dovecot',
    reason: 'upstream_closed',
    session: failed?.session,
    user: 'bob@example.com',
    detail: expect.stringContaining('userdb'),
  });
  expect(events.filter(({ event }) => event === 'upstream_down' || event === 'upstream_failed')).toEqual([]);
});
