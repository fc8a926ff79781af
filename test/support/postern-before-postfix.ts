// The whole chain for mail that is sent: an authority, a Postfix that believes Postern's XCLIENT, a sink behind it that records
// every byte, and Postern before them.

import { createPki, type Pki } from './pki.ts';
import { freePort } from './ports.ts';
import { type Postern, startPostern } from './postern.ts';
import { type Postfix, startPostfix } from './postfix.ts';
import type { SmtpAccount } from './smtp-clients.ts';

export interface SmtpChain extends AsyncDisposable {
  readonly pki: Pki;
  readonly postfix: Postfix;
  readonly postern: Postern;
  /** STARTTLS, and implicit TLS. */
  readonly ports: { readonly smtp: number; readonly submissions: number };
  /** A new app password for the user, and the way to use it at Postern. */
  account(user: string, tls?: SmtpAccount['tls']): Promise<SmtpAccount>;
}

/** `config`: YAML of more sections. */
export async function startPosternBeforePostfix(config = ''): Promise<SmtpChain> {
  await using started = new AsyncDisposableStack();
  const pki = started.use(await createPki());
  const certificate = await pki.issue();
  const postfix = started.use(await startPostfix({ certificate }));
  const ports = { smtp: await freePort(), submissions: await freePort() };
  const postern = started.use(
    await startPostern({
      certificate,
      config: `
listeners:
  - { name: smtp, protocol: smtp, address: "127.0.0.1:${ports.smtp}", tls: starttls }
  - { name: submissions, protocol: smtp, address: "127.0.0.1:${ports.submissions}", tls: implicit }
upstreams:
  postfix:
    protocol: smtp
    address: localhost:${postfix.port}
    tls: starttls
    ca: ${pki.ca.certFile}
    login: { method: xclient }
routes:
  - { users: "*@example.com", smtp: postfix }
${config}
`,
    }),
  );
  const whole = started.move();
  return {
    pki,
    postfix,
    postern,
    ports,
    async account(user, tls = 'implicit') {
      const { password } = await postern.createPassword(user);
      const port = tls === 'implicit' ? ports.submissions : ports.smtp;
      return { port, tls, user, password, caFile: pki.ca.certFile };
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}
