// Postern in this process before a scripted directory, for LDAP's wire transcripts. The user is alice@example.com, with one app
// password; whatever Postern logs goes to the run's logs, where secrets are searched for.

import { parse } from 'yaml';
import { bind } from '../support/ldap-bytes.ts';
import { connectLdap, type LdapClient } from '../support/ldap-client.ts';
import { until } from '../support/patience.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { type PosternInProcess, startPosternInProcess } from '../support/postern-in-process.ts';
import {
  type DirectoryScript,
  type ScriptedLdapUpstream,
  startScriptedLdapUpstream,
} from '../support/scripted-ldap-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';
import type { ConnectOptions } from '../support/transcript.ts';

export type { LdapClient } from '../support/ldap-client.ts';

export interface DirectorySetting extends PosternInProcess {
  readonly upstream: ScriptedLdapUpstream;
  /** Alice's app password, bare, and its id. */
  readonly password: string;
  readonly passwordId: string;
  /** Connects to the TLS port. */
  client(options?: Partial<ConnectOptions>): Promise<LdapClient>;
  /** Connects to the TLS port, and binds as Alice with message id 1. */
  bound(options?: Partial<ConnectOptions>): Promise<LdapClient>;
  /** Connects to the StartTLS port, in clear. */
  plain(): Promise<LdapClient>;
  /** Connects to the TLS port, without TLS. */
  plainToTlsPort(): Promise<LdapClient>;
  /** Connects to the port where there is no TLS. */
  clear(): Promise<LdapClient>;
  /** Waits until the condition holds. */
  until(condition: () => boolean): Promise<void>;
}

export const ALICE = 'uid=alice,ou=people,dc=example,dc=com';
export const SERVICE = { dn: 'cn=postern,dc=example,dc=com', password: 'dIr8-service-of-the-script' };

let authority: Promise<Pki> | undefined;

export async function startDirectorySetting({
  script,
  upstream: upstreamKeys = {},
  directory = {},
  config = '{}',
}: {
  readonly script?: DirectoryScript;
  /** Keys of the upstream. */
  readonly upstream?: Record<string, unknown>;
  /** Keys of the route's `directory`. */
  readonly directory?: Record<string, unknown>;
  /** YAML: sections that stand in place of the usual ones. */
  readonly config?: string;
} = {}): Promise<DirectorySetting> {
  await using started = new AsyncDisposableStack();
  authority ??= createPki();
  const { ca, issue } = await authority;
  const certificate = await issue();
  const upstream = started.use(await startScriptedLdapUpstream(script));
  const listener = (name: string, tls: string, more = {}) => ({
    name,
    protocol: 'ldap',
    address: '127.0.0.1:0',
    tls,
    ...more,
  });
  const postern = started.use(
    await startPosternInProcess(certificate, {
      users: { defaultDomain: 'example.com', dnTemplates: ['uid={local},ou=people,dc=example,dc=com'] },
      listeners: [
        listener('ldap', 'starttls'),
        listener('ldaps', 'implicit'),
        listener('clear', 'none', { passwordsInClear: 'accepted' }),
      ],
      upstreams: {
        script: {
          protocol: 'ldap',
          address: `127.0.0.1:${upstream.port}`,
          tls: 'none',
          login: { method: 'bind', dn: SERVICE.dn, password: ledger(SERVICE.password) },
          ...upstreamKeys,
        },
      },
      routes: [{ users: '*@example.com', ldap: 'script', directory }],
      // The script hears of clients alone, unless a test wants it to be asked what it can do.
      ldap: { rootDse: [] },
      ...parse(config),
    }),
  );
  const { ports } = postern;
  const { password, id: passwordId } = await postern.createPassword('alice@example.com');
  const open = (name: string, more: Partial<ConnectOptions> = {}) =>
    connectLdap({ port: ports[name]!, ca: ca.cert, ...more });
  const client: DirectorySetting['client'] = (more = {}) => open('ldaps', { tls: true, ...more });
  const whole = started.move();
  return {
    ...postern,
    upstream,
    password,
    passwordId,
    client,
    async bound(more) {
      const opened = await client(more);
      const answer = await opened.ask(bind(1, ALICE, password));
      if (answer.code !== 0) throw new Error(`the bind was answered ${JSON.stringify(answer)}`);
      return opened;
    },
    plain: () => open('ldap'),
    plainToTlsPort: () => open('ldaps'),
    clear: () => open('clear'),
    until: (condition) => until(String(condition), condition),
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}
