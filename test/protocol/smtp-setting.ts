// Postern in this process before a scripted SMTP upstream, for tests that read as wire transcripts. The user is
// alice@example.com, with one app password; whatever Postern logs goes to the run's logs, where secrets are searched for.

import { parse } from 'yaml';
import type { Certificate } from '../support/pki.ts';
import { type PosternInProcess, startPosternInProcess } from '../support/postern-in-process.ts';
import {
  type ScriptedSmtpUpstream,
  type SmtpScript,
  startScriptedSmtpUpstream,
} from '../support/scripted-smtp-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { type ConnectOptions, connect, type Transcript } from '../support/transcript.ts';
import { MASTER, pki, plainMessage } from './postern-before-script.ts';

export interface SmtpSettingOptions {
  readonly script?: SmtpScript;
  /** Another port than the scripted server's, for tests that have a server of their own. */
  readonly upstreamPort?: number;
  /** YAML: `routes[0].submission`. */
  readonly submission?: string;
  /** YAML: sections that stand in place of the usual ones. */
  readonly config?: string;
}

export interface SmtpSetting extends PosternInProcess {
  readonly upstream: ScriptedSmtpUpstream;
  /** Alice's app password, bare. */
  readonly password: string;
  /** Connects to the STARTTLS port; the greeting is still to be read. */
  plain(options?: Partial<ConnectOptions>): Promise<Transcript>;
  /** Connects to the TLS port and reads the greeting. */
  client(options?: Partial<ConnectOptions>): Promise<Transcript>;
  /** The same, logged in as alice. */
  session(options?: Partial<ConnectOptions>): Promise<Transcript>;
  /** Connects to the port without TLS; the greeting is still to be read. */
  inClear(): Promise<Transcript>;
  /** Connects to the TLS port, without TLS: for clients that make mistakes. */
  plainToTlsPort(): Promise<Transcript>;
  readonly passwordId: string;
}

/** One for all tests of a file: making keys is slow. */
let issued: Promise<Certificate> | undefined;

export async function startSmtpSetting(options: SmtpSettingOptions = {}): Promise<SmtpSetting> {
  await using started = new AsyncDisposableStack();
  const { ca, issue } = await pki();
  issued ??= issue();
  const certificate = await issued;
  const upstream = started.use(await startScriptedSmtpUpstream(options.script ?? {}));
  ledger(MASTER.password);

  const postern = started.use(
    await startPosternInProcess(certificate, {
      hostname: 'mail.example.com',
      listeners: [
        { name: 'submission', protocol: 'smtp', address: '127.0.0.1:0', tls: 'starttls' },
        { name: 'submissions', protocol: 'smtp', address: '127.0.0.1:0', tls: 'implicit', authEquals: true },
        {
          name: 'scanners',
          protocol: 'smtp',
          address: '127.0.0.1:0',
          tls: 'none',
          passwordsInClear: 'accepted',
        },
      ],
      upstreams: {
        script: {
          protocol: 'smtp',
          address: `127.0.0.1:${options.upstreamPort ?? upstream.port}`,
          tls: 'none',
          login: { method: 'plain', ...MASTER },
        },
      },
      routes: [{ users: '*@example.com', smtp: 'script', submission: parse(options.submission ?? '{}') }],
      ...parse(options.config ?? '{}'),
    }),
  );
  const { ports } = postern;
  const { id: passwordId, password } = await postern.createPassword('alice@example.com');

  const at = (name: string, more: Partial<ConnectOptions> = {}): ConnectOptions => ({
    port: ports[name]!,
    ca: ca.cert,
    ...more,
  });
  const client = async (more: Partial<ConnectOptions> = {}) => {
    const transcript = await connect(at('submissions', { tls: true, ...more }));
    await transcript.expect(GREETING);
    return transcript;
  };

  const whole = started.move();
  return {
    ...postern,
    upstream,
    password,
    passwordId,
    plain: (more) => connect(at('submission', more)),
    plainToTlsPort: () => connect(at('submissions')),
    inClear: () => connect(at('scanners')),
    client,
    async session(more) {
      const transcript = await client(more);
      await transcript.send(`AUTH PLAIN ${plainMessage('alice', password)}\r\n`);
      await transcript.expect('235 2.7.0 Authentication successful');
      return transcript;
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

export const GREETING = '220 mail.example.com ESMTP Postern';
