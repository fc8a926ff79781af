import { describe, expect, it } from 'vitest';
import { formatPath } from '../../../src/config/problems.ts';
import { parseFingerprint } from '../../../src/config/sections/upstreams.ts';
import { parseHostPort } from '../../../src/config/values.ts';
import { MASTER_PASSWORD, mistakes, parse, SMALL, small } from './example.ts';

/** The messages without their places. */
const told = (text: string) => mistakes(text).map((message) => message.replace(/^\S+ /, ''));

describe('addresses', () => {
  it.each([
    ['0.0.0.0:993', { host: '0.0.0.0', port: 993 }],
    ['[::]:993', { host: '::', port: 993 }],
    ['[2001:DB8:0::7]:1', { host: '2001:db8::7', port: 1 }],
    ['Imap.Internal:65535', { host: 'imap.internal', port: 65_535 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
  ])('%s', (text, expected) => {
    expect(parseHostPort(text)).toEqual(expected);
  });

  it.each([
    '993',
    ':993',
    'host',
    'host:',
    '::1:993',
    '[::1]',
    '[x]:1',
    '1.2.3:4',
    'h:65536',
    'h: 1',
    '*:993',
    'imap://h:1',
    'u@h:1',
    '[1.2.3.4]:5',
  ])('not %s', (text) => {
    expect(parseHostPort(text)).toBeUndefined();
  });
});

describe('listeners', () => {
  const listener = '  - { name: imaps, protocol: imap, address: "0.0.0.0:993", tls: implicit }\n';
  const also = (text: string) => small(listener, `${listener}${text}`);

  it('may take any free port, as often as they like', () => {
    const config = parse(
      small('0.0.0.0:993', '127.0.0.1:0').replace(
        'upstreams:',
        '  - { name: imap, protocol: imap, address: "127.0.0.1:0", tls: starttls }\nupstreams:',
      ),
    );
    expect(config.listeners).toEqual([
      {
        name: 'imaps',
        protocol: 'imap',
        host: '127.0.0.1',
        port: 0,
        tls: 'implicit',
        proxyProtocol: [],
        publicAddress: null,
      },
      {
        name: 'imap',
        protocol: 'imap',
        host: '127.0.0.1',
        port: 0,
        tls: 'starttls',
        proxyProtocol: [],
        publicAddress: null,
      },
    ]);
  });

  it('may be behind balancers, in networks that are written as they are', () => {
    const behind = (networks: string) =>
      small('tls: implicit }', `tls: implicit, proxyProtocol: ${networks} }`);
    expect(
      parse(behind('[10.0.0.0/8, "2001:DB8::/32", "::ffff:192.0.2.7"]')).listeners[0]!.proxyProtocol,
    ).toEqual(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7/32']);
    for (const wrong of ['[10.0.0.0/33]', '[lb.internal]', '[true]', '[~]']) {
      expect(told(behind(wrong))).toEqual([
        expect.stringMatching(/^listeners\[0\]\.proxyProtocol\[0\]: .*must be an address or a/),
      ]);
    }
    expect(told(behind('true'))).toEqual(['listeners[0].proxyProtocol: is true, must be a list']);
  });

  it('let passwords travel in clear only where the config says so in as many words', () => {
    const scanners = (rest: string) => also(`  - { name: scanners, address: "127.0.0.1:587", ${rest} }\n`);
    expect(told(scanners('protocol: smtp, tls: none, passwordsInClear: accepted'))).toEqual([]);
    expect(told(scanners('protocol: ldap, tls: none'))).toEqual([
      'listeners[1].tls: is none, must be implicit or starttls, or stand beside passwordsInClear: accepted',
    ]);
    expect(told(scanners('protocol: smtp, tls: starttls, passwordsInClear: accepted'))).toEqual([
      'listeners[1].passwordsInClear: means nothing without tls: none, must be left out',
    ]);
    expect(told(scanners('protocol: imap, tls: none, passwordsInClear: accepted'))).toEqual([
      'listeners[1].tls: is none, must be implicit or starttls: mail clients that speak IMAP can do TLS',
    ]);
  });

  it('have names and addresses of their own', () => {
    expect(
      told(also('  - { name: imaps, protocol: imap, address: "0.0.0.0:993", tls: starttls }\n')),
    ).toEqual([
      'listeners[1].name: is taken by listeners[0] too, must be a name of its own',
      'listeners[1].address: is taken by listeners[0] too, must be an address of its own',
    ]);
    expect(told(`${SMALL}admin: { address: "0.0.0.0:993" }\n`)).toEqual([
      'admin.address: is taken by listeners[0] too, must be an address of its own',
    ]);
  });

  it('are at least one', () => {
    expect(told(small(`listeners:\n${listener}`, 'listeners: []\n'))).toEqual([
      'listeners: is an empty list, must have at least one listener',
    ]);
  });

  it('need a certificate', () => {
    expect(told(small('tls: { certificate: ./tls/chain.pem, key: ./tls/key.pem }\n', ''))).toEqual([
      'tls: is missing, must hold certificate and key: every listener needs them',
    ]);
  });
});

describe('upstreams', () => {
  const login = 'login: { method: plain, user: postern, passwordFile: ./master }';
  const set = (line: string) => small('tls: implicit\n    login', `tls: implicit\n    ${line}\n    login`);
  const hex = '0123456789abcdef'.repeat(4);

  it('log in by a suffix, with a separator that no user can have in a name', () => {
    const suffix = login.replace('plain', 'master-suffix');
    expect(parse(small(login, suffix)).upstreams.dovecot!.login).toMatchObject({
      method: 'master-suffix',
      separator: '*',
    });
    const slash = suffix.replace(' }', ', separator: "/" }');
    expect(parse(small(login, slash)).upstreams.dovecot!.login).toMatchObject({ separator: '/' });
    for (const separator of ['+', 'a', '@', '**', '']) {
      expect(told(small(login, suffix.replace(' }', `, separator: "${separator}" }`)))).toEqual([
        `upstreams.dovecot.login.separator: is "${separator}", must be *, %, /, , or =`,
      ]);
    }
    expect(told(small(login, login.replace(' }', ', separator: "*" }')))).toEqual([
      'upstreams.dovecot.login.separator: means nothing with this method, must be left out',
    ]);
  });

  it('do not log in by xoauth2 yet', () => {
    expect(told(small('method: plain', 'method: xoauth2'))).toEqual([
      'upstreams.dovecot.login.method: is "xoauth2", must be plain, master-suffix, password, xclient, none, bind or proxied-authorization: other methods are not supported by this version',
    ]);
  });

  it.each(['xclient', 'none', 'bind', 'proxied-authorization'])('for IMAP do not log in by %s', (method) => {
    expect(told(small('method: plain', `method: ${method}`))).toContain(
      'upstreams.dovecot.login.method: is not a method of imap, must be plain, master-suffix or password',
    );
  });

  const smtp = (written: string) =>
    small('protocol: imap\n    address', 'protocol: smtp\n    address')
      .replace(login.trim(), `login: ${written}`)
      .replace('imap: dovecot', 'smtp: dovecot');

  it('for SMTP may have no login of their own', () => {
    expect(told(smtp('{ method: xclient }'))).toEqual([]);
    expect(told(smtp('{ method: none }'))).toEqual([]);
    expect(told(smtp('{ method: none, user: postern, passwordFile: ./master }'))).toEqual([
      'upstreams.dovecot.login.user: means nothing with this method, must be left out',
      'upstreams.dovecot.login.passwordFile: means nothing with this method, must be left out',
    ]);
    expect(told(smtp('{ method: plain, passwordFile: ./master }'))).toEqual([
      'upstreams.dovecot.login.user: is missing, must be the name that Postern logs in with',
    ]);
    expect(told(smtp('{ method: master-suffix, user: postern, passwordFile: ./master }'))).toEqual([
      'upstreams.dovecot.login.method: is not a method of smtp, must be plain, password, xclient or none',
    ]);
    expect(told(smtp('{ method: proxied-authorization, dn: "cn=postern", passwordFile: ./master }'))).toEqual(
      ['upstreams.dovecot.login.method: is not a method of smtp, must be plain, password, xclient or none'],
    );
  });

  it('for LDAP bind as somebody', () => {
    const ldap = (written: string) =>
      smtp(written).replace('protocol: smtp', 'protocol: ldap').replace('smtp:', 'ldap:');
    expect(told(ldap('{ method: bind, dn: "cn=postern,dc=example", passwordFile: ./master }'))).toEqual([]);
    expect(told(ldap('{ method: proxied-authorization, user: postern, passwordFile: ./master }'))).toEqual([
      'upstreams.dovecot.userDn: is missing, must be the user’s own entry, or userSearch has to be there: proxied-authorization needs it',
      'upstreams.dovecot.login.dn: is missing, must be the distinguished name that Postern binds as',
      'upstreams.dovecot.login.user: means nothing with this method, must be left out',
    ]);
  });

  it('for LDAP say how the user’s own entry is found', () => {
    const ldap = (keys: string) =>
      small('tls: implicit\n    login', `tls: implicit\n    ${keys}\n    login`)
        .replace('protocol: imap\n    address', 'protocol: ldap\n    address')
        .replace('{ method: plain, user: postern,', '{ method: proxied-authorization, dn: "cn=postern,dc=x",')
        .replace('imap: dovecot', 'ldap: dovecot');
    expect(parse(ldap('userDn: "uid={local},dc=example,dc=com"')).upstreams.dovecot).toMatchObject({
      userEntry: { template: { text: 'uid={local},dc=example,dc=com' } },
    });
    expect(
      parse(ldap('userSearch: { base: "dc=x", filter: "(mail={user})" }')).upstreams.dovecot,
    ).toMatchObject({
      userEntry: {
        base: 'dc=x',
        filter: { text: '(mail={user})', filter: { kind: 'equal', attribute: 'mail', value: '{user}' } },
      },
    });
    for (const wrong of [
      'uid=alice,dc=x',
      'uid={login},dc=x',
      'uid={local}x,dc=x',
      'uid={local}+cn=x,dc=x',
      '{local}',
    ]) {
      expect(told(ldap(`userDn: "${wrong}"`)), wrong).toEqual([
        expect.stringContaining('must be a distinguished name with'),
      ]);
    }
    for (const wrong of [
      'mail={user}',
      '(mail=*)',
      '(mail={login})',
      '(mail={user}',
      '(mail={user}))',
      '((mail={user}))',
    ]) {
      expect(told(ldap(`userSearch: { base: "dc=x", filter: "${wrong}" }`)), wrong).toEqual([
        expect.stringContaining('must be a search filter (RFC 4515) with {user}, {local} or {domain} in it'),
      ]);
    }
    expect(
      told(ldap('userDn: "uid={local},dc=x"\n    userSearch: { base: "dc=x", filter: "(mail={user})" }')),
    ).toEqual(['upstreams.dovecot.userSearch: stands beside userDn, must be left out']);
    expect(
      told(small('tls: implicit\n    login', 'tls: implicit\n    userDn: "uid={local},dc=x"\n    login')),
    ).toEqual(['upstreams.dovecot.userDn: means nothing with protocol: imap, must be left out']);
  });

  it.each(['""', '"a\\r\\nb"', '"a\\0b"'])('do not log in as %s', (user) => {
    expect(told(small('user: postern', `user: ${user}`))).toEqual([
      expect.stringMatching(/^upstreams\.dovecot\.login\.user: is ".*", must be a user name$/),
    ]);
  });

  it('may want a PROXY header', () => {
    expect(parse(set('proxyProtocol: v2')).upstreams.dovecot!.proxyProtocol).toBe('v2');
    for (const wrong of ['v1', 'true', '2']) {
      expect(told(set(`proxyProtocol: ${wrong}`))).toEqual([
        expect.stringMatching(/^upstreams\.dovecot\.proxyProtocol: is .*, must be none or v2$/),
      ]);
    }
  });

  it('may be pinned to one certificate', () => {
    const pinned = parse(set(`fingerprint: ${hex}`)).upstreams.dovecot!.fingerprint;
    expect(pinned).toMatch(/^01:23:45:67:89:AB:CD:EF:01:.*:EF$/);
    expect(parseFingerprint(pinned!.toLowerCase())).toBe(pinned);
    for (const wrong of [hex.slice(1), `${hex}0`, `${hex.slice(0, 62)}:ab`, 'g'.repeat(64), '']) {
      expect(parseFingerprint(wrong)).toBeUndefined();
    }
    expect(told(set(`fingerprint: ${hex}\n    ca: ./ca.pem\n    serverName: a.b`))).toEqual([
      'upstreams.dovecot.ca: means nothing beside fingerprint, must be left out',
      'upstreams.dovecot.serverName: means nothing beside fingerprint, must be left out',
    ]);
  });

  it('in clear have nothing to verify', () => {
    const clear = set(`ca: ./ca.pem\n    fingerprint: ${hex}`).replace(
      'tls: implicit\n    ca',
      'tls: none\n    ca',
    );
    expect(told(clear)).toEqual([
      'upstreams.dovecot.ca: means nothing with tls: none, must be left out',
      'upstreams.dovecot.fingerprint: means nothing with tls: none, must be left out',
    ]);
  });

  it('have a port', () => {
    expect(told(small('imap.internal:993', 'imap.internal:0'))).toHaveLength(1);
    expect(told(small('imap.internal:993', '[]'))).toEqual([
      'upstreams.dovecot.address: is an empty list, must have at least one address',
    ]);
  });

  it('are at least one, and have usable names', () => {
    const start = SMALL.indexOf('upstreams:');
    const end = SMALL.indexOf('routes:');
    expect(told(`${SMALL.slice(0, start)}upstreams: {}\n${SMALL.slice(end)}`)).toEqual([
      'upstreams: is empty, must have at least one upstream',
      'routes[0].imap: names no upstream, must be left out',
    ]);
    expect(told(SMALL.replaceAll('dovecot', '"a b"'))).toContain(
      'upstreams["a b"]: is not a usable name, must be a word of letters, digits, - and _',
    );
  });
});

describe('routes', () => {
  it.each([
    ['"*"', '*'],
    ['"*@EXAMPLE.com"', '*@example.com'],
    ['Alice@Example.com', 'alice@example.com'],
    ['"*@bücher.example"', '*@xn--bcher-kva.example'],
  ])('for %s', (written, expected) => {
    expect(parse(small('"*@example.com"', written)).routes).toEqual([{ users: expected, imap: 'dovecot' }]);
  });

  it.each([
    'alice',
    '*@',
    '**',
    'a*@example.com',
    '*@*.example.com',
    '@example.com',
    'a@b@c',
    'ａlice@example.com',
  ])('not for %s', (written) => {
    expect(told(small('"*@example.com"', `"${written}"`))).toEqual([
      `routes[0].users: is "${written}", must be "*", "*@domain" or "user@domain", in quotes`,
    ]);
  });

  it.each(['constructor', 'toString', '__proto__'])('do not lead to %s', (name) => {
    expect(told(small('imap: dovecot }', `imap: ${name} }`))).toEqual([
      'routes[0].imap: names no upstream, must be dovecot',
    ]);
  });
});

describe('numbers, durations, networks', () => {
  it.each([
    ['limits: { idle: 35 }', 'limits.idle: is 35, must be a duration from 10ms to 7d'],
    ['limits: { idle: 8d }', 'limits.idle: is "8d", must be a duration from 10ms to 7d'],
    ['limits: { connections: 1.5 }', 'limits.connections: is 1.5, must be a whole number from 1 to 1000000'],
    ['limits: { connections: "20" }', 'limits.connections: is "20", must be a whole number'],
    ['limits: { connections: .inf }', 'limits.connections: is Infinity, must be a whole number'],
    ['limits: { connections: 9007199254740993 }', 'limits.connections: is 9007199254740992, must be a whole'],
    [
      'appPasswords: { hash: { memoryKiB: 64 } }',
      'appPasswords.hash.memoryKiB: is 64, must be a whole number from 7168',
    ],
    [
      'throttle: { exempt: [10.0.0.0/33] }',
      'throttle.exempt[0]: is "10.0.0.0/33", must be an address or a network',
    ],
    ['throttle: { exempt: 10.0.0.0/8 }', 'throttle.exempt: is "10.0.0.0/8", must be a list'],
    ['throttle: [1]', 'throttle: is a list, must be a map of keys'],
    ['throttle: { exempt: [~] }', 'throttle.exempt[0]: is empty, must be an address'],
    ['log: { level: loud }', 'log.level: is "loud", must be trace, debug, info, warn, error or fatal'],
    [
      'users: { netbiosDomains: { A: a.b, a: c.d } }',
      'users.netbiosDomains.a: is A in another case, must be written once',
    ],
    [
      'users: { netbiosDomains: { "A*": a.b } }',
      'users.netbiosDomains["A*"]: is not a usable name, must be a NetBIOS',
    ],
    ['users: { defaultDomain: "@example.com" }', 'users.defaultDomain: is "@example.com", must be a domain'],
    [
      `control: { socket: /${'x'.repeat(107)} }`,
      'control.socket: is too long as an absolute path, must have at most 107',
    ],
  ])('%s', (text, expected) => {
    expect(told(`${SMALL}${text}\n`)).toEqual([expect.stringContaining(expected)]);
  });

  it('are canonical', () => {
    const config = parse(
      `${SMALL}throttle: { failureDelay: 0ms, exempt: [192.0.2.7, "2001:DB8::/32"] }\nusers: { defaultDomain: EXAMPLE.com, netbiosDomains: { example: Example.COM } }\nadmin: { address: "[::1]:0" }\n`,
    );
    expect(config.throttle).toMatchObject({ failureDelay: 0, exempt: ['192.0.2.7/32', '2001:db8::/32'] });
    expect(config.users).toEqual({
      defaultDomain: 'example.com',
      netbiosDomains: { EXAMPLE: 'example.com' },
      dnTemplates: [],
      dns: {},
      directory: null,
    });
    expect(config.admin).toEqual({ host: '::1', port: 0 });
  });
});

describe('redis', () => {
  const redis = (keys: string) => `${SMALL}redis: { ${keys} }\n`;

  it('has a URL, which may hold who Postern is', () => {
    expect(parse(redis('url: redis://redis.internal')).redis).toEqual({
      host: 'redis.internal',
      port: 6379,
      db: 0,
      tls: false,
      username: null,
      password: null,
      ca: null,
      prefix: 'postern:',
      timeout: 200,
    });
    const whole = parse(
      redis('url: "rediss://po%20st:hunt%2Fer2@[::1]:7000/3", ca: ./ca.pem, prefix: "a:", timeout: 1s'),
    ).redis!;
    expect(whole).toMatchObject({ host: '::1', port: 7000, db: 3, tls: true, username: 'po st' });
    expect(whole).toMatchObject({ ca: '/etc/postern/ca.pem', prefix: 'a:', timeout: 1000 });
    expect(whole.password?.reveal()).toBe('hunt/er2');
    const apart = parse(redis('url: redis://postern@a, passwordFile: ./master')).redis!;
    expect([apart.username, apart.password?.reveal()]).toEqual(['postern', MASTER_PASSWORD]);
  });

  it.each([
    'hunter2',
    'http://x:hunter2@a',
    'redis:///hunter2',
    'redis://x:hunter2@a:0',
    'redis://x:hunter2@a:99999',
    'redis://x:hunter2@a/b',
    'redis://x:hunter2@a?db=1',
    'redis://x:hunter2#@a',
    'redis://x:%hunter2@a',
    '[redis://hunter2]',
  ])('has no URL like %s, and does not repeat it', (url) => {
    const [message, ...more] = told(redis(`url: ${url.startsWith('[') ? url : `"${url}"`}`));
    expect(message).toMatch(/^redis\.url: .*must be /);
    expect(message).not.toContain('hunter2');
    expect(more).toEqual([]);
  });

  it('has one password at most, and authorities for TLS only', () => {
    expect(told(redis('url: "redis://:hunter2@a", password: hunter2, ca: ./ca.pem'))).toEqual([
      'redis.password: is set beside a URL that holds a password, must be the only one of the two',
      'redis.ca: means nothing with redis://, must be left out',
    ]);
    expect(told(redis('password: hunter2'))).toEqual([
      'redis.url: is missing, must be set here or in a file that urlFile names',
    ]);
    expect(told(redis('url: redis://a, prefix: "a b"'))).toEqual([
      'redis.prefix: is "a b", must be 1 to 64 letters, digits and :._-',
    ]);
  });
});

describe('store', () => {
  it.each(['postgres://a:hunter2@b/c', 'mysql://hunter2', 'sqlite:', 'sqlite::memory:', './hunter2.db'])(
    'not %s',
    (url) => {
      const [message, ...more] = told(small('sqlite:./data/postern.db', url));
      expect(message).toMatch(/^store\.url: .*must be sqlite:PATH/);
      expect(message).not.toContain('hunter2');
      expect(more).toEqual([]);
    },
  );
});

it('writes paths as people do', () => {
  expect(formatPath(['listeners', 0, 'tls'])).toBe('listeners[0].tls');
  expect(formatPath(['upstreams', 'a b', 'tls'])).toBe('upstreams["a b"].tls');
});

describe('users', () => {
  const users = (written: string) => `${SMALL}users: ${written}\n`;

  it('have distinguished names, by template and one by one', () => {
    const config = parse(
      users(
        '{ dnTemplates: ["uid={user},dc=x"], dns: { "CN=Nextcloud, ou=Services,dc=x": Nextcloud@Example.com } }',
      ),
    );
    expect(config.users.dnTemplates.map(({ text }) => text)).toEqual(['uid={user},dc=x']);
    expect(config.users.dns).toEqual({ 'cn=nextcloud,ou=services,dc=x': 'nextcloud@example.com' });
  });

  it.each([
    ['{ dnTemplates: ["uid={local},dc=x"] }', 'users.dnTemplates[0]: has no domain in it'],
    [
      '{ defaultDomain: a.example, dnTemplates: ["uid=alice,dc=x"] }',
      'users.dnTemplates[0]: is "uid=alice,dc=x", must be',
    ],
    ['{ dns: { nextcloud: a@example.com } }', 'users.dns.nextcloud: is no distinguished name'],
    ['{ dns: { "cn=a": "a b" } }', 'users.dns["cn=a"]: is "a b", must be a user'],
    [
      '{ dns: { "cn=a,dc=x": a@example.com, "CN=A, dc=x": b@example.com } }',
      'is cn=a,dc=x in another spelling',
    ],
    [
      '{ directory: { upstream: dovecot, base: "dc=x", filter: "(uid={login})" } }',
      'users.directory.upstream: names an upstream of another protocol',
    ],
    [
      '{ directory: { upstream: slap, base: "dc=x", filter: "(uid={login})" } }',
      'users.directory.upstream: names no upstream',
    ],
    [
      '{ directory: { upstream: dovecot, base: "x", filter: "(uid={user})" } }',
      'users.directory.base: is "x", must be',
    ],
  ])('%s is refused', (written, says) => {
    expect(told(users(written)).join('\n')).toContain(says);
  });
});

describe('what may be done in a directory', () => {
  const route = (written: string) =>
    small('imap: dovecot }', `ldap: dovecot${written} }`)
      .replace('protocol: imap\n    address', 'protocol: ldap\n    address')
      .replace('{ method: plain, user: postern,', '{ method: bind, dn: "cn=postern,dc=x",');

  it('is reading, unless told', () => {
    const reading = { operations: ['search', 'compare'], maxEntries: null, maxTime: null };
    expect(parse(route('')).routes[0]!.directory).toEqual(reading);
    expect(
      parse(route(', directory: { operations: [modify], maxEntries: 5, maxTime: 1m }')).routes[0]!.directory,
    ).toEqual({
      operations: ['modify'],
      maxEntries: 5,
      maxTime: 60_000,
    });
  });

  it('means nothing without one', () => {
    expect(told(small('imap: dovecot }', 'imap: dovecot, directory: {} }'))).toEqual([
      'routes[0].directory: means nothing without ldap, must be left out',
    ]);
    expect(told(route(', directory: { operations: [bind] }')).join()).toContain(
      'must be search, compare, add',
    );
  });
});
