// Dovecot's submission service behind Postern: by PLAIN with the user as authorization identity. It relays to a sink.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { freePort } from '../support/ports.ts';
import { type Postern, startPostern } from '../support/postern.ts';
import { type ScriptedSmtpUpstream, startScriptedSmtpUpstream } from '../support/scripted-smtp-upstream.ts';
import { type SmtpAccount, sendByMsmtp, sendBySwaks } from '../support/smtp-clients.ts';

const started = new AsyncDisposableStack();
let pki: Pki;
let sink: ScriptedSmtpUpstream;
let dovecot: Dovecot;
let postern: Postern;
const ports = { smtp: 0, submissions: 0 };

beforeAll(async () => {
  pki = started.use(await createPki());
  const certificate = await pki.issue();
  sink = started.use(await startScriptedSmtpUpstream());
  dovecot = started.use(await startDovecot({ certificate, relayPort: sink.port }));
  ports.smtp = await freePort();
  ports.submissions = await freePort();
  const upstream = (port: number, tls: string) => `
    protocol: smtp
    address: localhost:${port}
    tls: ${tls}
    ca: ${pki.ca.certFile}
    login: { method: plain, user: ${dovecot.master.user}, passwordFile: ./master }`;
  postern = started.use(
    await startPostern({
      certificate,
      files: { master: dovecot.master.password },
      config: `
listeners:
  - { name: smtp, protocol: smtp, address: "127.0.0.1:${ports.smtp}", tls: starttls }
  - { name: submissions, protocol: smtp, address: "127.0.0.1:${ports.submissions}", tls: implicit }
upstreams:
  implicit: ${upstream(dovecot.submissionPorts!.submissions, 'implicit')}
  starttls: ${upstream(dovecot.submissionPorts!.smtp, 'starttls')}
routes:
  - { users: "bob@example.com", smtp: starttls }
  - { users: "*@example.com", smtp: implicit }
`,
    }),
  );
});
afterAll(() => started.disposeAsync());

async function account(user: string, tls: SmtpAccount['tls']): Promise<SmtpAccount> {
  const { password } = await postern.createPassword(user);
  const port = tls === 'implicit' ? ports.submissions : ports.smtp;
  return { port, tls, user, password, caFile: pki.ca.certFile };
}

test.each([
  ['alice@example.com', 'implicit', sendBySwaks],
  ['bob@example.com', 'starttls', sendByMsmtp],
] as const)(
  '%s, %s TLS: it is sent as the user, whom Dovecot’s log has with the client’s address',
  async (user, tls, send) => {
    const before = sink.messages.length;
    const message = Buffer.from(`Subject: for ${user}\r\n\r\n.dot\r\n`);
    const sent = await send(await account(user, tls), {
      from: user,
      to: ['x@example.org', 'y@example.org'],
      message,
    });
    expect(sent).toBe('ok');
    expect(sink.messages).toHaveLength(before + 1);
    const { envelope, data } = sink.messages.at(-1)!;
    expect(envelope.map((line) => line.split(' ')[1])).toEqual([
      `FROM:<${user}>`,
      'TO:<x@example.org>',
      'TO:<y@example.org>',
    ]);
    expect(data.toString()).toMatch(new RegExp(`Subject: for ${user}\r\n\r\n\\.\\.dot`));
    const [line] = await dovecot.logged(new RegExp(`submission-login: Info: Login: user=<${user}>.*`));
    // What XCLIENT told it; the master user is not the one who is logged in.
    expect(line).toMatch(/rip=127\.0\.0\.1/);
    // Log lines are written in batches.
    await expect.poll(() => postern.log()).toContain(`"user":"${user}"`);
    const session = postern.events().find((event) => event.event === 'login' && event.user === user)!
      .session as string;
    expect(line).toContain(`session=<${session}`);
  },
);

test('a master user whom Dovecot refuses is Postern’s trouble, not the client’s', async () => {
  await using broken = await startPostern({
    certificate: await pki.issue(),
    config: `
listeners:
  - { name: submissions, protocol: smtp, address: "127.0.0.1:${await freePort()}", tls: implicit }
upstreams:
  dovecot:
    protocol: smtp
    address: localhost:${dovecot.submissionPorts!.submissions}
    tls: implicit
    ca: ${pki.ca.certFile}
    login: { method: plain, user: ${dovecot.master.user}, password: not it }
routes:
  - { users: "*@example.com", smtp: dovecot }
`,
  });
  const { password } = await broken.createPassword('alice@example.com');
  const [, port] = await broken.logged(/"listener":"submissions".*?"port":(\d+)/);
  const sent = await sendBySwaks(
    { port: Number(port), tls: 'implicit', user: 'alice@example.com', password, caFile: pki.ca.certFile },
    { from: 'alice@example.com', to: ['x@example.org'], message: Buffer.from('Subject: x\r\n\r\nx\r\n') },
  );
  expect(sent).toMatch(/454 4\.7\.0/);
  await broken.logged(/"event":"upstream_refused".*"reason":"upstream_refused_postern".*AUTH: 535/);
});
