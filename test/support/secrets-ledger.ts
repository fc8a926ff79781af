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

/** All dresses of all secrets, by their first octets: thousands of them are looked for in one pass over a text. */
export class Wanted {
  readonly #byStart = new Map<string, { readonly given: string; readonly dress: string }[]>();
  /** Which pairs of octets a dress begins with: what tells most places of a text from a find. */
  readonly #pairs = new Uint8Array(65_536);
  #octets = SHORTEST;

  constructor(secrets: readonly string[]) {
    const all = secrets.flatMap((secret) =>
      [...dresses(secret)].map(([dress, given]) => ({ given: Buffer.from(given).toString('latin1'), dress })),
    );
    for (const { given } of all) this.#octets = Math.min(this.#octets, given.length);
    for (const one of all) {
      const start = one.given.slice(0, this.#octets);
      this.#pairs[(start.charCodeAt(0) << 8) | start.charCodeAt(1)] = 1;
      const same = this.#byStart.get(start);
      if (same === undefined) this.#byStart.set(start, [one]);
      else same.push(one);
    }
  }

  /** Every place in a text of latin1. */
  *in(text: string): Generator<{ at: number; dress: string }> {
    let pair = text.charCodeAt(0);
    for (let at = 0; at + 1 < text.length; at++) {
      pair = ((pair << 8) | text.charCodeAt(at + 1)) & 0xffff;
      if (this.#pairs[pair] === 0) continue;
      for (const { given, dress } of this.#byStart.get(text.slice(at, at + this.#octets)) ?? []) {
        if (text.startsWith(given, at)) yield { at, dress };
      }
    }
  }
}

/**
 * Where in `text` (a file's bytes read as latin1) one of the secrets stands: the first place of each dress. Never holds the
 * secret itself.
 */
export function leaksIn(file: string, text: string, secrets: readonly string[] | Wanted): Leak[] {
  const wanted = secrets instanceof Wanted ? secrets : new Wanted(secrets);
  const leaks = new Map<string, Leak>();
  for (const { at, dress } of wanted.in(text)) {
    const line = text.slice(0, at).split('\n').length;
    if (!leaks.has(dress)) leaks.set(dress, { file, line, dress });
  }
  return [...leaks.values()];
}

/** `text` with every noted secret, in any dress, replaced by a placeholder: for messages of failing tests. */
export function mask(text: string): string {
  let masked = text;
  for (const secret of notedSecrets()) {
    for (const given of dresses(secret).values()) masked = masked.replaceAll(given, '[secret]');
  }
  return masked;
}
