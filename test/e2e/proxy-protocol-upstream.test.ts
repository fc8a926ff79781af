// Postern says to a real Dovecot by a PROXY v2 header where its clients are, and by nothing else.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { curl } from '../support/mail-clients.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { type Postern, startPostern } from '../support/postern.ts';

describe('PROXY v2 towards Dovecot', () => {
  let pki: Pki;
  let dovecot: Dovecot;
  let postern: Postern;
  beforeAll(async () => {
    pki = await createPki();
    const certificate = await pki.issue();
    dovecot = await startDovecot({ certificate });
    const upstream = (tls: string, port: number, proxyProtocol: string) => `
  ${tls}-${proxyProtocol}:
    protocol: imap
    address: 127.0.0.1:${port}
    tls: ${tls}
    ca: ${pki.ca.certFile}
    proxyProtocol: ${proxyProtocol}
    sendClientAddress: never
    login: { method: plain, user: ${dovecot.master.user}, passwordFile: ./master }`;
    postern = await startPostern({
      certificate,
      files: { master: dovecot.master.password },
      config: `
upstreams:
${upstream('implicit', dovecot.proxiedPorts.imaps, 'v2')}
${upstream('starttls', dovecot.proxiedPorts.imap, 'v2')}
${upstream('implicit', dovecot.ports.imaps, 'none')}
routes:
  - { users: implicit@example.com, imap: implicit-v2 }
  - { users: starttls@example.com, imap: starttls-v2 }
  - { users: "*@example.com", imap: implicit-none }
`,
    });
  });
  afterAll(async () => {
    await postern?.[Symbol.asyncDispose]();
    await dovecot?.[Symbol.asyncDispose]();
    pki?.[Symbol.dispose]();
  });

  const logIn = async (user: string, from: string) => {
    const { password } = await postern.createPassword(user);
    const account = {
      port: postern.ports.imaps,
      tls: 'implicit',
      user,
      password,
      caFile: pki.ca.certFile,
    } as const;
    expect(await curl(account, '', '--request', 'NOOP', '--interface', from)).toMatchObject({
      code: 0,
      stderr: '',
    });
  };

  test.each([
    ['implicit@example.com', '127.0.0.7'],
    ['starttls@example.com', '127.0.0.8'],
  ])("%s: Dovecot's log has the client's own address", async (user, from) => {
    await logIn(user, from);
    // The local address is the one that the client has connected to.
    await dovecot.logged(
      new RegExp(`Login: user=<${user}>, method=PLAIN, rip=${from}, lip=127\\.0\\.0\\.1,`),
    );
  });

  test('without it, and without ID, Dovecot sees Postern', async () => {
    await logIn('none@example.com', '127.0.0.9');
    await dovecot.logged(/Login: user=<none@example\.com>, method=PLAIN, rip=127\.0\.0\.1,/);
  });

  test('a listener of Dovecot that awaits no header makes it unavailable, not wrong', async () => {
    await using misled = await startPostern({
      certificate: await pki.issue(),
      files: { master: dovecot.master.password },
      config: `
upstreams:
  dovecot:
    protocol: imap
    address: 127.0.0.1:${dovecot.ports.imaps}
    tls: implicit
    ca: ${pki.ca.certFile}
    proxyProtocol: v2
    login: { method: plain, user: ${dovecot.master.user}, passwordFile: ./master }
routes:
  - { users: "*@example.com", imap: dovecot }
`,
    });
    const { password } = await misled.createPassword('alice@example.com');
    const account = {
      port: misled.ports.imaps,
      tls: 'implicit',
      user: 'alice',
      password,
      caFile: pki.ca.certFile,
    } as const;
    expect(await curl(account, '', '--request', 'NOOP')).not.toMatchObject({ code: 0 });
    await misled.logged(/"event":"login".*"verdict":"unavailable","reason":"upstream_unreachable"/);
  });
});
