// What a run sets up once: certificate, upstream, app passwords, the built program.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { parseUser } from '../../src/lib/user.ts';
import { type AppPassword, generateAppPassword, randomSymbols } from '../../src/passwords/app-password.ts';
import { hashAppPassword } from '../../src/passwords/hash.ts';
import { openKeys } from '../../src/passwords/keys-file.ts';
import type { SelectorKeys } from '../../src/passwords/selector-keys.ts';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';
import { type Certificate, createPki } from '../support/pki.ts';
import { tempDir } from '../support/temp-dir.ts';
import { buildPostern } from './contenders/postern.ts';
import type { Users } from './load/jobs.ts';
import { startUpstream, type Upstream } from './worker-process.ts';

/** The defaults of `appPasswords.hash`. */
export const HASH = { memoryKiB: 19_456, passes: 2, lanes: 1 } as const;

export interface Site {
  readonly certificate: Certificate;
  readonly upstreamPort: number;
  readonly upstream: Upstream;
  /** Of every user. */
  readonly password: string;
  /** Its argon2id hash. */
  readonly hash: string;
  /** Names of those that contenders with a file of users know. */
  readonly warmUsers: readonly string[];
  readonly posternProgram: string;
  /** Store and keys, to be copied. */
  readonly posternData: string;
  readonly posternNodeOptions: readonly string[];
  /** The same with a key of the other type. */
  readonly ecdsa: Certificate;
}

/** Users with one record that log in again and again. */
export const WARM: Users = { prefix: 'warm', from: 0, count: 200 };
/** How many users there are of each kind that logs in once. */
export const COLD_COUNT = 400;
/** Users that log in once for each start of Postern, by the number of their records. */
export const RECORDS = [1, 10, 40] as const;
export const coldUsers = (records: number): Users => ({
  prefix: `cold${records}-`,
  from: 0,
  count: COLD_COUNT,
});

export async function setUpSite(
  scope: AsyncDisposableStack,
  { posternNodeOptions = [] }: { posternNodeOptions?: readonly string[] } = {},
): Promise<Site> {
  const dir = scope.use(tempDir(0o755));
  const rsa = scope.use(await createPki({ keyType: 'rsa' }));
  const ec = scope.use(await createPki({ keyType: 'ec' }));
  const upstream = scope.use(await startUpstream());
  const program = join(dir.path, 'postern');
  mkdirSync(program);
  const posternData = join(dir.path, 'data');
  mkdirSync(posternData, { mode: 0o700 });
  const password = generateAppPassword();
  const hash = await hashAppPassword(password, HASH);
  await fillStore(posternData, password, hash);
  return {
    certificate: await rsa.issue(),
    ecdsa: await ec.issue(),
    upstream,
    upstreamPort: upstream.port,
    password: password.reveal(),
    hash,
    warmUsers: namesOf(WARM),
    posternProgram: buildPostern(program),
    posternData,
    posternNodeOptions,
  };
}

function namesOf({ prefix, from, count }: Users): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${from + i}@example.com`);
}

/**
 * All users share one app password and its hash, which spares thousands of argon2id runs here and none later: what Postern
 * remembers, it remembers for each record and user.
 */
async function fillStore(directory: string, password: AppPassword, hash: string): Promise<void> {
  await using store = await openStore(`sqlite:${join(directory, 'postern.db')}`, { clock: systemClock });
  const keys = await openKeys({ file: join(directory, 'keys.json'), store });
  for (const name of namesOf(WARM)) await addRecord(store, keys, name, password, hash);
  for (const records of RECORDS) {
    for (const name of namesOf(coldUsers(records))) {
      await addRecord(store, keys, name, password, hash);
      for (let i = 1; i < records; i++) await addRecord(store, keys, name, generateAppPassword(), hash);
    }
  }
}

async function addRecord(
  store: Store,
  keys: SelectorKeys,
  name: string,
  password: AppPassword,
  hash: string,
): Promise<void> {
  const user = parseUser(name);
  if (user === undefined) throw new Error(`not a user: ${name}`);
  const id = `ap_${randomSymbols(12)}`;
  await store.create(
    {
      ...keys.currentSelector(user, password),
      id,
      user,
      name: id,
      hash,
      scope: null,
      networks: [],
      createdAt: systemClock.now(),
      expiresAt: null,
    },
    { maxPerUser: 1000, maxRecent: 1000, recentSince: 0 },
  );
}
