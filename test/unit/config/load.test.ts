// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written that way in a configuration

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/config.ts';
import { ConfigError } from '../../../src/lib/errors.ts';
import { MASTER_PASSWORD, mistakes, parse, passwordOf, SMALL, small } from './example.ts';

const directory = mkdtempSync(join(tmpdir(), 'postern-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('a small configuration', () => {
  const config = parse(SMALL);

  it('has absolute paths, relative to its file', () => {
    expect(config.file).toBe('/etc/postern/postern.yaml');
    expect(config.store).toEqual({ url: 'sqlite:/etc/postern/data/postern.db' });
    expect(config.keys).toEqual({ file: '/etc/postern/data/keys.json' });
    expect(config.control).toEqual({ socket: '/etc/postern/data/control.sock' });
    expect(config.tls).toEqual({
      certificate: '/etc/postern/tls/chain.pem',
      key: '/etc/postern/tls/key.pem',
    });
  });

  it('has every default, times in milliseconds', () => {
    expect(config.limits).toEqual({
      connections: 10_000,
      perNetwork: 200,
      beforeLogin: 2_000,
      perUser: 100,
      loginDeadline: 60_000,
      attemptsPerConnection: 5,
      idle: 2_100_000,
      drain: 30_000,
    });
    expect(config.appPasswords).toEqual({
      maxPerUser: 40,
      hash: { memoryKiB: 19_456, passes: 2, lanes: 1, concurrency: 2, queue: 200 },
      remember: 300_000,
    });
    expect(config.throttle).toEqual({
      failureDelay: 2_000,
      parked: 1_000,
      parkedPerNetwork: 100,
      exempt: [],
      attempts: { most: 20_000, window: 600_000 },
      network: { distinct: 30, window: 600_000, block: 600_000 },
      networkAndUser: { distinct: 10, window: 3_600_000, block: 900_000 },
    });
    expect(config).toMatchObject({ admin: null, log: { level: 'info' }, users: { defaultDomain: null } });
  });

  it('has its upstream, with the secret of the file', () => {
    const { login, ...rest } = config.upstreams.dovecot!;
    expect(rest).toEqual({
      name: 'dovecot',
      protocol: 'imap',
      addresses: [{ host: 'imap.internal', port: 993 }],
      tls: 'implicit',
      ca: null,
      serverName: null,
      fingerprint: null,
      proxyProtocol: 'none',
      connectDeadline: 5_000,
      loginDeadline: 20_000,
      sendClientAddress: 'secure',
      acceptUnauthenticate: false,
      capabilities: null,
    });
    expect(login.method).toBe('plain');
    expect(passwordOf({ login })).toBe(MASTER_PASSWORD);
  });
});

describe('mistakes', () => {
  it('are all told at once, each with its place and what would be right', () => {
    expect(
      mistakes(`hostname: not a host
store: { url: "postgres://postern:hunter2@db/postern" }
keyz: { file: ./keys.json }
listeners:
  - { name: imaps, protocol: pop3, address: "0.0.0.0:99999", tls: none }
upstreams:
  dovecot:
    protocol: imap
    address: [imap.internal:993, imap]
    tls: implicit
    login: { method: plain, user: postern, password: sesame, passwordFile: ./master }
routes:
  - { users: "*@example.com", imap: dovecott }
limits: { idle: 35 minutes, connections: -1 }
`),
    ).toEqual([
      'postern.yaml:1:1 tls: is missing, must hold certificate and key: every listener needs them',
      'postern.yaml:1:1 keys: is missing, must be a map of keys',
      'postern.yaml:1:11 hostname: is "not a host", must be a domain such as mail.example.com',
      'postern.yaml:2:15 store.url: is PostgreSQL, which this version does not support yet, must be sqlite:PATH',
      'postern.yaml:3:1 keyz: is not a known key, did you mean keys?',
      'postern.yaml:5:30 listeners[0].protocol: is "pop3", must be imap, smtp or ldap: other protocols are not supported by this version',
      'postern.yaml:5:45 listeners[0].address: is "0.0.0.0:99999", must be host:port or [IPv6]:port, such as 0.0.0.0:993 or [::]:993',
      'postern.yaml:5:67 listeners[0].tls: is none, must be implicit or starttls, or stand beside passwordsInClear: accepted',
      'postern.yaml:9:34 upstreams.dovecot.address[1]: is "imap", must be host:port or [IPv6]:port, such as imap.internal:993',
      'postern.yaml:11:62 upstreams.dovecot.login.passwordFile: is set beside password, must be the only one of the two',
      'postern.yaml:13:37 routes[0].imap: names no upstream, did you mean dovecot?',
      'postern.yaml:14:17 limits.idle: is "35 minutes", must be a duration from 10ms to 7d, such as 500ms, 60s, 35m or 1h',
      'postern.yaml:14:42 limits.connections: is -1, must be a whole number from 1 to 1000000',
    ]);
  });

  it('never repeat a secret, or what a variable holds', () => {
    const told = mistakes(
      `${small('passwordFile: ./master', 'password: [hunter2]').replace('./data/keys.json', `"\${KEYS}"`)}log: { level: "\${LEVEL}" }\n`,
      { KEYS: 'a\0hunter2', LEVEL: 'hunter2' },
    );
    expect(told).toHaveLength(3);
    expect(told.join('\n')).not.toContain('hunter2');
    expect(told.join('\n')).toContain('log.level: is what "${LEVEL}" gives, must be trace');
  });

  it('escape what could play with the terminal', () => {
    const told = mistakes(small('mail.example.com', '"\\e[31mred\\u202e"'));
    expect(told).toEqual([
      'postern.yaml:1:11 hostname: is "\\u001b[31mred\\u{202e}", must be a domain such as mail.example.com',
    ]);
  });
});

describe('keys', () => {
  it.each(['rediss', 'workers', 'proxyProtocol', 'constructor', 'toString'])(
    'are refused when unknown: %s',
    (key) => {
      expect(mistakes(`${SMALL}${key}: {}\n`)).toEqual([
        expect.stringMatching(new RegExp(`^postern.yaml:15:1 ${key}: is not a known key, `)),
      ]);
    },
  );

  it('are refused when unknown even without a value', () => {
    expect(mistakes(`${SMALL}portalz:\n`)).toHaveLength(1);
  });

  it('without a value are the same as left out', () => {
    expect(parse(`${SMALL}admin:\nlimits:\nlog: { level: }\n`)).toEqual(parse(SMALL));
  });

  it('written twice are refused where they stand again', () => {
    expect(mistakes(`${SMALL}hostname: other.example.com\n`)).toEqual([
      'postern.yaml:15:1 hostname: is written twice, must be written once',
    ]);
  });

  it.each(['__proto__: { x: 1 }', '? [a, b]\n: c', '? { a: b }\n: c'])('cannot be %j', (text) => {
    expect(mistakes(`${SMALL}${text}\n`)).toEqual([
      expect.stringMatching(/^postern\.yaml:15:\d file: has a key that is no word/),
    ]);
  });
});

describe('a file', () => {
  const load = (name: string) =>
    loadConfig(join(directory, name), {}).catch((error) => {
      expect(error).toBeInstanceOf(ConfigError);
      return error.messages;
    });

  it('is read from disk', async () => {
    writeFileSync(join(directory, 'postern.yaml'), SMALL);
    writeFileSync(join(directory, 'master'), 'sesame\r\n', { mode: 0o600 });
    const config = await loadConfig(join(directory, 'postern.yaml'), {});
    expect(passwordOf(config.upstreams.dovecot!)).toBe('sesame');
    expect(config.keys.file).toBe(join(directory, 'data/keys.json'));
  });

  it('that is not there, is a directory, or is not UTF-8 is told so', async () => {
    mkdirSync(join(directory, 'folder.yaml'));
    writeFileSync(join(directory, 'latin.yaml'), Buffer.from([0x68, 0xe9, 0x0a]));
    expect(await load('none.yaml')).toEqual([
      expect.stringMatching(
        /^none\.yaml:1:1 file: cannot be read \(there is no such file\), must be a file: .* \(\/.*\/none\.yaml\)$/,
      ),
    ]);
    expect(await load('folder.yaml')).toEqual([expect.stringContaining('(it is a directory)')]);
    expect(await load('latin.yaml')).toEqual([expect.stringContaining('is not UTF-8')]);
  });
});
