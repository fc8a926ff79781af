// The kinds of values that a configuration is made of, as codecs: text as written ↔ the value. Each message says what would be
// right ("must be …"); what is wrong with it is put before that by `explain.ts`, which knows what was written. `title` is the
// kind's name in the JSON Schema and in docs/config.md.

import { isIP, isIPv6 } from 'node:net';
import { z } from 'zod';
import { type DnTemplate, parseDn, parseDnTemplate } from '../lib/distinguished-name.ts';
import { parseDuration } from '../lib/duration.ts';
import { addressOf, canonicalAddress, parseNetwork, withoutHostBits } from '../lib/network.ts';
import { filterFields, parseFilter, type SearchFilter } from '../lib/search-filter.ts';
import { Secret } from '../lib/secret.ts';
import { parseUser } from '../lib/user.ts';
import { withDoubt, withPath, withSecretFile } from './marks.ts';
import { orList } from './suggest.ts';

export interface HostPort {
  /** An IP address without brackets, or a host name. */
  readonly host: string;
  /** 0, where it is allowed, stands for any free port. */
  readonly port: number;
}

/** A search filter with fields in it. */
export interface FilterTemplate {
  readonly text: string;
  readonly filter: SearchFilter;
}

/** A text that `parse` understands: it gives the value, or undefined. `write` is the way back. */
export function parsed<Value>(
  error: string,
  parse: (text: string) => Value | undefined,
  write: (value: Value) => string,
  pattern?: RegExp,
) {
  const text = z.string({ error });
  return z.codec(pattern ? text.regex(pattern, { error }) : text, z.custom<Value>(), {
    decode(input, { issues }) {
      const value = parse(input);
      if (value === undefined) issues.push({ code: 'custom', message: error, input });
      return value as Value;
    },
    encode: write,
  });
}

/** A text that `check` gives back, perhaps in its canonical form, or undefined. */
export function text<Text extends string>(error: string, check: (written: string) => Text | undefined) {
  return parsed(error, check, (value) => value);
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

const DURATION = /^\d{1,9}(ms|s|m|h|d)$/;
const DURATION_UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Milliseconds, from `500ms`, `60s`, `35m`, `1h`, `90d`. */
export function duration(least: string, most: string) {
  const error = `must be a duration from ${least} to ${most}, such as 500ms, 60s, 35m or 1h`;
  const between = within(parseDuration, least, most);
  return parsed(error, between, inUnits(DURATION_UNITS), DURATION).meta({ title: 'duration' });
}

const SIZE = /^\d{1,7}(KiB|MiB)$/;
const SIZE_UNITS = { MiB: 1_048_576, KiB: 1024 };

/** Octets, from `512KiB`, `50MiB`. */
export function size(least: string, most: string) {
  const error = `must be a size from ${least} to ${most}, such as 512KiB or 50MiB`;
  const octets = (text: string) => Number.parseInt(text, 10) * SIZE_UNITS[text.slice(-3) as 'MiB' | 'KiB'];
  return parsed(error, within(octets, least, most), inUnits(SIZE_UNITS), SIZE).meta({ title: 'size' });
}

function within(parse: (text: string) => number | undefined, least: string, most: string) {
  return (text: string) => {
    const value = parse(text) ?? Number.NaN;
    return value >= (parse(least) ?? 0) && value <= (parse(most) ?? 0) ? value : undefined;
  };
}

/** In the largest unit that divides it; units are in that order. */
function inUnits(units: Readonly<Record<string, number>>) {
  return (value: number) => {
    const [unit, length] = Object.entries(units).find(
      ([, length], index, { length: count }) => index === count - 1 || (value > 0 && value % length === 0),
    ) as [string, number];
    return `${value / length}${unit}`;
  };
}

/** One line of printable text. */
export function line(what: string) {
  return text(`must be ${what}`, (written) =>
    /^[^\p{Cc}\p{Zl}\p{Zp}]+$/u.test(written) ? written : undefined,
  );
}

/** Absolute, or as it is written relative to the configuration file's directory. */
export function path(example: string, description?: string) {
  const error = `must be a path such as ${example}`;
  const isPath = (written: string) => written !== '' && !written.includes('\0');
  const schema = text(error, (written) => (isPath(written) ? written : undefined)).meta({
    title: 'path',
    ...(description !== undefined && { description }),
  });
  return withPath(schema, (written, absolute) => (isPath(written) ? absolute(written) : written));
}

/** What `secret` has to know of the file that may hold it: a path for messages, and what docs/config.md says. */
export interface SecretFile {
  readonly example: string;
  readonly meaning: string;
}

/** A secret `x`, null if it is written neither there nor in the file that `xFile` names: for `section`, which adds that key. */
export function secret(file: SecretFile) {
  return secretText(
    file,
    '',
    (text) => new Secret(text),
    (value) => value.toJSON(),
  );
}

/** A secret in which there is more to understand; `error` is a whole message, and `write` leaves out what is secret. */
export function secretText<Value>(
  file: SecretFile,
  error: string,
  parse: (text: string) => Value | undefined,
  write: (value: Value) => string,
) {
  const written = z.string({ error: 'must be text, in quotes' }).optional();
  const schema = z
    .codec(written, z.custom<Value | null>(), {
      decode(input, { issues }) {
        if (input === undefined) return null;
        const value = parse(input);
        let message = value === undefined ? error : undefined;
        if (input === '') message = 'is empty, must hold the secret';
        if (/[\0\r\n]/.test(input)) message = 'holds more than one line, must hold the secret alone';
        if (message !== undefined) issues.push({ code: 'custom', message, input, params: { of: 'value' } });
        return value ?? null;
      },
      encode: (value) => (value === null ? undefined : write(value)),
    })
    .meta({ title: 'secret' });
  return withSecretFile(schema, path(file.example, file.meaning));
}

const HOST_PORT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/;

/** `host:port` or `[IPv6]:port`. */
export function hostPort(example: string, options: { anyPort: boolean }) {
  const error = `must be host:port or [IPv6]:port, such as ${example}`;
  const parse = (written: string) => {
    const value = parseHostPort(written);
    return value && (value.port > 0 || options.anyPort) ? value : undefined;
  };
  return parsed(error, parse, formatHostPort, HOST_PORT).meta({ title: 'host:port' });
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

export function formatHostPort({ host, port }: HostPort): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

export function network() {
  const error = 'must be an address or a network such as 192.0.2.0/24 or 2001:db8::/32';
  return withDoubt(text(error, parseNetwork).meta({ title: 'network' }), hostBits);
}

/** `10.1.2.3/8` may be meant as one address, and is sixteen million. */
function hostBits(written: string): string | undefined {
  const network = parseNetwork(written);
  const meant = network && withoutHostBits(network);
  if (network === undefined || network === meant) return undefined;
  const one = addressOf(network);
  return `names one address, ${one}, and stands for all of ${meant}; write ${meant}, or ${one} alone`;
}

/** A DNS domain, as lower-case A-labels. */
export function domain(example: string) {
  return text(`must be a domain such as ${example}`, parseDomain).meta({ title: 'domain' });
}

/** Which users: `*`, `*@domain`, `user@domain`, canonical. */
export function userPattern() {
  const error = 'must be "*", "*@domain" or "user@domain", in quotes';
  return text(error, parseUserPattern).meta({ title: 'users' });
}

/** Sender addresses: `*`, `*@domain`, `name@domain`, canonical. */
export function senderPattern() {
  const error = 'must be "*", "*@domain" or "name@domain", in quotes';
  return text(error, parseUserPattern).meta({ title: 'sender' });
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
  return text(error, (written) => (parseDn(written)?.length ? written : undefined)).meta({ title: 'DN' });
}

/** A distinguished name with a field in it. */
export function dnTemplate() {
  const error =
    'must be a distinguished name with {local} or {user} as one of its values, such as "uid={local},ou=people,dc=example,dc=com"';
  return parsed(error, parseDnTemplate, ({ text }: DnTemplate) => text).meta({ title: 'DN template' });
}

/** A search filter with one of the fields in it, or more of them. */
export function filterTemplate(example: string, fields: readonly string[]) {
  const known = orList(fields.map((field) => `{${field}}`));
  const error = `must be a search filter (RFC 4515) with ${known} in it, such as ${example}`;
  const parse = (text: string): FilterTemplate | undefined => {
    const filter = parseFilter(text);
    const used = filter === undefined ? [] : filterFields(filter);
    return filter && used.length > 0 && used.every((field) => fields.includes(field))
      ? { text, filter }
      : undefined;
  };
  return parsed(error, parse, ({ text }) => text).meta({ title: 'filter' });
}
