// A user: the canonical identity, `alice@example.com`. Canonical by construction: the one road to a `User` is
// `parseUser`, whichever way the text came in (wire, command line, portal claim), so that two spellings of one person
// are one user and no spelling can mean something else to an upstream login (`user*master`, `DOMAIN\name`, `%h`).

import { domainToASCII, domainToUnicode } from 'node:url';

declare const canonical: unique symbol;
export type User = string & { readonly [canonical]: true };

/**
 * Stands for a name that does not say by itself who it is: nobody's, or one that only a directory knows. What it was cannot be read
 * from it. No user is called so, for want of an `@`.
 */
export type NameMark = `~${string}`;

/** atext of RFC 5321 §4.1.2 less `* / % =`, which upstream logins give a meaning to; or any letter, mark, digit. */
const LOCAL_ATOM = /^[a-z0-9!#$&'+\-?^_`{|}~\p{L}\p{M}\p{N}]+$/u;
/** Shown as nothing, and dropped by NFKC_Casefold: a name with one is a name without it to some upstream. */
const IGNORABLE = /\p{Default_Ignorable_Code_Point}/u;
const DOMAIN_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX_LOCAL_OCTETS = 64;
const MAX_DOMAIN_OCTETS = 253;

/**
 * Reads `local@domain` in any case. Gives undefined for whatever cannot be a user: no or two `@`, white space,
 * control characters, separators, a leading or doubled dot, a character that folds to another one under NFKC or case
 * folding (fullwidth letters, long s, Kelvin sign, dotless i) or to nothing (variation selectors, fillers), a domain that
 * IDNA would map to another.
 * A domain in Unicode becomes its A-label form (RFC 5891).
 */
export function parseUser(text: string): User | undefined {
  if (text.length > MAX_LOCAL_OCTETS + 1 + MAX_DOMAIN_OCTETS) return undefined;
  const at = text.indexOf('@');
  if (at === -1 || at !== text.lastIndexOf('@')) return undefined;
  const local = foldCase(text.slice(0, at));
  const domain = canonicalDomain(text.slice(at + 1));
  if (local === undefined || domain === undefined) return undefined;
  if (Buffer.byteLength(local) > MAX_LOCAL_OCTETS) return undefined;
  if (!local.split('.').every((atom) => LOCAL_ATOM.test(atom))) return undefined;
  return `${local}@${domain}` as User;
}

/** Lower case, or undefined if a character in it folds to another by more than ASCII or simple case. */
function foldCase(text: string): string | undefined {
  if (text.normalize('NFKC') !== text || IGNORABLE.test(text)) return undefined;
  const lower = text.toLowerCase();
  // U+0130 is the one character that becomes two.
  if (lower.length !== text.length) return undefined;
  const stable = lower.normalize('NFKC') === lower && lower.toUpperCase().toLowerCase() === lower;
  return stable ? lower : undefined;
}

function canonicalDomain(text: string): string | undefined {
  const lower = foldCase(text);
  if (lower === undefined) return undefined;
  const ascii = domainToASCII(lower);
  // What IDNA rewrites (a number read as IPv4, a bad xn-- label, an ideographic full stop) is not a name.
  if (ascii !== lower && domainToUnicode(ascii) !== lower) return undefined;
  // Punycode has second spellings: `xn---26mofy` decodes to what `xn--26mofy` stands for.
  if (ascii.includes('xn--') && domainToASCII(domainToUnicode(ascii)) !== ascii) return undefined;
  if (ascii.length === 0 || ascii.length > MAX_DOMAIN_OCTETS) return undefined;
  return ascii.split('.').every((label) => DOMAIN_LABEL.test(label)) ? ascii : undefined;
}
