// Postern in this process before a scripted upstream, for tests that read as wire transcripts. The user is
// alice@example.com, with one app password; whatever Postern logs goes to the run's logs, where secrets are searched for.

import { parse } from 'yaml';
import { createPki, type Pki } from '../support/pki.ts';
import { type PosternInProcess, startPosternInProcess } from '../support/postern-in-process.ts';
import {
  type Script,
  type ScriptedImapUpstream,
  startScriptedImapUpstream,
} from '../support/scripted-imap-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { type ConnectOptions, connect, type Transcript } from '../support/transcript.ts';

export interface SettingOptions {
  readonly script?: Script;
  /** YAML: keys of the upstream that stand in place of the usual ones. */
  readonly upstream?: string | ((port: number) => string);
  /** YAML: sections that stand in place of the usual ones. */
  readonly config?: string;
}

export interface Setting extends PosternInProcess {
  readonly upstream: ScriptedImapUpstream;
  /** Alice's app password, bare. */
  readonly password: string;
  /** How Postern logs in to the upstream. */
  readonly master: { readonly user: string; readonly password: string };
  /** Connects to the STARTTLS port; the greeting is still to be read. */
  plain(options?: Partial<ConnectOptions>): Promise<Transcript>;
  /** Connects to the TLS port and reads the greeting. */
  client(options?: Partial<ConnectOptions>): Promise<Transcript>;
  /** Connects to the TLS port, without TLS: for clients that make mistakes. */
  plainToTlsPort(): Promise<Transcript>;
  /** The status of `/readyz`, and its word. */
  readiness(): Promise<[status: number, word: string]>;
}

export const MASTER = { user: 'postern', password: 'mEs8 master of the script "\\' } as const;

let authority: Promise<Pki> | undefined;

/** One authority for all tests of a file: making keys is slow. */
export function pki(): Promise<Pki> {
  authority ??= createPki();
  return authority;
}

export async function startSetting(options: SettingOptions = {}): Promise<Setting> {
  await using started = new AsyncDisposableStack();
  const { ca, issue } = await pki();
  const certificate = await issue();
  const upstream = started.use(await startScriptedImapUpstream({ certificate, ...options.script }));
  const master = { user: MASTER.user, password: ledger(MASTER.password) };

  const keys = typeof options.upstream === 'function' ? options.upstream(upstream.port) : options.upstream;
  const usual = {
    protocol: 'imap',
    address: `127.0.0.1:${upstream.port}`,
    tls: options.script?.tls ?? 'none',
    ...(options.script?.tls === undefined || options.script.tls === 'none' ? {} : { ca: ca.certFile }),
    login: { method: 'plain', ...master },
    // The script hears of logins alone, unless a test wants it to be asked what it can do.
    capabilities: [],
  };
  const postern = started.use(
    await startPosternInProcess(certificate, {
      listeners: [
        { name: 'imap', protocol: 'imap', address: '127.0.0.1:0', tls: 'starttls' },
        { name: 'imaps', protocol: 'imap', address: '127.0.0.1:0', tls: 'implicit' },
      ],
      upstreams: { script: { ...usual, ...parse(keys ?? '{}') } },
      routes: [{ users: '*@example.com', imap: 'script' }],
      ...parse(options.config ?? '{}'),
    }),
  );
  const { ports } = postern;
  const { password } = await postern.createPassword('alice@example.com');
  const at = (name: string, more: Partial<ConnectOptions>): ConnectOptions => ({
    port: ports[name]!,
    ca: ca.cert,
    ...more,
  });

  const whole = started.move();
  return {
    ...postern,
    upstream,
    password,
    master,
    plain: (more = {}) => connect(at('imap', more)),
    plainToTlsPort: () => connect(at('imaps', {})),
    async client(more = {}) {
      const client = await connect(at('imaps', { tls: true, ...more }));
      await client.expect('* OK [CAPABILITY …] Postern ready');
      return client;
    },
    async readiness() {
      const response = await fetch(`http://127.0.0.1:${ports.admin}/readyz`);
      return [response.status, ((await response.json()) as { status: string }).status];
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

/** The base64 of a SASL PLAIN message (RFC 4616 §2). */
export function plainMessage(login: string, password: string, authorizationId = ''): string {
  return base64(`${authorizationId}\0${login}\0${password}`);
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
