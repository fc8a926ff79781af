// The kinds of values that a configuration is made of, as zod schemas. Each message says what would be right ("must be …");
// what is wrong with it is put before that by `explain.ts`, which knows what was written. `title` is the kind's name in
// the JSON Schema and in docs/config.md.

import { isIP } from 'node:net';
import { z } from 'zod';
import { parseDn } from '../lib/distinguished-name.ts';
import { parseDuration } from '../lib/duration.ts';
import { canonicalAddress, parseNetwork } from '../lib/network.ts';
import { filterFields, parseFilter } from '../lib/search-filter.ts';
import { parseUser } from '../lib/user.ts';
import type { HostPort } from './config.ts';

const DURATION = /^\d{1,9}(ms|s|m|h|d)$/;
const HOST_PORT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;

/** A map with exactly these keys. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, { error: 'must be a map of keys' });
}

export function listOf<Item extends z.ZodType>(item: Item) {
  return z.array(item, { error: 'must be a list' });
}

/** A map from names to values. */
export function named<Value extends z.ZodType>(value: Value) {
  const name = z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, { error: 'must be a word of letters, digits, - and _' });
  return z.record(name, value, { error: 'must be a map of names' });
}

export function nameOf(what: string) {
  const error = `must be ${what}: letters, digits, - and _, at most 63`;
  return z.string({ error }).regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, { error });
}

export function integer(least: number, most: number) {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

export function choice<const Values extends readonly [string, ...string[]]>(values: Values, because = '') {
  return z.enum(values, { error: `must be ${orList(values)}${because && `: ${because}`}` });
}

export function flag() {
  return z.boolean({ error: 'must be true or false' });
}

/** Milliseconds, from `500ms`, `60s`, `35m`, `1h`, `90d`. */
export function duration(least: string, most: string) {
  const error = `must be a duration from ${least} to ${most}, such as 500ms, 60s, 35m or 1h`;
  return z
    .string({ error })
    .regex(DURATION, { error })
    .transform((text, context) => {
      const value = parseDuration(text) ?? Number.NaN;
      if (value >= (parseDuration(least) ?? 0) && value <= (parseDuration(most) ?? 0)) return value;
      context.addIssue({ code: 'custom', message: error });
      return z.NEVER;
    })
    .meta({ title: 'duration' });
}

const SIZE = /^\d{1,7}(KiB|MiB)$/;
const SIZE_UNITS = { KiB: 1024, MiB: 1_048_576 } as const;

/** Octets, from `512KiB`, `50MiB`. */
export function size(least: string, most: string) {
  const error = `must be a size from ${least} to ${most}, such as 512KiB or 50MiB`;
  return z
    .string({ error })
    .regex(SIZE, { error })
    .transform((text, context) => {
      const value = octets(text);
      if (value >= octets(least) && value <= octets(most)) return value;
      context.addIssue({ code: 'custom', message: error });
      return z.NEVER;
    })
    .meta({ title: 'size' });
}

function octets(text: string): number {
  return Number.parseInt(text, 10) * SIZE_UNITS[text.slice(-3) as keyof typeof SIZE_UNITS];
}

/** One line of printable text. */
export function line(what: string) {
  return parsed(`must be ${what}`, (text) => (/^[^\p{Cc}\p{Zl}\p{Zp}]+$/u.test(text) ? text : undefined));
}

/** Made absolute by `assemble.ts`. */
export function path(example: string) {
  const error = `must be a path such as ${example}`;
  return parsed(error, (text) => (text === '' || text.includes('\0') ? undefined : text)).meta({
    title: 'path',
  });
}

/** `host:port` or `[IPv6]:port`. */
export function hostPort(example: string, options: { anyPort: boolean }) {
  const error = `must be host:port or [IPv6]:port, such as ${example}`;
  return z
    .string({ error })
    .regex(HOST_PORT, { error })
    .transform((text, context): HostPort => {
      const value = parseHostPort(text);
      if (value && (value.port > 0 || options.anyPort)) return value;
      context.addIssue({ code: 'custom', message: error });
      return z.NEVER;
    })
    .meta({ title: 'host:port' });
}

/** The host in canonical text (no brackets, lower case) and the port; undefined if the text is not an address with a port. */
export function parseHostPort(text: string): HostPort | undefined {
  if (!HOST_PORT.test(text)) return undefined;
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  if (port > 65_535) return undefined;
  const written = text.slice(0, colon);
  if (written.startsWith('[')) {
    const address = written.slice(1, -1);
    return isIP(address) === 6 ? { host: canonicalAddress(address) ?? address, port } : undefined;
  }
  // Digits and dots alone are meant as an IPv4 address, so they have to be one.
  if (/^[\d.]+$/.test(written) && isIP(written) !== 4) return undefined;
  return { host: written.toLowerCase(), port };
}

export function network() {
  const error = 'must be an address or a network such as 192.0.2.0/24 or 2001:db8::/32';
  return parsed(error, parseNetwork).meta({ title: 'network' });
}

/** A DNS domain, as lower-case A-labels. */
export function domain(example: string) {
  return parsed(`must be a domain such as ${example}`, parseDomain).meta({ title: 'domain' });
}

/** Which users: `*`, `*@domain`, `user@domain`, canonical. */
export function userPattern() {
  const error = 'must be "*", "*@domain" or "user@domain", in quotes';
  return parsed(error, parseUserPattern).meta({ title: 'users' });
}

/** Sender addresses: `*`, `*@domain`, `name@domain`, canonical. */
export function senderPattern() {
  const error = 'must be "*", "*@domain" or "name@domain", in quotes';
  return parsed(error, parseUserPattern).meta({ title: 'sender' });
}

function parseDomain(text: string): string | undefined {
  return parseUser(`x@${text}`)?.slice(2);
}

function parseUserPattern(text: string): string | undefined {
  if (text === '*') return text;
  if (!text.startsWith('*@')) return parseUser(text);
  const name = parseDomain(text.slice(2));
  return name && `*@${name}`;
}

/** As written. */
export function distinguishedName(example: string) {
  const error = `must be a distinguished name such as ${example}`;
  const check = (text: string) => (parseDn(text)?.length ? text : undefined);
  return parsed(error, check).meta({ title: 'DN' });
}

/** A search filter with one of the fields in it, as written, or more of them. */
export function filterTemplate(example: string, fields: readonly string[]) {
  const named = orList(fields.map((field) => `{${field}}`));
  const error = `must be a search filter (RFC 4515) with ${named} in it, such as ${example}`;
  const check = (text: string) => {
    const filter = parseFilter(text);
    const used = filter === undefined ? [] : filterFields(filter);
    return used.length > 0 && used.every((field) => fields.includes(field)) ? text : undefined;
  };
  return parsed(error, check).meta({ title: 'filter' });
}

/** A string that `parse` understands; the result is what `parse` makes of it. */
export function parsed<Value>(error: string, parse: (text: string) => Value | undefined) {
  return z.string({ error }).transform((text, context): Value => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}

/** `a`, `a or b`, `a, b or c`. */
export function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
