// Postern in this process before a scripted upstream, for tests that read as wire transcripts. The user is
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
import { createPasswords, type PasswordRequest } from '../../src/passwords/service.ts';
import { openStoreOnce } from '../../src/store/open.ts';
import { type Metrics, parseMetrics } from '../support/metrics-text.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { newLogFile } from '../support/run-directory.ts';
import {
  type Script,
  type ScriptedImapUpstream,
  startScriptedImapUpstream,
} from '../support/scripted-imap-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type ConnectOptions, connect, type Transcript } from '../support/transcript.ts';

export interface SettingOptions {
  readonly script?: Script;
  /** YAML: keys of the upstream that stand in place of the usual ones. */
  readonly upstream?: string | ((port: number) => string);
  /** YAML: sections that stand in place of the usual ones. */
  readonly config?: string;
}

export interface Setting extends AsyncDisposable {
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
  createPassword(user: string, more?: Partial<PasswordRequest>): Promise<{ id: string; password: string }>;
  revoke(id: string): Promise<void>;
  metrics(): Promise<Metrics>;
  /** The status of `/readyz`, and its word. */
  readiness(): Promise<[status: number, word: string]>;
  /** Waits until the metric has this value, for 5 s at most. */
  metricIs(value: number, name: string, labels?: Readonly<Record<string, string>>): Promise<void>;
  /** The log's lines so far that are about this event, or events. */
  events(event: string | RegExp): Record<string, unknown>[];
  /** Waits for such a line, for 5 s at most. */
  logged(event: string): Promise<Record<string, unknown>>;
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
  const dir = started.use(tempDir());
  const master = { user: MASTER.user, password: ledger(MASTER.password) };

  const keys = typeof options.upstream === 'function' ? options.upstream(upstream.port) : options.upstream;
  const usual = {
    protocol: 'imap',
    address: `127.0.0.1:${upstream.port}`,
    tls: options.script?.tls ?? 'none',
    ...(options.script?.tls === undefined || options.script.tls === 'none' ? {} : { ca: ca.certFile }),
    login: { method: 'plain', ...master },
  };
  const text = stringify({
    hostname: 'localhost',
    store: { url: 'sqlite:./postern.db' },
    keys: { file: './keys.json' },
    tls: { certificate: certificate.certFile, key: certificate.keyFile },
    users: { defaultDomain: 'example.com', netbiosDomains: { EXAMPLE: 'example.com' } },
    listeners: [
      { name: 'imap', protocol: 'imap', address: '127.0.0.1:0', tls: 'starttls' },
      { name: 'imaps', protocol: 'imap', address: '127.0.0.1:0', tls: 'implicit' },
    ],
    upstreams: { script: { ...usual, ...parse(keys ?? '{}') } },
    routes: [{ users: '*@example.com', imap: 'script' }],
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
  const createPassword: Setting['createPassword'] = async (user, more = {}) => {
    devices += 1;
    const request = { user: parseUser(user)!, name: `device ${devices}`, ...more };
    const made = await passwords.create(request);
    return { id: made.record.id, password: ledger(made.password.reveal()) };
  };
  const { password } = await createPassword('alice@example.com');

  const metrics = async () => {
    const response = await fetch(`http://127.0.0.1:${app.ports.admin}/metrics`);
    return parseMetrics(await response.text());
  };
  const events = (event: string | RegExp) =>
    logLines.filter((line) =>
      typeof event === 'string' ? line.event === event : event.test(String(line.event)),
    );
  const at = (name: string, more: Partial<ConnectOptions>): ConnectOptions => ({
    port: app.ports[name]!,
    ca: ca.cert,
    ...more,
  });

  const whole = started.move();
  return {
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
    createPassword,
    async revoke(id) {
      await passwords.revoke({ ids: [id] });
    },
    metrics,
    async readiness() {
      const response = await fetch(`http://127.0.0.1:${app.ports.admin}/readyz`);
      return [response.status, ((await response.json()) as { status: string }).status];
    },
    async metricIs(value, name, labels = {}) {
      const found = await eventually(async () => {
        const seen = (await metrics()).value(name, labels);
        return seen === value ? 'yes' : undefined;
      });
      if (found !== undefined) return;
      throw new Error(`${name} is ${(await metrics()).value(name, labels)} after 5 s, and not ${value}`);
    },
    events,
    async logged(event) {
      const line = await eventually(async () => events(event)[0]);
      if (line === undefined) throw new Error(`no line about ${event} was logged within 5 s`);
      return line;
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

/** Asks every 20 ms, for 5 s at most. */
async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T | undefined> {
  for (const end = Date.now() + 5000; Date.now() < end; ) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return undefined;
}

/** The base64 of a SASL PLAIN message (RFC 4616 §2). */
export function plainMessage(login: string, password: string, authorizationId = ''): string {
  return base64(`${authorizationId}\0${login}\0${password}`);
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
