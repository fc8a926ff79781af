// A real HAProxy before Postern, and a real Dovecot behind it. HAProxy passes TLS through and sends PROXY headers: the client's own
// address goes from one end to the other, and what a client does falls on that client.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { type Haproxy, startHaproxy } from '../support/haproxy.ts';
import { type Account, curl } from '../support/mail-clients.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { freePort } from '../support/ports.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { connect } from '../support/transcript.ts';

/** curl's exit code for a refused login. */
const LOGIN_DENIED = 67;

describe('HAProxy, Postern, Dovecot', () => {
  let pki: Pki;
  let dovecot: Dovecot;
  let postern: Postern;
  let haproxy: Haproxy;
  /** HAProxy's ports: TLS passed through, by version 2 and by version 1; STARTTLS; without a header, by mistake. */
  const front = { v2: 0, v1: 0, starttls: 0, without: 0 };

  beforeAll(async () => {
    pki = await createPki();
    const certificate = await pki.issue();
    dovecot = await startDovecot({ certificate });
    postern = await startPostern({
      certificate,
      files: { master: dovecot.master.password },
      config: ({ imap, imaps }) => `
listeners:
  - { name: imap, protocol: imap, address: "127.0.0.1:${imap}", tls: starttls, proxyProtocol: [127.0.0.1] }
  - { name: imaps, protocol: imap, address: "127.0.0.1:${imaps}", tls: implicit, proxyProtocol: [127.0.0.1] }
limits: { perNetwork: 5 }
throttle: { failureDelay: 10ms, network: { distinct: 3, window: 1h, block: 1h } }
upstreams:
  dovecot:
    protocol: imap
    address: 127.0.0.1:${dovecot.proxiedPorts.imaps}
    tls: implicit
    ca: ${pki.ca.certFile}
    proxyProtocol: v2
    sendClientAddress: never
    login: { method: plain, user: ${dovecot.master.user}, passwordFile: ./master }
routes:
  - { users: "*@example.com", imap: dovecot }
`,
    });
    for (const name of Object.keys(front) as (keyof typeof front)[]) front[name] = await freePort();
    const { imap, imaps } = postern.ports;
    haproxy = await startHaproxy([
      {
        name: 'v2',
        port: front.v2,
        to: imaps,
        server:
          'send-proxy-v2 proxy-v2-options crc32c,unique-id,authority check check-send-proxy inter 200ms',
        lines: [
          'unique-id-format %ci:%cp_%Ts',
          'tcp-request inspect-delay 2s',
          'tcp-request content accept if { req_ssl_hello_type 1 }',
        ],
      },
      { name: 'v1', port: front.v1, to: imaps, server: 'send-proxy' },
      {
        name: 'starttls',
        port: front.starttls,
        to: imap,
        server: 'send-proxy-v2 check check-send-proxy inter 200ms',
        lines: ['option tcp-check', 'tcp-check expect rstring ^\\*\\ OK'],
      },
      { name: 'without', port: front.without, to: imaps, server: '' },
    ]);
  });
  afterAll(async () => {
    await haproxy?.[Symbol.asyncDispose]();
    await postern?.[Symbol.asyncDispose]();
    await dovecot?.[Symbol.asyncDispose]();
    pki?.[Symbol.dispose]();
  });

  const account = async (user: string, port: number, tls: Account['tls'] = 'implicit'): Promise<Account> => {
    const { password } = await postern.createPassword(user);
    return { port, tls, user, password, caFile: pki.ca.certFile };
  };
  const noop = (at: Account, from: string) => curl(at, '', '--request', 'NOOP', '--interface', from);

  /** Waits until the log has an attempt that is as `facts` say. */
  const loggedLogin = (facts: Record<string, string>) =>
    expect
      .poll(() => postern.events().filter(({ event }) => event === 'login'))
      .toContainEqual(expect.objectContaining(facts));

  test.each([
    ['v2', 'implicit', '127.0.0.7'],
    ['v1', 'implicit', '127.0.0.8'],
    ['starttls', 'starttls', '127.0.0.9'],
  ] as const)("%s: Dovecot's log and Postern's have the client's own address", async (proxy, tls, from) => {
    const user = `${proxy}@example.com`;
    const at = await account(user, front[proxy], tls);
    expect(await noop(at, from)).toMatchObject({ code: 0, stderr: '' });
    await dovecot.logged(
      new RegExp(`Login: user=<${user}>, method=PLAIN, rip=${from.replaceAll('.', '\\.')},`),
    );
    await loggedLogin({ client: from, balancer: '127.0.0.1', verdict: 'admitted', user });
  });

  test("a block falls on the client that guessed, not on HAProxy's other clients", async () => {
    const at = await account('guessed@example.com', front.v2);
    const guess = (letter: string, from: string) => noop({ ...at, password: letter.repeat(16) }, from);
    for (const letter of 'abcdef')
      expect(await guess(letter, '127.0.0.66')).toMatchObject({ code: LOGIN_DENIED });
    const { user } = at;
    await loggedLogin({ client: '127.0.0.66', verdict: 'throttled', reason: 'network_blocked', user });

    expect(await guess('g', '127.0.0.67')).toMatchObject({ code: LOGIN_DENIED });
    await loggedLogin({ client: '127.0.0.67', verdict: 'refused', reason: 'bad_credentials', user });
    expect(await noop(at, '127.0.0.67')).toMatchObject({ code: 0 });
    // And a right secret passes from the blocked one, too.
    expect(await noop(at, '127.0.0.66')).toMatchObject({ code: 0 });
  });

  test('connections count for the client, not for HAProxy', async () => {
    const held = await Promise.all(
      ['127.0.0.21', '127.0.0.22', '127.0.0.23'].flatMap((from) =>
        Array.from({ length: 4 }, () => connect({ port: front.starttls, localAddress: from })),
      ),
    );
    for (const client of held) await client.expect('* OK [CAPABILITY …] Postern ready');
    const more = await Promise.all(
      Array.from({ length: 2 }, () => connect({ port: front.starttls, localAddress: '127.0.0.21' })),
    );
    // Five of the six may stay, whichever has to go.
    const closed = () => [...held, ...more].filter(({ socket }) => socket.destroyed);
    await expect.poll(() => closed().length).toBe(1);
    expect([...held.slice(0, 4), ...more]).toContain(closed()[0]);
    await postern.logged(/"event":"connection_rejected".*"client":"127\.0\.0\.21","limit":"perNetwork"/);
    for (const client of [...held, ...more]) client.reset();
  });

  test("HAProxy's health checks pass, and are no logins and no warnings", async () => {
    for (const proxy of ['v2', 'starttls']) {
      await expect.poll(() => haproxy.isUp(proxy)).toBe(true);
      expect(haproxy.log()).not.toContain(`Server ${proxy}/postern is DOWN`);
    }
    const checks = postern
      .events()
      .filter(({ event, client }) => event === 'login' && client === '127.0.0.1');
    expect(checks).toEqual([]);
    expect(postern.log()).not.toContain('proxy_header_refused');
    expect((await postern.metrics()).value('postern_proxy_headers_refused_total')).toBe(0);
  });

  test('an HAProxy that sends no header gets nobody in, and the log says what is missing', async () => {
    const at = await account('without@example.com', front.without);
    const outcome = await noop(at, '127.0.0.31');
    expect(outcome.code).not.toBe(0);
    expect(outcome.code).not.toBe(LOGIN_DENIED);
    await postern.logged(/"event":"proxy_header_refused".*"client":"127\.0\.0\.1".*"kind":"missing"/);
    expect(postern.events().some(({ event, user }) => event === 'login' && user === at.user)).toBe(false);
  });
});
