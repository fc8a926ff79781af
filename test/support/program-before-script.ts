// The real program before a scripted upstream, and its records at hand: this process opens the same store and keys file,
// as a command would, so that a test can make many app passwords and know their selectors.

import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { parseUser, type User } from '../../src/lib/user.ts';
import { type AppPassword, generateAppPassword } from '../../src/passwords/app-password.ts';
import { openKeys } from '../../src/passwords/keys-file.ts';
import type { SelectorKeys } from '../../src/passwords/selector-keys.ts';
import { createPasswords, type PasswordRequest } from '../../src/passwords/service.ts';
import { openStoreOnce } from '../../src/store/open.ts';
import type { UnwatchedStore } from '../../src/store/store.ts';
import { type Certificate, createPki, type Pki } from './pki.ts';
import { type Postern, startPostern } from './postern.ts';
import {
  type Script,
  type ScriptedImapUpstream,
  startScriptedImapUpstream,
} from './scripted-imap-upstream.ts';
import { ledger } from './secrets-ledger.ts';
import { type ConnectOptions, connect, type Transcript } from './transcript.ts';

export interface Program extends AsyncDisposable {
  readonly postern: Postern;
  readonly upstream: ScriptedImapUpstream;
  readonly pki: Pki;
  /** That of the listeners. */
  readonly certificate: Certificate;
  readonly store: UnwatchedStore;
  readonly keys: SelectorKeys;
  /** A new app password, bare, and its id. */
  make(user: string, request?: Partial<PasswordRequest>): Promise<{ id: string; password: string }>;
  /** A secret that is nobody's, and whose selector (under the current key) is one of `selectors`, or none of them. */
  draw(user: string, where: { selector: 'one of' | 'none of'; selectors: ReadonlySet<number> }): string;
  /** The selectors of the user's records. */
  selectors(user: string): Promise<Set<number>>;
  /** Connects to the TLS port and reads the greeting. */
  client(options?: Partial<ConnectOptions>): Promise<Transcript>;
  /** One LOGIN on a connection of its own: the answer without its tag, of an admitted one its first word. */
  login(user: string, password: string, options?: Partial<ConnectOptions>): Promise<string>;
  /** argon2id runs so far. */
  verifications(result?: 'match' | 'mismatch'): Promise<number>;
}

/** Few and cheap, so that tests of other things than their cost are quick. */
const QUICK_HASH = { memoryKiB: 7168, passes: 1, lanes: 1 };

export interface ProgramOptions {
  readonly script?: Script;
  /** YAML: sections that stand in place of the usual ones. */
  readonly config?: string;
  /** What app passwords that `make` makes are hashed with. */
  readonly hash?: { memoryKiB: number; passes: number; lanes: number };
}

export async function startProgram({
  script = {},
  config = `appPasswords: { hash: { memoryKiB: 7168, passes: 1 } }`,
  hash = QUICK_HASH,
}: ProgramOptions = {}): Promise<Program> {
  await using started = new AsyncDisposableStack();
  const pki = started.use(await createPki());
  const certificate = await pki.issue();
  const upstream = started.use(await startScriptedImapUpstream(script));
  const postern = started.use(
    await startPostern({
      certificate,
      files: { master: ledger('mEs8-master-of-the-program') },
      config: `
upstreams:
  script:
    protocol: imap
    address: 127.0.0.1:${upstream.port}
    tls: none
    login: { method: plain, user: postern, passwordFile: ./master }
    capabilities: [] # it is not asked what it can do
routes:
  - { users: "*@example.com", imap: script }
${config}
`,
    }),
  );
  const store = started.use(
    await openStoreOnce(`sqlite:${join(postern.directory, 'postern.db')}`, { clock: systemClock }),
  );
  const keys = await openKeys({ file: join(postern.directory, 'keys.json'), store });
  const passwords = createPasswords({ store, keys, hash, clock: systemClock, limits: { maxPerUser: 40 } });

  let devices = 0;
  const client = async (more: Partial<ConnectOptions> = {}) => {
    const opened = await connect({ port: postern.ports.imaps, tls: true, ca: pki.ca.cert, ...more });
    await opened.expect('* OK [CAPABILITY …] Postern ready');
    return opened;
  };
  const whole = started.move();
  return {
    postern,
    upstream,
    pki,
    certificate,
    store,
    keys,
    client,
    async make(user, request = {}) {
      devices += 1;
      const made = await passwords.create({ user: canonical(user), name: `made ${devices}`, ...request });
      return { id: made.record.id, password: ledger(made.password.reveal()) };
    },
    draw(user, { selector, selectors }) {
      for (;;) {
        const password: AppPassword = generateAppPassword();
        const drawn = keys.currentSelector(canonical(user), password).selector;
        if (selectors.has(drawn) === (selector === 'one of')) return ledger(password.reveal());
      }
    },
    async selectors(user) {
      const records = await store.list({ user: canonical(user), tombstones: true });
      return new Set(records.map((record) => record.selector));
    },
    async login(user, password, more) {
      await using opened = await client(more);
      await opened.send(`a LOGIN "${user}" "${password}"\r\n`);
      const lines = await opened.expectUntil(/^a /);
      const answer = lines.at(-1)?.slice(2) ?? '';
      return answer.startsWith('OK ') ? 'OK' : answer;
    },
    verifications: async (result) =>
      (await postern.metrics()).value(
        'postern_password_verifications_total',
        result === undefined ? {} : { result },
      ),
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

function canonical(text: string): User {
  const user = parseUser(text);
  if (user === undefined) throw new Error(`not a user: ${text}`);
  return user;
}
