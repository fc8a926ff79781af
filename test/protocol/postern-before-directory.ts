// Postern in this process before a scripted directory, for LDAP's wire transcripts. The user is alice@example.com, with one app
// password; whatever Postern logs goes to the run's logs, where secrets are searched for.

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
import { bind, elementLength, type Message, readMessage } from '../support/ldap-bytes.ts';
import { createPki, type Pki } from '../support/pki.ts';
import { newLogFile } from '../support/run-directory.ts';
import {
  type DirectoryScript,
  type ScriptedLdapUpstream,
  startScriptedLdapUpstream,
} from '../support/scripted-ldap-upstream.ts';
import { ledger } from '../support/secrets-ledger.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type ConnectOptions, connect, type Transcript } from '../support/transcript.ts';

export interface LdapClient extends Transcript {
  /** The next message. */
  message(): Promise<Message>;
  /** Sends, and takes the next message. */
  ask(bytes: Uint8Array): Promise<Message>;
}

export interface DirectorySetting extends AsyncDisposable {
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
  createPassword(user: string): Promise<{ id: string; password: string }>;
  revoke(id: string): Promise<void>;
  /** Stops Postern in good order. */
  drain(): Promise<unknown>;
  /** The log's lines so far that are about this event. */
  events(event: string): Record<string, unknown>[];
  /** Waits until the condition holds, for 5 s at most. */
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
  const dir = started.use(tempDir());
  const listener = (name: string, tls: string, more = {}) => ({
    name,
    protocol: 'ldap',
    address: '127.0.0.1:0',
    tls,
    ...more,
  });
  const yaml = stringify({
    hostname: 'localhost',
    store: { url: 'sqlite:./postern.db' },
    keys: { file: './keys.json' },
    tls: { certificate: certificate.certFile, key: certificate.keyFile },
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
    appPasswords: { hash: { memoryKiB: 7168, passes: 1 } },
    throttle: { failureDelay: '30ms' },
    log: { level: 'debug' },
    ...parse(config),
  });
  const parsed = parseConfig(yaml, { file: join(dir.path, 'postern.yaml'), env: {} });
  const logFile = newLogFile('postern-in-process');
  const logLines: Record<string, unknown>[] = [];
  const log = createLog('debug', {
    write(line: string) {
      appendFileSync(logFile, line);
      logLines.push(JSON.parse(line));
    },
  });
  const app = started.use(await createApp(parsed, { log }));
  const store = started.use(await openStoreOnce(parsed.store.url, { clock: systemClock }));
  const passwords = createPasswords({
    store,
    keys: await openKeys({ file: parsed.keys.file, store }),
    hash: parsed.appPasswords.hash,
    clock: systemClock,
    limits: parsed.appPasswords,
  });
  let devices = 0;
  const createPassword: DirectorySetting['createPassword'] = async (user) => {
    devices += 1;
    const made = await passwords.create({ user: parseUser(user)!, name: `device ${devices}` });
    return { id: made.record.id, password: ledger(made.password.reveal()) };
  };
  const { password, id: passwordId } = await createPassword('alice@example.com');
  const open = async (name: string, more: Partial<ConnectOptions> = {}) =>
    speaking(await connect({ port: app.ports[name]!, ca: ca.cert, ...more }));
  const client: DirectorySetting['client'] = (more = {}) => open('ldaps', { tls: true, ...more });
  const whole = started.move();
  return {
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
    createPassword,
    async revoke(id) {
      await passwords.revoke({ ids: [id] });
    },
    drain: () => app.drain(),
    events: (event) => logLines.filter((line) => line.event === event),
    async until(condition) {
      for (const end = Date.now() + 5000; !condition(); ) {
        if (Date.now() > end) throw new Error(`not within 5 s: ${condition}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

function speaking(transcript: Transcript): LdapClient {
  const message = async () => {
    let bytes = await transcript.bytes(2);
    const more = (bytes[1] as number) < 128 ? 0 : (bytes[1] as number) - 128;
    bytes = Buffer.concat([bytes, await transcript.bytes(more)]);
    const rest = await transcript.bytes(elementLength(bytes)! - bytes.length);
    return readMessage(Buffer.concat([bytes, rest]));
  };
  // The transcript's own socket changes with StartTLS.
  return Object.assign(
    Object.create(Object.getPrototypeOf(transcript), Object.getOwnPropertyDescriptors(transcript)),
    {
      message,
      async ask(bytes: Uint8Array) {
        await transcript.send(bytes);
        return message();
      },
    },
  ) as LdapClient;
}
