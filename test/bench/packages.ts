// The contenders that come from Debian.

import type { DebianPackage } from '../support/debian-packages.ts';

export const BENCH_PACKAGES: readonly DebianPackage[] = [
  { name: 'nginx-light', use: 'a contender: nginx', program: '/usr/sbin/nginx' },
  {
    name: 'libnginx-mod-mail',
    use: 'its mail proxy',
    program: '/usr/lib/nginx/modules/ngx_mail_module.so',
  },
  { name: 'dovecot-imapd', use: 'a contender: Dovecot as login proxy', program: '/usr/sbin/dovecot' },
  {
    name: 'haproxy',
    use: 'the floor: a relay that knows TLS and nothing of mail',
    program: '/usr/sbin/haproxy',
  },
  { name: 'slapd', use: 'a contender: OpenLDAP’s proxy, back-ldap', program: '/usr/sbin/slapd' },
  { name: 'redis-server', use: 'limits in Redis', program: '/usr/bin/redis-server' },
];
