// README, docs/upgrade.md and docs/ldap.md, followed word for word on fresh Debian machines: one for Postern, one for the servers behind.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DocumentedSite, startDocumentedSite } from '../support/documented-site.ts';
import { ledger } from '../support/secrets-ledger.ts';

let site: DocumentedSite;
let appPassword: string;
const PATIENCE = 600_000;

beforeAll(async () => {
  site = await startDocumentedSite();
}, PATIENCE);
afterAll(() => site?.[Symbol.asyncDispose]());

const readme = (words: string, typed?: string) => site.follow('README.md', words, typed);
const restart = async () => {
  await site.postern.ok('pkill -u postern --full serve || true; while pgrep -u postern; do sleep 0.1; done');
  await readme('postern serve');
  await expect.poll(() => site.posternLog()).toContain('"event":"ready"');
};

test('README: before Dovecot, as far as a mail client’s login', { timeout: PATIENCE }, async () => {
  const { postern, dovecot } = site;
  await readme('apt install ./postern');
  // Debian's Dovecot, for the users of the system; its certificate is the site's own.
  await dovecot.ok(
    'useradd --create-home alice; cp /srv/back.pem /etc/dovecot/private/dovecot.pem; cp /srv/back.key /etc/dovecot/private/dovecot.key',
  );
  dovecot.write(
    '/etc/dovecot/conf.d/98-site.conf',
    'auth_username_format = %Ln\nlog_path = /var/log/dovecot.log\n',
  );
  await dovecot.ok('dovecot');
  await readme('openssl rand -hex');
  ledger(postern.read('/etc/postern/secrets/dovecot').trim());
  await readme('login_trusted_networks');
  await readme('doveadm reload');
  const fingerprint = await readme('-fingerprint');
  expect(fingerprint).toMatch(/^sha256 Fingerprint=([0-9A-F]{2}:){31}[0-9A-F]{2}\n$/i);

  await postern.ok(
    'cp /srv/front.pem /etc/postern/tls/fullchain.pem; cp /srv/front.key /etc/postern/tls/key.pem; cp /srv/ca.pem /etc/postern/tls/internal-ca.pem',
  );
  await readme('hostname: mail.example.com');
  expect(await readme('postern check-config')).toMatch(/^ok: /m);
  await restart();
  appPassword = ledger((await readme('postern password create')).trim().replaceAll(' ', ''));

  expect(await readme('curl -u alice@example.com imaps', `${appPassword}\n`)).toContain('INBOX');
  for (const words of ['mail.example.com:993', 'mail.example.com:143'])
    expect(await readme(words, `a LOGIN alice@example.com ${appPassword}\nb LOGOUT\n`)).toMatch(/^a OK/m);
  expect(dovecot.read('/var/log/dovecot.log')).toMatch(/Login: user=<alice>.*rip=192\.0\.2\.10/);

  // The certificate that signed itself, as the text beside the block has it.
  const config = postern.read('/etc/postern/postern.yaml');
  postern.write(
    '/etc/postern/postern.yaml',
    config.replace('ca: ./tls/internal-ca.pem', `fingerprint: "${fingerprint.trim().split('=')[1]}"`),
  );
  await restart();
  expect(await readme('curl -u alice@example.com imaps', `${appPassword}\n`)).toContain('INBOX');
  postern.write('/etc/postern/postern.yaml', config);
});

test('README: before Postfix, as far as a message', { timeout: PATIENCE }, async () => {
  const { dovecot } = site;
  await dovecot.ok(
    `[ -e /etc/postfix/main.cf ] || cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
postconf -e smtpd_tls_security_level=may smtpd_tls_cert_file=/srv/back.pem smtpd_tls_key_file=/srv/back.key \
  mydestination=example.com,localhost inet_interfaces=all maillog_file=/var/log/postfix.log smtputf8_enable=no
chmod 0644 /srv/back.pem; newaliases; postfix start`,
  );
  await readme('smtpd_authorized_xclient_hosts');
  await readme('name: submissions');
  const config = site.postern.read('/etc/postern/postern.yaml');
  // As the text above the block has it.
  site.postern.write(
    '/etc/postern/postern.yaml',
    config.replace(/address: "?smtp\.internal:25"?/, '$&\n    ca: ./tls/internal-ca.pem'),
  );
  await restart();
  await readme('smtps://mail.example.com', `${appPassword}\n`);
  await expect
    .poll(() => dovecot.read('/var/log/postfix.log'))
    .toMatch(/client=unknown\[192\.0\.2\.10\], sasl_method=XCLIENT, sasl_username=alice@example\.com/);
});

test('every marked block of README was followed', () => {
  expect(site.left('README.md')).toEqual([]);
});

test('docs/upgrade.md: a backup, and back', { timeout: PATIENCE }, async () => {
  await site.follow('docs/upgrade.md', 'postern store backup');
  await site.postern.ok('pkill -u postern --full serve; while pgrep -u postern; do sleep 0.1; done');
  expect(await site.follow('docs/upgrade.md', 'postern store restore')).toContain('1 app password restored');
  expect(site.left('docs/upgrade.md')).toEqual([]);
});

test('docs/ldap.md: before Debian’s slapd, as far as a search', { timeout: PATIENCE }, async () => {
  const { postern, dovecot } = site;
  const admin = ledger('directory-administrator');
  const service = ledger('postern-in-the-directory');
  // A slapd as Debian installs it, for example.com, with somebody in it.
  await dovecot.ok(
    `debconf-set-selections <<'END'
slapd slapd/domain string example.com
slapd shared/organization string Example
slapd slapd/password1 password ${admin}
slapd slapd/password2 password ${admin}
slapd slapd/no_configuration boolean false
slapd slapd/move_old_database boolean true
slapd slapd/purge_database boolean true
END
rm -rf /var/lib/ldap/* /etc/ldap/slapd.d/*; dpkg-reconfigure slapd; service slapd restart
timeout 60 sh -c 'until ldapwhoami -Q -Y EXTERNAL -H ldapi:///; do sleep 1; done'
make-ssl-cert generate-default-snakeoil --force-overwrite`,
  );
  dovecot.write(
    '/srv/people.ldif',
    `dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: uid=alice,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: alice
cn: alice
sn: Liddell
mail: alice@example.com
`,
  );
  await dovecot.ok(`ldapadd -x -H ldapi:/// -D cn=admin,dc=example,dc=com -w ${admin} -f /srv/people.ldif`);
  const ldap = (words: string, typed?: string) => site.follow('docs/ldap.md', words, typed);
  await ldap('dn: ou=services');
  const hash = (await dovecot.ok(`slappasswd -s ${service}`)).trim();
  dovecot.write('/srv/postern.ldif', dovecot.read('/srv/postern.ldif').replace('PASSWORD-HASH', hash));
  await dovecot.ok('cp /srv/postern.ldif .');
  await ldap('ldapadd -x -W', `${admin}\n`);
  await ldap('olcAuthzPolicy');
  await ldap('adduser openldap');
  await ldap('hostname: ldap.example.com');
  const fingerprint = await dovecot.ok(
    'openssl x509 -noout -fingerprint -sha256 -in /etc/ssl/certs/ssl-cert-snakeoil.pem',
  );
  postern.write(
    '/etc/postern/postern.yaml',
    postern
      .read('/etc/postern/postern.yaml')
      .replace('ca: ./tls/internal-ca.pem', `fingerprint: "${fingerprint.trim().split('=')[1]}"`),
  );
  postern.write('/etc/postern/secrets/ldap', `${service}\n`);
  await postern.ok(
    'chown -R root:postern /etc/postern; chmod -R o= /etc/postern; chmod g+r /etc/postern/secrets/*',
  );
  await restart();
  postern.write('/srv/app-password', appPassword);
  const found = await postern.ok(
    'chmod 0600 /srv/app-password; LDAPTLS_CACERT=/srv/ca.pem ldapsearch -x -LLL -H ldaps://ldap.example.com -D uid=alice,ou=people,dc=example,dc=com -y /srv/app-password -b dc=example,dc=com uid=alice mail',
  );
  expect(found).toContain('mail: alice@example.com');
  expect(site.left('docs/ldap.md')).toEqual([]);
});
