// Every secret that a test uses is noted here, and a last test searches all logs of the run for each of them, in every
// dress in which a program could have written it.

import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runDirectory } from './run-directory.ts';

const FILE = join(runDirectory, 'secrets');
/** A shorter one would be found by chance. */
const SHORTEST = 8;

/** Notes a secret, and gives it back. Call it where a test makes or learns one. */
export function ledger(secret: string): string {
  if (secret.length < SHORTEST)
    throw new Error(`a secret of under ${SHORTEST} characters cannot be searched for`);
  appendFileSync(FILE, `${JSON.stringify(secret)}\n`, { mode: 0o600 });
  return secret;
}

/** All secrets that any process of this run has noted. */
export function notedSecrets(): string[] {
  let text: string;
  try {
    text = readFileSync(FILE, 'utf8');
  } catch {
    return [];
  }
  const lines = text.split('\n').filter((line) => line !== '');
  return [...new Set(lines.map((line) => JSON.parse(line) as string))];
}

/**
 * The texts that give the secret away, by what they are: as it is, grouped as app passwords are shown, in capitals,
 * escaped, hexadecimal, and as the part of base64 that is the same whatever stands before and after (so that SASL PLAIN and
 * LOGIN, RFC 4616, are found whatever the user's name is).
 */
export function dresses(secret: string): Map<string, string> {
  const bytes = Buffer.from(secret);
  const groups = secret.match(/.{1,4}/gsu) ?? [];
  const found = new Map<string, string>([
    ['bare', secret],
    ['with spaces', groups.join(' ')],
    ['with hyphens', groups.join('-')],
    ['in capitals', secret.toUpperCase()],
    ['in capitals with spaces', groups.join(' ').toUpperCase()],
    ['URL-encoded', encodeURIComponent(secret)],
    ['with spaces, URL-encoded', encodeURIComponent(groups.join(' '))],
    ['with spaces, form-encoded', groups.join('+')],
    ['as JSON', JSON.stringify(secret).slice(1, -1)],
    ['as an IMAP quoted string', secret.replace(/["\\]/g, '\\$&')],
    ['hexadecimal', bytes.toString('hex')],
    ['bytes as decimal numbers', [...bytes].join(',')],
  ]);
  for (const offset of [0, 1, 2]) {
    for (const encoding of ['base64', 'base64url'] as const) {
      const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
        .toString(encoding)
        .replace(/=+$/, '');
      // The characters that share bits with what stands before or may stand after are left out.
      const from = Math.ceil((offset * 8) / 6);
      const to = Math.floor(((offset + bytes.length) * 8) / 6);
      found.set(`${encoding}, offset ${offset}`, encoded.slice(from, to));
    }
  }
  return found;
}

export interface Leak {
  readonly file: string;
  readonly line: number;
  /** What the secret was dressed as. */
  readonly dress: string;
}

/** Where in `text` (a file's bytes read as latin1) one of the secrets stands. Never holds the secret itself. */
export function leaksIn(file: string, text: string, secrets: readonly string[]): Leak[] {
  const leaks: Leak[] = [];
  for (const secret of secrets) {
    for (const [dress, given] of dresses(secret)) {
      const at = text.indexOf(Buffer.from(given).toString('latin1'));
      if (at !== -1) leaks.push({ file, line: text.slice(0, at).split('\n').length, dress });
    }
  }
  return leaks;
}

/** `text` with every noted secret, in any dress, replaced by a placeholder: for messages of failing tests. */
export function mask(text: string): string {
  let masked = text;
  for (const secret of notedSecrets()) {
    for (const given of dresses(secret).values()) masked = masked.replaceAll(given, '[secret]');
  }
  return masked;
}
