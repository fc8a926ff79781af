// The whole chain: an authority, a Dovecot with a certificate of it, and Postern before that Dovecot.

import { type Dovecot, startDovecot } from './dovecot.ts';
import type { Account } from './mail-clients.ts';
import { createPki, type Pki } from './pki.ts';
import { type Postern, startPostern } from './postern.ts';

export interface Chain extends AsyncDisposable {
  readonly pki: Pki;
  readonly dovecot: Dovecot;
  readonly postern: Postern;
  /** A new app password for the user, and the way to use it at Postern. */
  account(user: string, tls?: 'implicit' | 'starttls'): Promise<Account>;
  /** The user's own password, and the way past Postern. */
  direct(user: string, tls?: 'implicit' | 'starttls'): Account;
}

export interface ChainOptions {
  /** How Postern reaches Dovecot; implicit TLS unless told. */
  readonly tls?: 'implicit' | 'starttls';
  /** How it logs in there; `plain` unless told. */
  readonly method?: 'plain' | 'master-suffix';
  /** The only users that Dovecot's userdb knows; everybody unless told. */
  readonly users?: readonly string[];
  /** YAML: sections that stand in place of the usual ones, `upstreams` and `routes` aside. */
  readonly config?: string;
}

export async function startPosternBeforeDovecot(options: ChainOptions = {}): Promise<Chain> {
  const { tls = 'implicit', method = 'plain', config = '' } = options;
  await using started = new AsyncDisposableStack();
  const pki = started.use(await createPki());
  const certificate = await pki.issue();
  const { users } = options;
  const dovecot = started.use(await startDovecot({ certificate, ...(users !== undefined && { users }) }));
  const postern = started.use(
    await startPostern({
      certificate,
      files: { master: dovecot.master.password },
      config: `
upstreams:
  dovecot:
    protocol: imap
    address: localhost:${tls === 'implicit' ? dovecot.ports.imaps : dovecot.ports.imap}
    tls: ${tls}
    ca: ${pki.ca.certFile}
    login: { method: ${method}, user: ${dovecot.master.user}, passwordFile: ./master }
routes:
  - { users: "*@example.com", imap: dovecot }
${config}
`,
    }),
  );
  const whole = started.move();
  const at = (ports: { imap: number; imaps: number }, tls: 'implicit' | 'starttls') => ({
    port: tls === 'implicit' ? ports.imaps : ports.imap,
    tls,
    caFile: pki.ca.certFile,
  });
  return {
    pki,
    dovecot,
    postern,
    async account(user, tls = 'implicit') {
      const { password } = await postern.createPassword(user);
      return { ...at(postern.ports, tls), user, password };
    },
    direct: (user, tls = 'implicit') => ({ ...at(dovecot.ports, tls), user, password: dovecot.userPassword }),
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}
