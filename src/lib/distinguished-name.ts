// Distinguished names as text (RFC 4514), and templates of them that stand for users: `uid={local},ou=people,dc=example,dc=com`.
// What cannot be compared with certainty is no name here: multi-valued RDNs, values in BER (`#04…`), quotes of LDAPv2, what
// is not UTF-8.

export interface Rdn {
  /** Lower case; a number in dots if it was written so. */
  readonly type: string;
  /** Unescaped, as written. */
  readonly value: string;
}

/** The entry's own RDN first. */
export type DistinguishedName = readonly Rdn[];

/** A name with fields in its values. */
export interface DnTemplate {
  readonly text: string;
  readonly rdns: DistinguishedName;
}

/** What fields stand for: `{user}`, `{local}`, `{domain}`. */
export interface UserFields {
  readonly user: string;
  readonly local: string;
  readonly domain: string;
}

const MAX_CHARACTERS = 1000;
const MAX_RDNS = 50;
/** RFC 4512 §1.4: a descriptor, or an object identifier. */
const ATTRIBUTE_TYPE = /^ *([a-z][a-z0-9-]*|\d+(?:\.\d+)+) *=/i;
/** RFC 4514 §3: what may follow a backslash as itself. */
const ESCAPABLE = ' "#+,;<=>\\';
/** Those that may not stand for themselves in a value; the comma ends it. */
const SPECIAL = '"+;<>';
const FIELD = /\{[a-z]+\}/g;

/** Undefined for what is no name, or is one that this file does not compare. The empty name has no RDNs. */
export function parseDn(text: string): DistinguishedName | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  if (text.trim() === '') return [];
  const rdns: Rdn[] = [];
  let rest = text;
  while (rdns.length < MAX_RDNS) {
    const type = ATTRIBUTE_TYPE.exec(rest);
    if (type?.[1] === undefined) return undefined;
    const read = readValue(rest.slice(type[0].length));
    if (read === undefined) return undefined;
    rdns.push({ type: type[1].toLowerCase(), value: read.value });
    if (read.rest === undefined) return rdns;
    rest = read.rest;
  }
  return undefined;
}

/** Up to the comma, or the end: then `rest` is undefined. */
function readValue(text: string): { value: string; rest: string | undefined } | undefined {
  const bytes: number[] = [];
  /** How many bytes there are up to the last that is no space, or is an escaped one. */
  let solid = 0;
  let at = text.length - text.trimStart().length;
  if (text[at] === '#') return undefined;
  for (; at < text.length && text[at] !== ','; at++) {
    const character = String.fromCodePoint(text.codePointAt(at) as number);
    if (SPECIAL.includes(character)) return undefined;
    if (character === '\\') {
      const escaped = text[at + 1] ?? '';
      const pair = text.slice(at + 1, at + 3);
      if (escaped !== '' && ESCAPABLE.includes(escaped)) {
        bytes.push(escaped.charCodeAt(0));
        at += 1;
      } else if (/^[0-9a-f]{2}$/i.test(pair)) {
        bytes.push(Number.parseInt(pair, 16));
        at += 2;
      } else {
        return undefined;
      }
      solid = bytes.length;
      continue;
    }
    bytes.push(...Buffer.from(character));
    at += character.length - 1;
    if (character !== ' ') solid = bytes.length;
  }
  const value = decode(bytes.slice(0, solid));
  if (value === undefined || value === '') return undefined;
  return { value, rest: at < text.length ? text.slice(at + 1) : undefined };
}

/** Undefined for what is not UTF-8, or has control characters in it. */
function decode(bytes: readonly number[]): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
    return /[\p{Cc}\uFFFD]/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** As RFC 4514 §2.4 wants it written. */
export function formatDn(dn: DistinguishedName): string {
  return dn.map(({ type, value }) => `${type}=${escapeDnValue(value)}`).join(',');
}

export function escapeDnValue(value: string): string {
  return value
    .replace(/["+,;<>\\=]/g, '\\$&')
    .replace(/^[ #]| $/g, '\\$&')
    .replaceAll('\0', '\\00');
}

/**
 * The same text for names that differ in case and space alone (caseIgnoreMatch, RFC 4517 §4.2.11): most naming attributes
 * are compared so. Two entries of which that is not true have one key, so this is for names that the config lists.
 */
export function dnKey(dn: DistinguishedName): string {
  return formatDn(dn.map(({ type, value }) => ({ type, value: foldValue(value) })));
}

function foldValue(value: string): string {
  return value.normalize('NFKC').toLowerCase().trim().replace(/ +/g, ' ');
}

/** Whether an entry is below `base`, or is it. */
export function isWithin(dn: DistinguishedName, base: DistinguishedName): boolean {
  return dn.length >= base.length && dnKey(dn.slice(dn.length - base.length)) === dnKey(base);
}

/**
 * Undefined if it is no template: a value is text, or one field, `{user}`, `{local}` or `{domain}`, each at most once; and one
 * of the first two is there, so that two users have two names.
 */
export function parseDnTemplate(text: string): DnTemplate | undefined {
  const rdns = parseDn(text);
  const fields = rdns?.flatMap(({ value }) => value.match(FIELD) ?? []) ?? [];
  if (rdns === undefined || new Set(fields).size !== fields.length) return undefined;
  const isWhole = (value: string) => /^\{(user|local|domain)\}$/.test(value) || !/[{}]/.test(value);
  if (!rdns.every(({ value }) => isWhole(value))) return undefined;
  return fields.includes('{user}') || fields.includes('{local}') ? { text, rdns } : undefined;
}

/** What stands in a name in the places of a template's fields; undefined if the rest of it is another. */
export function matchDnTemplate(
  template: DnTemplate,
  dn: DistinguishedName,
): Partial<UserFields> | undefined {
  if (dn.length !== template.rdns.length) return undefined;
  const found: Record<string, string> = {};
  for (const [index, { type, value }] of template.rdns.entries()) {
    const rdn = dn[index] as Rdn;
    if (rdn.type !== type) return undefined;
    if (/^\{.*\}$/.test(value)) found[value.slice(1, -1)] = rdn.value;
    else if (foldValue(value) !== foldValue(rdn.value)) return undefined;
  }
  return found;
}

/** The name that a template gives for a user. */
export function fillDnTemplate(template: DnTemplate, fields: UserFields): string {
  return formatDn(
    template.rdns.map(({ type, value }) => ({
      type,
      value: /^\{.*\}$/.test(value) ? fields[value.slice(1, -1) as keyof UserFields] : value,
    })),
  );
}

/** A user's parts. */
export function userFields(user: string): UserFields {
  const at = user.lastIndexOf('@');
  return { user, local: user.slice(0, at), domain: user.slice(at + 1) };
}
