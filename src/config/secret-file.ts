// Files that a configuration names, and the secrets in them.

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** A file's content and mode bits. */
export interface FileContent {
  readonly content: Uint8Array;
  readonly mode: number;
}

/** Reads a whole small file; throws an error with a `code` (ENOENT, EACCES …). Tests put another one in its place. */
export type ReadFile = (path: string) => FileContent;

const MOST_BYTES = 1_048_576;

/** Reads regular files only, and never waits: a FIFO without a writer would stop the start for good. */
export const readSmallFile: ReadFile = (path) => {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' });
    if (!stat.isFile()) throw Object.assign(new Error('not a regular file'), { code: 'not a regular file' });
    if (stat.size > MOST_BYTES) throw Object.assign(new Error('too large'), { code: 'larger than 1 MiB' });
    return { content: readFileSync(descriptor), mode: stat.mode };
  } finally {
    closeSync(descriptor);
  }
};

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EISDIR: 'it is a directory',
};

/** Why a file could not be read, in words; never its content. */
export function whyUnreadable(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? (REASONS[code] ?? code) : 'unknown error';
}

/** What is wrong with a file that cannot be read. `where`: its place, as far as that may be said. */
export function unreadable(error: unknown, where: string | undefined): string {
  const wrong = `cannot be read (${whyUnreadable(error)}), must be a file that Postern may read`;
  return where === undefined ? wrong : `${wrong} (${where})`;
}

/** UTF-8 without a byte order mark, or undefined if it is not UTF-8. */
export function decodeUtf8(content: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}

/** The one line in a secret's file; undefined if it cannot be had, and then `wrong` was told why. `where`: see `unreadable`. */
export function readSecretFile(
  path: string,
  readFile: ReadFile,
  wrong: (message: string) => void,
  where?: string,
): string | undefined {
  let read: FileContent;
  try {
    read = readFile(path);
  } catch (error) {
    wrong(unreadable(error, where));
    return undefined;
  }
  if ((read.mode & 0o007) !== 0) {
    wrong(
      'names a file that every user of this machine can read or change, must be closed to others (chmod o= FILE)',
    );
    return undefined;
  }
  const text = decodeUtf8(read.content);
  if (text === undefined) {
    wrong('names a file that is not UTF-8, must hold one line of text');
    return undefined;
  }
  return text.replace(/\r?\n$/, '');
}
