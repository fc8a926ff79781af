// imapflow through Postern: list, fetch, append with literals, IDLE seen from a second session, COMPRESS=DEFLATE, and a
// message of 50 MB each way. Everything after the login is between imapflow and Dovecot.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ImapFlowClient, imapFlow } from '../support/imapflow-client.ts';
import { type Account, curl } from '../support/mail-clients.ts';
import { largeMessage, message, sha256 } from '../support/mail-message.ts';
import { type Chain, startPosternBeforeDovecot } from '../support/postern-before-dovecot.ts';

let chain: Chain;
let account: Account;

beforeAll(async () => {
  chain = await startPosternBeforeDovecot();
  account = await chain.account('alice@example.com');
  chain.dovecot.deliver('alice@example.com', 3, message);
});
afterAll(() => chain?.[Symbol.asyncDispose]());

const login = (which = account) => imapFlow(which, chain.pki.ca.cert);

/** imapflow gives false where the server said no. */
function given<T>(answer: T | false | undefined): T {
  if (answer === false || answer === undefined) throw new Error('the server gave nothing');
  return answer;
}

async function source({ client }: ImapFlowClient, uid: string): Promise<Buffer> {
  return given(given(await client.fetchOne(uid, { source: true }, { uid: true })).source);
}

test("the client is told Dovecot's capabilities, those after login", async () => {
  await using session = await login();
  const capabilities = [...session.client.capabilities.keys()];
  expect(capabilities).toEqual(expect.arrayContaining(['UIDPLUS', 'MOVE', 'CONDSTORE', 'COMPRESS=DEFLATE']));
  expect(capabilities.filter((name) => /^(AUTH=|STARTTLS|LOGINDISABLED)/.test(name))).toEqual([]);
});

test('list and fetch', async () => {
  await using session = await login();
  expect((await session.client.list()).map(({ path }) => path)).toContain('INBOX');
  await session.client.mailboxOpen('INBOX');
  for (const i of [0, 1, 2]) expect((await source(session, `${i + 1}`)).toString()).toBe(message(i));
});

test('append with literals, flags and a date; a mailbox with a name of its own', async () => {
  await using session = await login(await chain.account('append@example.com', 'starttls'));
  const name = 'Entwürfe "1" \\ 2';
  await session.client.mailboxCreate(name);
  const date = new Date('2001-02-03T04:05:06Z');
  await session.client.append(name, message(7), ['\\Flagged'], date);
  await session.client.mailboxOpen(name);
  const found = given(await session.client.fetchOne('1', { source: true, flags: true, internalDate: true }));
  expect(found.source?.toString()).toBe(message(7));
  expect([...(found.flags ?? [])]).toContain('\\Flagged');
  expect(found.internalDate).toEqual(date);
});

test('IDLE: a session that waits hears of what another one appends', async () => {
  await using waiting = await login();
  const { exists } = await waiting.client.mailboxOpen('INBOX');
  const heard = new Promise<number>((resolve) => {
    waiting.client.once('exists', ({ count }: { count: number }) => resolve(count));
  });
  const idling = waiting.client.idle();
  await expect.poll(() => waiting.dialogue.some((line) => /^C: \w+ IDLE$/.test(line))).toBe(true);

  await using other = await login();
  await other.client.append('INBOX', message(20));
  expect(await heard).toBe(exists + 1);
  await waiting.client.noop();
  await idling;
});

test('COMPRESS=DEFLATE: imapflow asks for it, and all goes on compressed', async () => {
  await using session = await login();
  const asked = session.dialogue.find((line) => /^C: \w+ COMPRESS DEFLATE$/.test(line));
  const tag = asked?.split(' ')[1];
  expect(session.dialogue).toContainEqual(expect.stringMatching(new RegExp(`^S: ${tag} OK `)));
  await session.client.mailboxOpen('INBOX');
  expect((await source(session, '2')).toString()).toBe(message(1));
});

describe('a message of 50 MB', () => {
  const large = largeMessage(50);
  let uid: number;

  test('passes untouched on its way in', async () => {
    await using session = await login(await chain.account('large@example.com'));
    uid = given(given(await session.client.append('INBOX', large)).uid);
    expect(uid).toBeGreaterThan(0);
  });

  test('is the same for a client that reads it at Dovecot directly', async () => {
    await using session = await login(chain.direct('large@example.com'));
    await session.client.mailboxOpen('INBOX');
    expect(sha256(await source(session, `${uid}`))).toBe(sha256(large));
  });

  test('passes untouched on its way out', async () => {
    await using session = await login(await chain.account('large@example.com'));
    await session.client.mailboxOpen('INBOX');
    expect(sha256(await source(session, `${uid}`))).toBe(sha256(large));
  });

  test('and for a client that does not compress', async () => {
    const { stdout } = await curl(await chain.account('large@example.com', 'starttls'), `INBOX;UID=${uid}`);
    expect(sha256(stdout)).toBe(sha256(large));
  });
});
