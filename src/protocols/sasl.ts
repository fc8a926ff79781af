// SASL mechanisms as a server meets them: PLAIN (RFC 4616) and the LOGIN that old clients speak
// (draft-murchison-sasl-login). Pure.

import { isUtf8 } from 'node:buffer';
import { Secret } from '../lib/secret.ts';

/** Octets of a decoded or encoded SASL answer, after RFC 4954 §4. */
export const MAX_SASL_OCTETS = 12_288;

/** `Username:` and `Password:`, exactly: other prompts make old clients quit. */
export const LOGIN_PROMPTS = { username: 'VXNlcm5hbWU6', password: 'UGFzc3dvcmQ6' } as const;

export interface Credentials {
  readonly authorizationId: string;
  readonly login: string;
  readonly secret: Secret;
}

/** Strict base64 (RFC 4648 §4: padded, no white space, no stray bits) of UTF-8 text; undefined if it is not. */
export function decodeBase64Text(text: string): string | undefined {
  if (text.length > MAX_SASL_OCTETS || text.length % 4 !== 0) return undefined;
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) return undefined;
  // Not UTF-8: taken octet by octet, so that a Latin-1 password is refused as a password and not as bad syntax.
  return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
}

/** A line that a client says in an exchange. */
export type Answer =
  | { readonly kind: 'text'; readonly text: string }
  /** `*` (RFC 3501 §6.2.2, RFC 4954 §4). */
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'too long' }
  | { readonly kind: 'bad base64' };

/** An answer to a challenge, or an initial response. White space around it is none of it; `=` stands for nothing (RFC 4959 §3, RFC 4954 §4). */
export function readAnswer(line: string): Answer {
  if (line.length > MAX_SASL_OCTETS) return { kind: 'too long' };
  const bare = withoutSpaceAround(line);
  if (bare === '*') return { kind: 'cancelled' };
  const text = bare === '=' ? '' : decodeBase64Text(bare);
  return text === undefined ? { kind: 'bad base64' } : { kind: 'text', text };
}

/** Linear, which `/[ \t]+$/` is not: that is tried anew from each space of a long row that something follows. */
function withoutSpaceAround(line: string): string {
  let start = 0;
  let end = line.length;
  while (start < end && isSpace(line[start])) start++;
  while (end > start && isSpace(line[end - 1])) end--;
  return line.slice(start, end);
}

const isSpace = (character: string | undefined) => character === ' ' || character === '\t';

/**
 * message = [authzid] NUL authcid NUL passwd (RFC 4616 §2), base64 decoded. What is not of that form (a NUL behind the password, no
 * authzid) is a try to log in all the same, which has to fail as such, so that the client asks its user: it has nobody's name, and all
 * of it for its secret.
 */
export function decodePlain(message: string): Credentials {
  const [authorizationId, login, password, ...more] = message.split('\0');
  if (authorizationId === undefined || login === undefined || password === undefined || more.length > 0)
    return { authorizationId: '', login: '', secret: new Secret(message) };
  return { authorizationId, login, secret: new Secret(password) };
}

/** The base64 of a PLAIN message, for an upstream. */
export function encodePlain(authorizationId: string, login: string, secret: Secret): string {
  return Buffer.from(`${authorizationId}\0${login}\0${secret.reveal()}`).toString('base64');
}
