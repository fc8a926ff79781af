// Secrets: every secret `x` may stand in the configuration, or in a file of its own that `xFile` names.

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Secret } from '../lib/secret.ts';
import type { Written } from './written.ts';

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

/** UTF-8 without a byte order mark, or undefined if it is not UTF-8. */
export function decodeUtf8(content: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}

/**
 * The secret `name` of a section, from the file itself or from the one that `<name>File` names. Undefined if it cannot
 * be had; then the reason is among the problems.
 */
export function readSecret(
  section: Written,
  name: string,
  options: { directory: string; readFile: ReadFile },
): Secret | undefined {
  const inline = section.get(name);
  const file = section.get(`${name}File`);
  if (inline.isWritten && file.isWritten) {
    file.wrongKey(`is set beside ${name}, must be the only one of the two`);
    return undefined;
  }
  if (inline.isWritten) return fromText(inline, inline.text);
  if (!file.isWritten) {
    inline.wrong(`is missing, must be set here or in a file that ${name}File names`);
    return undefined;
  }
  return file.text ? fromFile(file, resolve(options.directory, file.text), options.readFile) : undefined;
}

function fromFile(file: Written, path: string, readFile: ReadFile): Secret | undefined {
  let read: FileContent;
  try {
    read = readFile(path);
  } catch (error) {
    file.wrong(`cannot be read (${whyUnreadable(error)}), must be a file that Postern may read`);
    return undefined;
  }
  if ((read.mode & 0o007) !== 0) {
    file.wrong(
      'names a file that every user of this machine can read or change, must be closed to others (chmod o= FILE)',
    );
    return undefined;
  }
  const text = decodeUtf8(read.content);
  if (text === undefined) {
    file.wrong('names a file that is not UTF-8, must hold one line of text');
    return undefined;
  }
  return fromText(file, text.replace(/\r?\n$/, ''));
}

function fromText(place: Written, text: string | undefined): Secret | undefined {
  // The schema has a word to say about what is no text.
  if (text === undefined) return undefined;
  if (text === '') place.wrong('is empty, must hold the secret');
  else if (/[\0\r\n]/.test(text)) place.wrong('holds more than one line, must hold the secret alone');
  else return new Secret(text);
  return undefined;
}
