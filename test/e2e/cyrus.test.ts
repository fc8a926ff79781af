// Cyrus behind Postern: other people's clients read and write mail there, and an admin, to whom Cyrus offers UNAUTHENTICATE
// (RFC 8437), does not get past the gate by it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cyrus, startCyrus } from '../support/cyrus.ts';
import { imapFlow } from '../support/imapflow-client.ts';
import { type Account, curl } from '../support/mail-clients.ts';
import { message } from '../support/mail-message.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connect, type Transcript } from '../support/transcript.ts';

const ALICE = 'alice@example.com';
/** A user of Postern whom the upstream lets in as its admin, whatever the user is called. */
const SHARED = 'shared@example.com';

const started = new AsyncDisposableStack();
let pki: Pki;
let cyrus: Cyrus;
let postern: Postern;
/** Another one, which joins all that offer UNAUTHENTICATE. */
let trusting: Postern;

beforeAll(async () => {
  pki = started.use(await createPki());
  const certificate = await pki.issue();
  cyrus = started.use(await startCyrus({ certificate, users: [ALICE] }));
  const config = (more: string) => `
upstreams:
  cyrus:
    protocol: imap
    address: localhost:${cyrus.ports.imaps}
    tls: implicit
    ca: ${pki.ca.certFile}
    login: { method: plain, user: ${cyrus.proxy.user}, passwordFile: ./proxy }
    ${more}
  starttls:
    protocol: imap
    address: localhost:${cyrus.ports.imap}
    tls: starttls
    ca: ${pki.ca.certFile}
    login: { method: plain, user: ${cyrus.proxy.user}, passwordFile: ./proxy }
  as-admin:
    protocol: imap
    address: localhost:${cyrus.ports.imaps}
    tls: implicit
    ca: ${pki.ca.certFile}
    login: { method: password, user: ${cyrus.admin}, passwordFile: ./admin }
routes:
  - { users: "${SHARED}", imap: as-admin }
  - { users: "starttls@example.com", imap: starttls }
  - { users: "*@example.com", imap: cyrus }
`;
  const files = { proxy: cyrus.proxy.password, admin: cyrus.userPassword };
  postern = started.use(await startPostern({ certificate, files, config: config('') }));
  trusting = started.use(
    await startPostern({ certificate, files, config: config('acceptUnauthenticate: true') }),
  );
});
afterAll(() => started.disposeAsync());

async function account(user: string, at = postern): Promise<Account> {
  const { password } = await at.createPassword(user);
  return { port: at.ports.imaps, tls: 'implicit', caFile: pki.ca.certFile, user, password };
}

/** Connected by TLS, the greeting read. */
async function client(port = postern.ports.imaps): Promise<Transcript> {
  const transcript = await connect({ port, tls: true, ca: pki.ca.cert });
  await transcript.expect('* OK …');
  return transcript;
}

async function logIn(transcript: Transcript, { user, password }: Account): Promise<void> {
  await transcript.send(`a LOGIN ${user} "${password}"\r\n`);
}

describe('mail', () => {
  test('imapflow lists, appends and fetches; it is told what Cyrus can do', async () => {
    await using session = await imapFlow(await account(ALICE), pki.ca.cert);
    const capabilities = [...session.client.capabilities.keys()];
    expect(capabilities).toEqual(expect.arrayContaining(['X-SIEVE-MAILBOX', 'ANNOTATE-EXPERIMENT-1']));
    expect(capabilities).not.toContain('UNAUTHENTICATE');
    expect((await session.client.list()).map(({ path }) => path).sort()).toEqual(['INBOX', 'Sent']);
    for (const i of [1, 2]) await session.client.append('INBOX', message(i));
    await session.client.mailboxOpen('INBOX');
    for (const i of [1, 2]) {
      const found = await session.client.fetchOne(`${i}`, { source: true });
      expect(found === false ? undefined : found?.source?.toString()).toBe(message(i));
    }
  });

  test('curl reads what imapflow has written', async () => {
    const outcome = await curl(await account(ALICE), 'INBOX;MAILINDEX=2');
    expect(outcome).toMatchObject({ code: 0, stderr: '', stdout: message(2) });
  });

  test('each user has a mailbox of their own, by STARTTLS upstream too', async () => {
    await using session = await imapFlow(await account('starttls@example.com'), pki.ca.cert);
    expect(await session.client.status('INBOX', { messages: true })).toMatchObject({ messages: 0 });
  });

  test("the user's own password opens Cyrus, and not Postern", async () => {
    const own = { ...(await account(ALICE)), password: cyrus.userPassword };
    expect((await curl({ ...own, port: cyrus.ports.imaps }, '', '--request', 'NOOP')).code).toBe(0);
    // curl: login denied.
    expect((await curl(own, '', '--request', 'NOOP')).code).toBe(67);
  });
});

describe('UNAUTHENTICATE', () => {
  test('is a way to log in again for an admin at Cyrus itself, by any password that Cyrus takes', async () => {
    await using direct = await client(cyrus.ports.imaps);
    const plain = Buffer.from(`${cyrus.admin}\0${cyrus.proxy.user}\0${cyrus.proxy.password}`);
    await direct.send(`a AUTHENTICATE PLAIN ${plain.toString('base64')}\r\n`);
    // What this OK lists is not all: as of 3.6, UNAUTHENTICATE is told only to those who ask.
    await direct.expect('a OK [CAPABILITY …] …');
    await direct.send('b CAPABILITY\r\n');
    await direct.expect('* CAPABILITY … UNAUTHENTICATE …');
    await direct.expect('b OK …');
    await direct.send('c UNAUTHENTICATE\r\n');
    await direct.expect('c OK …');
    await direct.send(`d LOGIN ${ALICE} ${cyrus.userPassword}\r\n`);
    await direct.expect('d OK …');
  });

  test.each([
    ['admin whom Postern logs in as', () => cyrus.admin, 'cyrus'],
    ['user of an account that is an admin', () => SHARED, 'as-admin'],
  ])('the %s is not joined, and the operator hears of it', async (_, user, upstream) => {
    await using session = await client();
    await logIn(session, await account(user()));
    await session.expect('a NO [UNAVAILABLE] …');
    // The connection is still Postern's: nothing has reached Cyrus.
    await session.send('b UNAUTHENTICATE\r\nc LIST "" *\r\n');
    await session.expect('b BAD …');
    await session.expect('c BAD …');
    await expect
      .poll(() => postern.events().filter((line) => line.event === 'upstream_refused'))
      .toContainEqual(
        expect.objectContaining({
          level: 'error',
          upstream,
          reason: 'upstream_unauthenticate',
          detail: expect.stringContaining('UNAUTHENTICATE'),
        }),
      );
    const labels = { protocol: 'imap', verdict: 'unavailable', reason: 'upstream_unauthenticate' };
    expect((await postern.metrics()).value('postern_logins_total', labels)).toBeGreaterThan(0);
  });

  test('is no command for other users: the session stays as it is, and takes no other login', async () => {
    await using session = await client();
    const alice = await account(ALICE);
    await logIn(session, alice);
    await session.expect('a OK …');
    const own = Buffer.from(`\0${ALICE}\0${cyrus.userPassword}`).toString('base64');
    await session.send(
      `b UNAUTHENTICATE\r\nc LOGIN ${cyrus.admin} ${cyrus.userPassword}\r\nd AUTHENTICATE PLAIN ${own}\r\n`,
    );
    await session.expect('b BAD …');
    await session.expect('c BAD …');
    await session.expect('d BAD …');
    await session.send('e LIST "" *\r\n');
    expect(await session.expectUntil('e OK …')).toEqual([
      expect.stringMatching(/^\* LIST .* INBOX$/),
      expect.stringMatching(/^\* LIST .* Sent$/),
      expect.stringMatching(/^e OK /),
    ]);
  });

  test('is for an admin to use where the configuration accepts it in as many words', async () => {
    await using session = await client(trusting.ports.imaps);
    await logIn(session, await account(cyrus.admin, trusting));
    await session.expect('a OK [CAPABILITY … UNAUTHENTICATE …] Logged in');
  });
});
