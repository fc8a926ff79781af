// curl reads mail from a real Dovecot through Postern: both TLS modes towards the client, both towards Dovecot, both
// login methods. And Dovecot learns where the client is.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { curl } from '../support/mail-clients.ts';
import { message } from '../support/mail-message.ts';
import { type Chain, startPosternBeforeDovecot } from '../support/postern-before-dovecot.ts';

describe.each([
  { tls: 'implicit', method: 'plain' },
  { tls: 'implicit', method: 'master-suffix' },
  { tls: 'starttls', method: 'plain' },
  { tls: 'starttls', method: 'master-suffix' },
] as const)('upstream $tls, login $method', (upstream) => {
  let chain: Chain;
  beforeAll(async () => {
    chain = await startPosternBeforeDovecot(upstream);
    chain.dovecot.deliver('alice@example.com', 3, message);
  });
  afterAll(() => chain?.[Symbol.asyncDispose]());

  test.each(['implicit', 'starttls'] as const)(
    'client %s: the app password opens the mailbox',
    async (tls) => {
      const { stdout, stderr, code } = await curl(
        await chain.account('alice@example.com', tls),
        'INBOX;MAILINDEX=2',
        '--interface',
        '127.0.0.5',
      );
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(stdout).toBe(message(1));
    },
  );

  test("Dovecot's log has the client's own address and the user's own name", async () => {
    await chain.dovecot.logged(/Login: user=<alice@example\.com>, method=PLAIN, rip=127\.0\.0\.5,/);
  });

  test('the app password also works as it was shown, and in capitals, and with the name in capitals', async () => {
    const account = await chain.account('alice@example.com');
    const bare = account.password.replaceAll(' ', '');
    const shown = bare.replace(/(.{4})(?=.)/g, '$1 ');
    for (const password of [bare, shown, bare.toUpperCase()]) {
      const outcome = await curl(
        { ...account, password, user: 'Alice@EXAMPLE.com' },
        '',
        '--request',
        'NOOP',
      );
      expect(outcome).toMatchObject({ code: 0, stderr: '' });
    }
  });
});

describe('what does not open the mailbox', () => {
  let chain: Chain;
  beforeAll(async () => {
    chain = await startPosternBeforeDovecot();
    chain.dovecot.deliver('alice@example.com', 1, message);
  });
  afterAll(() => chain?.[Symbol.asyncDispose]());

  /** curl's exit code for a refused login. */
  const LOGIN_DENIED = 67;

  test("the user's own password, which works at Dovecot", async () => {
    const direct = chain.direct('alice@example.com');
    expect((await curl(direct, '', '--request', 'NOOP')).code).toBe(0);
    const outcome = await curl({ ...direct, port: chain.postern.ports.imaps }, '', '--request', 'NOOP');
    expect(outcome.code).toBe(LOGIN_DENIED);
  });

  test('the master password', async () => {
    const account = {
      ...(await chain.account('alice@example.com')),
      password: chain.dovecot.master.password,
    };
    for (const user of ['alice@example.com', 'postern', 'alice@example.com*postern']) {
      expect((await curl({ ...account, user }, '', '--request', 'NOOP')).code).toBe(LOGIN_DENIED);
    }
  });

  test("somebody else's app password", async () => {
    const bob = await chain.account('bob@example.com');
    expect((await curl({ ...bob, user: 'alice@example.com' }, '', '--request', 'NOOP')).code).toBe(
      LOGIN_DENIED,
    );
    expect((await curl(bob, '', '--request', 'NOOP')).code).toBe(0);
  });

  test('none of that has reached Dovecot', () => {
    expect(chain.dovecot.log()).not.toMatch(/auth failed|password mismatch/i);
  });
});
