// The app password itself: 16 characters out of 32, 80 bits, drawn by the system's CSPRNG, never chosen by a person.

import { randomBytes } from 'node:crypto';
import { Secret } from '../lib/secret.ts';
import { WHITE_SPACE } from '../lib/white-space.ts';

/** 32 symbols without look-alikes: no `l` `1` `o` `0`. 256 is a multiple of 32, so a byte maps to one without bias. */
export const APP_PASSWORD_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
export const APP_PASSWORD_LENGTH = 16;

const SHAPE = new RegExp(`^[${APP_PASSWORD_ALPHABET}]{${APP_PASSWORD_LENGTH}}$`);
/**
 * What people and programs put between the groups and around the whole: white space, and what becomes of a hyphen (every dash of Unicode,
 * the minus sign, the hyphen bullet). In octets of Latin-1 a no-break space and a soft hyphen come out as themselves, while the en dash and
 * the em dash of Windows-1252 come out as U+0096 and U+0097.
 */
const SEPARATORS = new RegExp(String.raw`[${WHITE_SPACE}\p{Pd}\u2043\u2212\u0096\u0097]`, 'gu');
/** Longer input is not looked at: a separator around each character is more than anyone pastes. */
const MAX_TYPED_LENGTH = 64;

/** A secret that has the shape of an app password, by construction: its value is the bare 16 characters. */
export class AppPassword extends Secret {
  constructor(value: string) {
    // The message must not carry the value: it may be the user's real password.
    if (!SHAPE.test(value)) throw new TypeError('not the shape of an app password');
    super(value);
  }

  /** `xxxx xxxx xxxx xxxx`, in clear: for the one time that it is shown to its owner. */
  display(): string {
    return this.reveal().replace(/.{4}(?=.)/g, '$& ');
  }
}

/** Draws a new one. `random` gives that many random bytes. */
export function generateAppPassword(random: (bytes: number) => Uint8Array = randomBytes): AppPassword {
  return new AppPassword(randomSymbols(APP_PASSWORD_LENGTH, random));
}

/** That many symbols of the alphabet, 5 bits each. */
export function randomSymbols(count: number, random: (bytes: number) => Uint8Array = randomBytes): string {
  const bytes = random(count);
  if (bytes.length !== count) throw new RangeError('the random source gave too few or too many bytes');
  return Array.from(bytes, (byte) => APP_PASSWORD_ALPHABET[byte % 32]).join('');
}

/**
 * Reads what a client sent as an app password: without white space and hyphens of any kind, ASCII capitals folded.
 * Nothing else is folded (no Unicode case, no NFKC), so that no other text can stand for an app password.
 * Undefined: it does not have the shape, and may be the user's real password.
 */
export function readAppPassword(secret: Secret): AppPassword | undefined {
  const typed = secret.reveal();
  if (typed.length > MAX_TYPED_LENGTH) return undefined;
  const bare = typed.replace(SEPARATORS, '').replace(/[A-Z]/g, (capital) => capital.toLowerCase());
  return SHAPE.test(bare) ? new AppPassword(bare) : undefined;
}
