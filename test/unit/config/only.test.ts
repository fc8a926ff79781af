// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written that way in a configuration
// What a command does not use of a configuration does not keep it from running: variables that are not set, secrets that it may
// not read, mistakes.

import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/config.ts';
import type { ReadFile } from '../../../src/config/secret-file.ts';
import { files, mistakes, SMALL, small } from './example.ts';

const never: ReadFile = (path) => {
  throw new Error(`${path} is nobody's business`);
};

const read = <Section extends 'store' | 'keys' | 'users' | 'appPasswords' | 'control' | 'admin' | 'redis'>(
  text: string,
  ...only: Section[]
) => parseConfig(text, { file: '/etc/postern/postern.yaml', env: {}, readFile: never, only });

const told = (act: () => unknown) => {
  try {
    act();
    return [];
  } catch (error) {
    return (error as { messages?: string[] }).messages ?? [String(error)];
  }
};

describe('sections that are asked for alone', () => {
  it('are read, and no other', () => {
    const config = read(SMALL, 'store', 'keys', 'users');
    expect(config).toEqual({
      file: '/etc/postern/postern.yaml',
      doubts: [],
      store: { url: 'sqlite:/etc/postern/data/postern.db' },
      keys: { file: '/etc/postern/data/keys.json' },
      users: { defaultDomain: null, netbiosDomains: {}, dnTemplates: [], dns: {}, directory: null },
    });
  });

  it.each([
    ['a variable that is not set', `${SMALL}redis: { url: "redis://a", password: "\${REDIS_PASSWORD}" }\n`],
    ['a variable that is not written right', `${SMALL}redis: { url: "\${" }\n`],
    ['a secret that cannot be read', SMALL],
    ['a wrong value', `${SMALL}limits: { idle: 35 minutes }\n`],
    ['no value', `${SMALL}log:\n`],
    ['a rule that is broken', small('imap: dovecot }', 'imap: dovecott }')],
    ['a section that is unknown', `${SMALL}portalz: {}\n`],
    ['a section that is missing', SMALL.replace(/^listeners:\n.*\n/m, '')],
    [
      'names that are looked up in an upstream that is not read',
      `${SMALL.replace('protocol: imap\n', 'protocol: "${PROTOCOL}"\n')}users: { directory: { upstream: dovecot, base: "dc=x", filter: "(uid={login})" } }\n`,
    ],
  ])('do not mind %s elsewhere', (_, text) => {
    expect(told(() => read(text, 'store', 'keys', 'users', 'appPasswords'))).toEqual([]);
  });

  it('are checked themselves, as ever', () => {
    expect(told(() => read(small('./data/keys.json', '"${KEYS}"'), 'store', 'keys'))).toEqual([
      'postern.yaml:3:15 keys.file: needs the environment variable KEYS, which is not set, must be set or be ${KEYS:-default}',
    ]);
    expect(told(() => read(`${SMALL}users: { defaultDomain: x y, def: 1 }\n`, 'users'))).toEqual([
      'postern.yaml:15:25 users.defaultDomain: is "x y", must be a domain such as example.com',
      'postern.yaml:15:30 users.def: is not a known key, must be one of defaultDomain, netbiosDomains, dnTemplates, dns or directory',
    ]);
    expect(told(() => read(SMALL.replace(/^store:.*\n/m, ''), 'store'))).toEqual([
      'postern.yaml:1:1 store: is missing, must be a map of keys',
    ]);
    expect(told(() => read('just text\n', 'store'))).toHaveLength(1);
    expect(told(() => read(`${SMALL}redis: { urlFile: ./redis }\n`, 'redis'))).toHaveLength(1);
  });

  it('bring what their defaults hang on', () => {
    expect(read(SMALL, 'control').control).toEqual({ socket: '/etc/postern/data/control.sock' });
    const long = `/${'x'.repeat(120)}`;
    expect(told(() => read(`${SMALL}control: { socket: ${long} }\n`, 'control'))).toHaveLength(1);
  });

  it('are YAML in any case', () => {
    expect(told(() => read(`${SMALL}log: { level: info\n`, 'store'))).toHaveLength(1);
  });
});

it('all of it is checked where all of it is needed', () => {
  const text = `${SMALL}redis: { url: "redis://a", password: "\${REDIS_PASSWORD}" }\n`;
  expect(mistakes(text)).toHaveLength(1);
  expect(mistakes(SMALL, {}, files({}))).toHaveLength(1);
});
