// The file with the selector keys. It lies outside of the database, so that neither alone tells anything of a secret.
// It is made once, when the store is empty. A store whose records name a key that the file lacks stops the start:
// with other keys every selector would differ, and everyone would silently be refused. So does a key whose bytes are not those that
// the records were made with: the store has a check value of each key that a record names. Where it has none, made by a version that
// knew no check values, a start notes those of the keys that it finds.

import { createSecretKey, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { type Clock, systemClock } from '../lib/clock.ts';
import { ConfigError } from '../lib/errors.ts';
import { createPrivateFile, makePrivateDirectory, syncDirectory } from '../lib/ownership.ts';
import { type NamedKey, type Store, StoreUnavailableError } from '../store/store.ts';
import { SELECTOR_KEY_BYTES, SelectorKeys } from './selector-keys.ts';

const MAX_FILE_BYTES = 65_536;

const FILE_SCHEMA = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[0-9a-f]{8,64}$/),
        selectorKey: z.string().refine(isKey),
        createdAt: z.iso.datetime({ offset: true }),
      }),
    )
    .min(1)
    .refine((keys) => new Set(keys.map((key) => key.id)).size === keys.length),
});

const SHAPE =
  '{"keys": [{"id": 8 or more hex digits, "selectorKey": 32 bytes in base64, "createdAt": ISO time}]}, ids distinct';

/**
 * Reads the keys file, or makes it if it is missing and the store holds no record. Of two processes that make it at
 * once, both end with the same keys. Throws ConfigError if it is missing while records exist, cannot be read, can be
 * read or written by others, is malformed, or lacks a key that records name, or has other bytes for one.
 */
export async function openKeys({
  file,
  store,
  clock = systemClock,
}: {
  file: string;
  store: Pick<Store, 'namedKeys' | 'noteKeyCheck'>;
  clock?: Clock;
}): Promise<SelectorKeys> {
  let keys = readKeys(file);
  const named = await store.namedKeys();
  if (keys === undefined) {
    if (named.length === 0) createKeys(file, clock);
    // Read once more: another process may have made it, and a record with it, since it was found missing.
    keys = readKeys(file);
    if (keys === undefined) throw lost(file);
  }
  checkNamed(file, keys, named);
  await noteChecks(store, keys, named);
  return keys;
}

/**
 * What `openKeys` would throw, without making anything: a keys file that is missing is right where the store holds no record,
 * and can be made. `store` is null while there is none.
 */
export async function checkKeys({
  file,
  store,
}: {
  file: string;
  store: Pick<Store, 'namedKeys'> | null;
}): Promise<void> {
  const keys = readKeys(file);
  const named = (await store?.namedKeys()) ?? [];
  if (keys !== undefined) checkNamed(file, keys, named);
  else if (named.length > 0) throw lost(file);
  else if (!mayMakeIn(dirname(file))) throw cannotMake(file, 'EACCES');
}

/** Whether a directory can be written, or made, by its mode: access(2) would ask for the real user, not the effective one. */
function mayMakeIn(directory: string): boolean {
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat === undefined) return dirname(directory) !== directory && mayMakeIn(dirname(directory));
  const [uid, groups] = [process.geteuid?.(), [process.getegid?.(), ...(process.getgroups?.() ?? [])]];
  if (uid === 0) return true;
  const shift = uid === stat.uid ? 6 : groups.includes(stat.gid) ? 3 : 0;
  return ((stat.mode >> shift) & 0o3) === 0o3;
}

function lost(file: string): ConfigError {
  return new ConfigError(
    `${file}: the keys file is missing, and the store holds app passwords that were made with it; ` +
      'restore it from a backup (without it none of them can be used)',
  );
}

function cannotMake(file: string, code: string | undefined): ConfigError {
  return new ConfigError(
    `${file}: the keys file cannot be made (${code}); its directory must be writable for Postern`,
  );
}

/** Throws ConfigError for keys that records name and the file lacks, or has with other bytes. */
function checkNamed(file: string, keys: SelectorKeys, named: readonly NamedKey[]): void {
  const known = new Set(keys.ids);
  const missing = named.map(({ id }) => id).filter((id) => !known.has(id));
  if (missing.length > 0) {
    throw new ConfigError(
      `${file}: the keys file belongs to another store, or a key was removed from it: app passwords in the store ` +
        `name ${missing.length === 1 ? 'key' : 'keys'} ${missing.join(', ')}, which it lacks`,
    );
  }
  const changed = named.filter(({ id, check }) => check !== null && check !== keys.checkOf(id));
  if (changed.length > 0) {
    const ids = changed.map(({ id }) => id).join(', ');
    throw new ConfigError(
      `${file}: the selectorKey of ${changed.length === 1 ? 'key' : 'keys'} ${ids} is not the one that app passwords in the ` +
        'store were made with, and every one of them would be refused; restore the keys file that belongs to this store from a backup',
    );
  }
}

/** Two processes that start at once note the same; a store that cannot be written now has them noted at another start. */
async function noteChecks(
  store: Pick<Store, 'noteKeyCheck'>,
  keys: SelectorKeys,
  named: readonly NamedKey[],
): Promise<void> {
  try {
    for (const { id, check } of named) {
      const found = keys.checkOf(id);
      if (check === null && found !== undefined) await store.noteKeyCheck(id, found);
    }
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error;
  }
}

/** Undefined if the file is missing. */
function readKeys(file: string): SelectorKeys | undefined {
  const text = readPrivateFile(file);
  if (text === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's own message would quote the file.
    throw new ConfigError(`${file}: the keys file is not JSON; it would be ${SHAPE}`);
  }
  const parsed = FILE_SCHEMA.safeParse(content);
  if (!parsed.success) {
    const paths = new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'the whole'));
    throw new ConfigError(
      `${file}: the keys file is malformed at ${[...paths].join(', ')}; it would be ${SHAPE}`,
    );
  }
  return new SelectorKeys(
    parsed.data.keys.map(({ id, selectorKey }) => ({ id, key: createSecretKey(selectorKey, 'base64') })),
  );
}

function isKey(text: string): boolean {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === SELECTOR_KEY_BYTES && bytes.toString('base64') === text;
}

function readPrivateFile(file: string): string | undefined {
  let descriptor: number;
  try {
    // Non-blocking, or a FIFO in its place would hang the start.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new ConfigError(
      `${file}: the keys file cannot be read (${code}); it must be readable by Postern's user`,
    );
  }
  try {
    const { mode, size } = checkRegular(file, descriptor);
    if ((mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new ConfigError(
        `${file}: the keys file can be read or written by others (mode ${octal}); chmod 0600 it`,
      );
    }
    if (size > MAX_FILE_BYTES)
      throw new ConfigError(`${file}: the keys file is too large to be one (${size} bytes)`);
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

function checkRegular(file: string, descriptor: number): { mode: number; size: number } {
  const stat = fstatSync(descriptor);
  if (!stat.isFile()) throw new ConfigError(`${file}: the keys file is not a file`);
  return stat;
}

/**
 * Makes the file whole or not at all: written and synced under another name, then linked, which fails if it exists
 * (rename would replace the keys of a process that was first).
 */
function createKeys(file: string, clock: Clock): void {
  const directory = dirname(file);
  const temporary = join(directory, `.${basename(file)}.${randomBytes(6).toString('hex')}`);
  const key = {
    id: randomBytes(8).toString('hex'),
    selectorKey: randomBytes(SELECTOR_KEY_BYTES).toString('base64'),
    createdAt: new Date(clock.now()).toISOString(),
  };
  try {
    makePrivateDirectory(directory);
    const descriptor = createPrivateFile(temporary);
    try {
      writeSync(descriptor, `${JSON.stringify({ keys: [key] }, null, 2)}\n`);
      fsyncSync(descriptor);
      linkSync(temporary, file);
    } finally {
      closeSync(descriptor);
      unlinkSync(temporary);
    }
    syncDirectory(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    throw cannotMake(file, code);
  }
}
