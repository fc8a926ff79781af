// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written that way in a configuration

import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { renderConfig } from '../../../src/config/render.ts';
import { MASTER_PASSWORD, parse, SMALL, small } from './example.ts';

it('gives a configuration that means the same, but for its secrets', () => {
  const config = parse(
    `${small('user: postern', 'user: "$${HOME}"')}throttle: { failureDelay: 1500ms, exempt: ["2001:db8::/32"] }
users: { defaultDomain: example.com, netbiosDomains: { EXAMPLE: example.com } }
limits: { idle: 90m, drain: 0ms }
admin: { address: "[::1]:9090" }
redis: { url: "rediss://me@[::1]:7000/3", password: "[secret]", ca: ./ca.pem, prefix: "p:", timeout: 1s }
log: { level: debug }
`,
  );
  const text = stringify(renderConfig(config));
  expect(text).toContain('failureDelay: 1500ms');
  expect(text).toContain('idle: 90m');
  expect(text).toContain('password: "[secret]"');
  expect(parse(text)).toEqual(config);
});

it('gives a directory and its names as they were written', () => {
  const ldap = small('tls: implicit\n    login', 'tls: implicit\n    userDn: "uid={local},dc=x"\n    login')
    .replace('protocol: imap\n    address', 'protocol: ldap\n    address')
    .replace('method: plain, user: postern,', 'method: bind, dn: "cn=postern,dc=x",')
    .replace('imap: dovecot', 'ldap: dovecot, directory: { operations: [search], maxTime: 90s }');
  const names =
    '{ dnTemplates: ["uid={user},dc=x"], dns: { "cn=a\\\\,b,dc=x": a@example.com }, directory: { upstream: dovecot, base: "dc=x", filter: "(uid={login})" } }';
  const config = parse(`${ldap}users: ${names.replaceAll('"', "'").replaceAll('\\\\', '\\')}\n`);
  const text = stringify(renderConfig(config)).replace('[secret]', MASTER_PASSWORD);
  expect(text).toContain('maxTime: 90s');
  expect(parse(text)).toEqual(config);
  const search = config.upstreams.dovecot;
  expect(search).toMatchObject({ userEntry: { template: { text: 'uid={local},dc=x' } } });
});

it('never gives a secret', () => {
  const shown = renderConfig(parse(SMALL));
  expect(stringify(shown) + JSON.stringify(shown)).not.toContain(MASTER_PASSWORD);
});
