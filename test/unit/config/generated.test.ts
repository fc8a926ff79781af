// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written that way in a configuration

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { parseConfig } from '../../../src/config/config.ts';
import { generatedFiles } from '../../../src/config/generate.ts';
import { keyEntries, writtenSchema } from '../../../src/config/json-schema.ts';
import { withKeyComments } from '../../../src/config/key-comments.ts';
import { configWarnings } from '../../../src/config/warnings.ts';
import { files } from './example.ts';

const fromRoot = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

const SCHEMA = new URL('../../../src/config/schema.ts', import.meta.url);

/** What an editor shows on hovering over each key: of what is written, and of `Config`. */
const entries = keyEntries(writtenSchema());
const [meanings, shown] = withKeyComments(SCHEMA, (comments) =>
  ['WrittenConfig', 'Config'].map((type) => new Map(entries.map(({ key }) => [key, comments.of(type, key)]))),
) as [Map<string, string | undefined>, Map<string, string | undefined>];

describe('what is generated from the schema and the comments at its keys', () => {
  const generated = generatedFiles();

  it.each(Object.keys(generated))('%s is up to date (node src/config/generate.ts)', (path) => {
    expect(fromRoot(path)).toBe(generated[path]);
  });

  it('has a meaning for every key', () => {
    expect(entries.length).toBeGreaterThan(60);
    const mute = entries.filter(
      ({ key, schema }) => !meanings.get(key) && !schema.description && schema.type !== 'object',
    );
    expect(mute.map(({ key }) => key)).toEqual([]);
    for (const { key } of entries.filter(
      ({ schema }) => schema.type !== 'object' && schema.type !== 'array',
    )) {
      expect(fromRoot('docs/config.md')).toContain(`| \`${key}\``);
    }
  });
});

describe('a key of Config', () => {
  it('is documented by what docs/config.md says of it', () => {
    for (const [key, comment] of shown) {
      if (comment !== undefined) expect(comment, key).toBe(meanings.get(key));
    }
  });

  it('has another name or place only where it is another thing', () => {
    const moved = entries.filter(({ key }) => shown.get(key) === undefined).map(({ key }) => key);
    expect(moved.filter((key) => !key.endsWith('File'))).toEqual([
      // Said by what the URL holds.
      'redis.url',
      // A host and a port.
      'listeners[].address',
      'listeners[].passwordsInClear',
      // A list in any case.
      'upstreams.<name>.address',
      // How the user's entry is found.
      'upstreams.<name>.userDn',
      'upstreams.<name>.userSearch',
      'upstreams.<name>.userSearch.base',
      'upstreams.<name>.userSearch.filter',
      'portal.address',
      // A login, or none.
      'portal.notify.smtp.user',
      'portal.notify.smtp.password',
      'admin.address',
    ]);
  });
});

describe('the example', () => {
  const text = fromRoot('config/postern.example.yaml');
  const options = {
    file: '/etc/postern/postern.example.yaml',
    env: { OLD_DOVECOT_PASSWORD: 'sesame' },
    readFile: files({
      '/etc/postern/secrets/dovecot': 'open\n',
      '/etc/postern/secrets/ldap': 'says me\n',
      '/etc/postern/secrets/redis': 'sesame\n',
      '/etc/postern/secrets/oidc': 'sesame\n',
      '/etc/postern/secrets/smtp': 'sesame\n',
    }),
  };

  it('loads, and there is nothing to warn of', () => {
    const config = parseConfig(text, options);
    expect(configWarnings(config)).toEqual([]);
    expect(Object.keys(config.upstreams)).toEqual([
      'dovecot',
      'old-dovecot',
      'postfix',
      'slapd',
      'active-directory',
    ]);
  });

  it('shows every key, and its default where it says so', () => {
    const shown = new Set(keysIn(parseDocument(text).toJS()));
    const known = keyEntries(writtenSchema());
    // Of the two ways to give a secret, one is shown and the other named beside it.
    const isNamed = (key: string) => new RegExp(`# .*\\bor ${key.split('.').at(-1)}\\b`).test(text);
    const hidden = known.filter(({ key }) => !shown.has(key) && !isNamed(key));
    expect(hidden.map(({ key }) => key)).toEqual([]);
    for (const { key, schema } of known) {
      if (schema.default === undefined || typeof schema.default === 'object') continue;
      const name = key.split(/[.\]]/).at(-1);
      const written = typeof schema.default === 'string' ? `"?${schema.default}"?` : String(schema.default);
      expect(text, key).toMatch(new RegExp(`^ +${name}: ${written} # default`, 'm'));
    }
  });

  it('has a comment at every key, or at the key that it is part of', () => {
    const lines = text.split('\n');
    const bare = lines.filter((line, index) => {
      return /^[a-zA-Z]+:/.test(line) && !line.includes('#') && !lines[index - 1]?.startsWith('#');
    });
    // These hold nothing but keys that have comments themselves.
    expect(bare).toEqual(['limits:', 'appPasswords:', 'log:']);
  });

  it('is checked by an editor against the JSON Schema', () => {
    expect(text.split('\n', 1)).toEqual(['# yaml-language-server: $schema=./postern.schema.json']);
    const editor = z.fromJSONSchema(JSON.parse(fromRoot('config/postern.schema.json')));
    const accepts = (written: string) => editor.safeParse(parseDocument(written).toJS()).success;
    expect(accepts(text)).toBe(true);
    expect(accepts(text.replace('connections: 10000', 'connections: "${CONNECTIONS}"'))).toBe(true);
    expect(accepts(text.replace('connections: 10000', 'connections: many'))).toBe(false);
    expect(accepts(text.replace('idle: 35m', 'idle: 35 minutes'))).toBe(false);
    expect(accepts(text.replace('tls: starttls', 'tls: maybe'))).toBe(false);
    expect(accepts(`${text}portalz: {}\n`)).toBe(false);
    expect(accepts(text.replace('hostname: ', 'hostnam: '))).toBe(false);
  });
});

/** The keys of a configuration as `keyEntries` writes them. */
function keysIn(value: unknown, prefix = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => keysIn(item, `${prefix}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    const step = prefix === 'upstreams' ? '<name>' : name;
    const key = prefix === '' ? step : `${prefix}.${step}`;
    return [key, ...keysIn(child, key)];
  });
}
