import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configWarnings } from '../../../src/config/warnings.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { parse, SMALL, small } from './example.ts';

const warnings = (text: string) => configWarnings(parse(text));

describe('warnings', () => {
  it('are none for a sound configuration', () => {
    expect(warnings(SMALL)).toEqual([]);
  });

  it('tell of an upstream in clear, unless it is this machine', () => {
    const clear = (address: string) =>
      small('imap.internal:993\n    tls: implicit', `${address}\n    tls: none`);
    expect(warnings(clear('[imap.internal:143, "127.0.0.1:143"]'))).toEqual([
      "upstreams.dovecot.tls: is none, so mail and Postern's own password travel to imap.internal in clear; use implicit or starttls",
    ]);
    expect(warnings(clear('["127.0.0.1:143", "127.9.9.9:143", "[::1]:143", localhost:143]'))).toEqual([]);
    expect(warnings(clear('127.0.0.1.example.com:143'))).toHaveLength(1);
  });

  it('tell of balancers that could be anybody', () => {
    const behind = (networks: string) =>
      small('tls: implicit }', `tls: implicit, proxyProtocol: ${networks} }`);
    expect(warnings(behind('[10.0.0.0/8, 0.0.0.0/0, "::/0"]'))).toEqual([
      "listeners[0].proxyProtocol: 0.0.0.0/0 lets anyone at all say where imaps's clients are; name the balancers' own networks",
      "listeners[0].proxyProtocol: ::/0 lets anyone at all say where imaps's clients are; name the balancers' own networks",
    ]);
    expect(warnings(behind('[10.0.0.0/8]'))).toEqual([]);
  });

  it('tell of a store that others can read or write', () => {
    using dir = tempDir();
    const file = join(dir.path, 'postern.db');
    const text = small('sqlite:./data/postern.db', `sqlite:${file}`);
    expect(warnings(text)).toEqual([]);
    writeFileSync(file, '');
    for (const mode of [0o600, 0o400, 0o640, 0o604, 0o602]) {
      chmodSync(file, mode);
      expect(warnings(text)).toEqual(
        mode & 0o077 ? [`store.url: ${file} is open to other users of this machine; make it 0600`] : [],
      );
    }
  });

  it('tell of entries that users of two domains would share', () => {
    const entry = (rule: string, users: string[], method = 'proxied-authorization') =>
      SMALL.replace(
        'upstreams:',
        `upstreams:
  slapd:
    protocol: ldap
    address: ldap.internal:636
    tls: implicit
    login: { method: ${method}, dn: "cn=postern,dc=example,dc=com", password: eNtry-of-the-service }
    ${rule}`,
      ).replace(
        'routes:',
        `routes:\n${users.map((one) => `  - { users: "${one}", ldap: slapd }`).join('\n')}`,
      );
    const local = 'userDn: "uid={local},dc=example,dc=com"';
    const search = 'userSearch: { base: "dc=example,dc=com", filter: "(|(mail={user})(uid={local}))" }';
    const two = ['*@example.net', '*@example.org'];
    expect(warnings(entry(local, two))).toEqual([
      'upstreams.slapd.userDn: {local} is the same for users of several domains who are routed there, so one may act as the other; use {user}, or {domain} too',
    ]);
    expect(warnings(entry(search, two))).toEqual([
      expect.stringMatching(/^upstreams\.slapd\.userSearch\.filter: /),
    ]);
    expect(warnings(entry(local, ['*@example.net', 'a@example.net']))).toEqual([]);
    expect(warnings(entry(local, two, 'bind'))).toEqual([]);
    for (const rule of ['cn={user},dc=x', 'uid={local},ou={domain},dc=x']) {
      expect(warnings(entry(`userDn: "${rule}"`, two))).toEqual([]);
    }
    // The routes for everyone have to be the last.
    const everyone = `${entry(local, [])}  - { users: "*", ldap: slapd }\n`;
    expect(warnings(everyone)).toEqual([expect.stringMatching(/^upstreams\.slapd\.userDn: /)]);
  });

  it('tell of refusals that may wait in all places that there are', () => {
    const limits = (parked: number) =>
      small('hostname:', `limits: { beforeLogin: 500 }\nthrottle: { parked: ${parked} }\nhostname:`);
    expect(warnings(limits(499))).toEqual([]);
    expect(warnings(limits(500))).toEqual([
      expect.stringMatching(/^throttle\.parked: is not below limits\.beforeLogin/),
    ]);
  });

  it('tell of routes that are never reached and upstreams that have none', () => {
    expect(
      warnings(small('"*@example.com", imap: dovecot }', '"*" }\n  - { users: "a@example.com" }')),
    ).toEqual([
      'listeners[0]: no route has imap, so nobody can log in at imaps; add it to a route, or leave the listener out',
      'routes[1]: is never reached, because routes[0] is for everyone; put it before that one',
      'upstreams.dovecot: has no route, so nobody gets there; add one or leave it out',
    ]);
  });

  it('tell of senders that are anybody', () => {
    const with_ = (users: string, senders: string) =>
      small(
        'routes:\n  - { users: "*@example.com", imap: dovecot }',
        `  postfix: { protocol: smtp, address: localhost:25, tls: none, login: { method: none } }
routes:
  - { users: "${users}", imap: dovecot, smtp: postfix, submission: { senders: ${senders} } }`,
      );
    expect(warnings(with_('scanner@example.com', '["a@example.com", "*@example.com"]'))).toEqual([]);
    expect(warnings(with_('*@example.com', '["*@lists.example.com"]'))).toEqual([]);
    expect(warnings(with_('*@example.com', '["noreply@example.com", "*@example.com"]'))).toEqual([
      'routes[0].submission.senders: "*@example.com" lets every one of these users send as any other in that domain; give it to those who need it, in a route of their own',
    ]);
    for (const users of ['scanner@example.com', '*']) {
      expect(warnings(with_(users, '["*"]'))).toEqual([
        'routes[0].submission.senders: "*" lets every device of these users send as anybody at all; name addresses or domains',
      ]);
    }
  });

  it('tell of a listener whose protocol leads nowhere', () => {
    const text = small(
      'tls: implicit }',
      'tls: implicit }\n  - { name: scans, protocol: smtp, address: "0.0.0.0:465", tls: implicit }',
    );
    expect(warnings(text)).toEqual([
      'listeners[1]: no route has smtp, so nobody can log in at scans; add it to a route, or leave the listener out',
    ]);
    const postfix =
      '  postfix: { protocol: smtp, address: localhost:25, tls: none, login: { method: none } }\n';
    const routed = text
      .replace('routes:', `${postfix}routes:`)
      .replace('imap: dovecot }', 'imap: dovecot }\n  - { users: "*@example.net", smtp: postfix }');
    expect(warnings(routed)).toEqual([]);
  });

  it('tell of settings below what RFC 3501 and OWASP recommend', () => {
    const text = `${SMALL}limits: { idle: 29m }\nappPasswords: { hash: { memoryKiB: 7168, passes: 4 } }\n`;
    expect(warnings(text)).toEqual([
      expect.stringMatching(/^limits\.idle: is below 30m/),
      'appPasswords.hash.passes: is weaker than OWASP recommends with 7168 KiB; use 5, or more memory',
    ]);
    expect(warnings(text.replace('29m', '30m').replace('passes: 4', 'passes: 5'))).toEqual([]);
  });
});

describe('ports', () => {
  const listener = (protocol: string, port: number, tls: string) =>
    configWarnings(
      parse(
        small(
          '{ name: imaps, protocol: imap, address: "0.0.0.0:993", tls: implicit }',
          `{ name: x, protocol: ${protocol}, address: "0.0.0.0:${port}", tls: ${tls}${tls === 'none' ? ', passwordsInClear: accepted' : ''} }`,
        ),
      ),
    ).filter((line) => line.includes(' on port '));

  it.each([
    ['imap', 143, 'implicit', 'starttls'],
    ['imap', 993, 'starttls', 'implicit'],
    ['smtp', 587, 'implicit', 'starttls'],
    ['smtp', 465, 'starttls', 'implicit'],
    ['smtp', 465, 'none', 'implicit'],
    ['ldap', 389, 'implicit', 'starttls'],
    ['ldap', 636, 'starttls', 'implicit'],
  ])('%s on %i with %s: the other side expects %s', (protocol, port, tls, usual) => {
    expect(listener(protocol, port, tls)).toEqual([
      `listeners[0].tls: is ${tls} on port ${port}, where the other side expects ${usual}; use that, or another port`,
    ]);
  });

  it.each([
    ['imap', 143, 'starttls'],
    ['imap', 993, 'implicit'],
    ['smtp', 587, 'starttls'],
    ['smtp', 587, 'none'],
    ['smtp', 465, 'implicit'],
    ['ldap', 389, 'starttls'],
    ['ldap', 636, 'implicit'],
    ['imap', 1143, 'implicit'],
    ['smtp', 2525, 'implicit'],
  ])('%s on %i with %s is as usual', (protocol, port, tls) => {
    expect(listener(protocol, port, tls)).toEqual([]);
  });

  it('of another protocol, and of upstreams', () => {
    expect(listener('smtp', 993, 'implicit')).toEqual([
      'listeners[0]: speaks smtp on port 993, which is that of imap; use one of its own',
    ]);
    expect(configWarnings(parse(small('imap.internal:993', 'imap.internal:143')))).toEqual([
      'upstreams.dovecot.tls: is implicit on port 143, where the other side expects starttls; use that, or another port',
    ]);
  });
});

it.each([
  [
    '10.1.2.3/8',
    'names one address, 10.1.2.3, and stands for all of 10.0.0.0/8; write 10.0.0.0/8, or 10.1.2.3 alone',
  ],
  [
    '2001:db8::7/32',
    'names one address, 2001:db8::7, and stands for all of 2001:db8::/32; write 2001:db8::/32, or 2001:db8::7 alone',
  ],
  [
    '0.0.0.1/0',
    'names one address, 0.0.0.1, and stands for all of 0.0.0.0/0; write 0.0.0.0/0, or 0.0.0.1 alone',
  ],
])('host bits: %s', (network, says) => {
  expect(configWarnings(parse(`${SMALL}throttle: { exempt: [10.0.0.0/8, "${network}"] }\n`))).toEqual([
    `throttle.exempt[1]: ${says}`,
  ]);
});

it.each(['10.0.0.0/8', '10.1.2.3', '10.1.2.3/32', '2001:DB8::/32', '2001:db8:0::7/128', '::ffff:192.0.2.7'])(
  'no host bits: %s',
  (network) => {
    expect(configWarnings(parse(`${SMALL}throttle: { exempt: ["${network}"] }\n`))).toEqual([]);
  },
);
