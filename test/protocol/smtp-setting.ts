// Postern in this process before a scripted SMTP upstream, for tests that read as wire transcripts. The user is
// alice@example.com, with one app password; whatever Postern logs goes to the run's logs, where secrets are searched for.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { createApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createLog } from '../../src/lib/log.ts';
import { parseUser } from '../../src/lib/user.ts';
import { openKeys } from '../../src/passwords/keys-file.ts';
import { createPasswords } from '../../src/passwords/service.ts';
import { openStoreOnce } from '../../src/store/open.ts';
import { type Metrics, parseMetrics } from '../support/metrics-text.ts';
import type { Certificate } from '../support/pki.ts';
import { newLogFile } from '../support/run-directory.ts';
import {
  type ScriptedSmtpUpstream,
  type SmtpScript,
  startScriptedSmtpUpstream,
} from '../support/scripted-smtp-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { tempDir } from '../support/temp-dir.ts';
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

export interface SmtpSetting extends AsyncDisposable {
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
  createPassword(user: string): Promise<{ id: string; password: string }>;
  revoke(id: string): Promise<void>;
  readonly passwordId: string;
  metrics(): Promise<Metrics>;
  /** Waits until the metric has this value, for 5 s at most. */
  metricIs(value: number, name: string, labels?: Readonly<Record<string, string>>): Promise<void>;
  events(event: string): Record<string, unknown>[];
  /** Waits for such a line, for 5 s at most. */
  logged(event: string): Promise<Record<string, unknown>>;
  /** As by SIGTERM. */
  drain(): Promise<number>;
}

/** One for all tests of a file: making keys is slow. */
let issued: Promise<Certificate> | undefined;

export async function startSmtpSetting(options: SmtpSettingOptions = {}): Promise<SmtpSetting> {
  await using started = new AsyncDisposableStack();
  const { ca, issue } = await pki();
  issued ??= issue();
  const certificate = await issued;
  const upstream = started.use(await startScriptedSmtpUpstream(options.script ?? {}));
  const dir = started.use(tempDir());
  ledger(MASTER.password);

  const text = stringify({
    hostname: 'mail.example.com',
    store: { url: 'sqlite:./postern.db' },
    keys: { file: './keys.json' },
    tls: { certificate: certificate.certFile, key: certificate.keyFile },
    users: { defaultDomain: 'example.com', netbiosDomains: { EXAMPLE: 'example.com' } },
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
    appPasswords: { hash: { memoryKiB: 7168, passes: 1 } },
    throttle: { failureDelay: '30ms' },
    admin: { address: '127.0.0.1:0' },
    log: { level: 'debug' },
    ...parse(options.config ?? '{}'),
  });
  const config = parseConfig(text, { file: join(dir.path, 'postern.yaml'), env: {} });

  const logFile = newLogFile('postern-in-process');
  const logLines: Record<string, unknown>[] = [];
  const log = createLog('debug', {
    write(line: string) {
      appendFileSync(logFile, line);
      logLines.push(JSON.parse(line));
    },
  });
  const app = started.use(await createApp(config, { log }));
  const store = started.use(await openStoreOnce(config.store.url, { clock: systemClock }));
  const passwords = createPasswords({
    store,
    keys: await openKeys({ file: config.keys.file, store }),
    hash: config.appPasswords.hash,
    clock: systemClock,
    limits: config.appPasswords,
  });
  let devices = 0;
  const createPassword: SmtpSetting['createPassword'] = async (user) => {
    devices += 1;
    const made = await passwords.create({ user: parseUser(user)!, name: `device ${devices}` });
    return { id: made.record.id, password: ledger(made.password.reveal()) };
  };
  const { id: passwordId, password } = await createPassword('alice@example.com');

  const metrics = async () => {
    const response = await fetch(`http://127.0.0.1:${app.ports.admin}/metrics`);
    return parseMetrics(await response.text());
  };
  const events = (event: string) => logLines.filter((line) => line.event === event);
  const at = (name: string, more: Partial<ConnectOptions> = {}): ConnectOptions => ({
    port: app.ports[name]!,
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
    createPassword,
    async revoke(id) {
      await passwords.revoke({ ids: [id] });
    },
    metrics,
    async metricIs(value, name, labels = {}) {
      const found = await eventually(async () =>
        (await metrics()).value(name, labels) === value ? 'yes' : undefined,
      );
      if (found !== undefined) return;
      throw new Error(`${name} is ${(await metrics()).value(name, labels)} after 5 s, and not ${value}`);
    },
    events,
    async logged(event) {
      const line = await eventually(async () => events(event)[0]);
      if (line === undefined) throw new Error(`no line about ${event} was logged within 5 s`);
      return line;
    },
    drain: () => app.drain(),
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

export const GREETING = '220 mail.example.com ESMTP Postern';

/** Asks every 20 ms, for 5 s at most. */
export async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  for (const end = Date.now() + 5000; Date.now() < end; ) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return undefined;
}
