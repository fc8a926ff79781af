// The servers and clients that the tests run against: other people's programs, from Debian.

export interface DebianPackage {
  readonly name: string;
  /** What it is here for. */
  readonly use: string;
  /** The program that must be there: a name to be found in PATH, or an absolute path. */
  readonly program: string;
}

/** Where Debian has shared libraries of this machine's architecture. */
const LIBRARIES = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

export const DEBIAN_PACKAGES: readonly DebianPackage[] = [
  { name: 'dovecot-imapd', use: 'the IMAP server behind Postern', program: '/usr/lib/dovecot/imap' },
  { name: 'isync', use: 'mbsync, an IMAP client that mirrors a mailbox', program: 'mbsync' },
  { name: 'mutt', use: 'an IMAP client for a terminal', program: 'mutt' },
  { name: 'haproxy', use: 'a balancer before Postern', program: '/usr/sbin/haproxy' },
  { name: 'curl', use: 'an IMAP client for one command', program: 'curl' },
  { name: 'openssl', use: 'certificates as they should not be', program: 'openssl' },
  { name: 'bsdutils', use: 'script, a terminal for mutt', program: 'script' },
  { name: 'fail2ban', use: 'the reader of the log for which docs/fail2ban is', program: 'fail2ban-regex' },
  { name: 'slapd', use: 'the directory behind Postern', program: '/usr/sbin/slapd' },
  { name: 'ldap-utils', use: 'ldapsearch and its like', program: 'ldapsearch' },
  {
    name: 'python3-ldap3',
    use: 'an LDAP client in Python',
    program: '/usr/lib/python3/dist-packages/ldap3/__init__.py',
  },
  {
    name: 'python3-ldap',
    use: 'another, on OpenLDAP’s library',
    program: '/usr/lib/python3/dist-packages/ldap/__init__.py',
  },
  { name: 'libnet-ldap-perl', use: 'an LDAP client in Perl', program: '/usr/share/perl5/Net/LDAP.pm' },
  { name: 'libio-socket-ssl-perl', use: 'TLS for that', program: '/usr/share/perl5/IO/Socket/SSL.pm' },
  {
    name: 'systemd',
    use: 'the journal that a service’s log goes to',
    program: '/lib/systemd/systemd-journald',
  },
  { name: 'prometheus', use: 'promtool, which judges the alerts of docs/operations.md', program: 'promtool' },
  { name: 'redis-server', use: 'limits that several processes share', program: 'redis-server' },
  { name: 'chromium', use: 'the browser that the portal is tried in', program: 'chromium' },
  {
    name: 'fonts-inter',
    use: 'a font for pictures of the portal',
    program: '/usr/share/fonts/opentype/inter/Inter-Regular.otf',
  },
  { name: 'dovecot-submissiond', use: 'its submission service', program: '/usr/lib/dovecot/submission' },
  { name: 'postfix', use: 'the mail server behind Postern', program: '/usr/lib/postfix/sbin/master' },
  { name: 'msmtp', use: 'an SMTP client for scripts', program: 'msmtp' },
  { name: 'swaks', use: 'an SMTP client that knows every way to log in', program: 'swaks' },
  { name: 'fetchmail', use: 'a program that fetches mail by IMAP', program: 'fetchmail' },
  { name: 'getmail6', use: 'another', program: 'getmail' },
  { name: 'offlineimap3', use: 'a program that mirrors a mailbox', program: 'offlineimap' },
  { name: 's-nail', use: 'a mailer for a terminal', program: 's-nail' },
  { name: 'sssd-ldap', use: 'what makes users of a directory’s entries', program: '/usr/sbin/sssd' },
  {
    name: 'libnss-sss',
    use: 'how programs hear of those',
    program: `${LIBRARIES}/libnss_sss.so.2`,
  },
  { name: 'php-cli', use: 'PHP, for the clients below', program: '/usr/bin/php' },
  { name: 'php-imap', use: 'its IMAP client', program: '/etc/php/8.2/cli/conf.d/20-imap.ini' },
  { name: 'php-ldap', use: 'its LDAP client', program: '/etc/php/8.2/cli/conf.d/20-ldap.ini' },
  {
    name: 'libphp-phpmailer',
    use: 'an SMTP client in PHP',
    program: '/usr/share/php/libphp-phpmailer/autoload.php',
  },
  {
    name: 'libmail-imapclient-perl',
    use: 'an IMAP client in Perl',
    program: '/usr/share/perl5/Mail/IMAPClient.pm',
  },
  { name: 'openjdk-17-jdk-headless', use: 'Java, with its LDAP client (JNDI)', program: '/usr/bin/javac' },
  {
    name: 'libmail-java',
    use: 'JavaMail, its clients for IMAP and SMTP',
    program: '/usr/share/java/javax.mail.jar',
  },
  {
    name: 'apache2-bin',
    use: 'a web server that asks the directory who may in',
    program: '/usr/sbin/apache2',
  },
  {
    name: 'libaprutil1-ldap',
    use: 'how it asks',
    program: `${LIBRARIES}/apr-util-1/apr_ldap.so`,
  },
  { name: 'debootstrap', use: 'a Debian to install the package in', program: '/usr/sbin/debootstrap' },
  { name: 'iproute2', use: 'the network of that', program: 'ip' },
  { name: 'man-db', use: 'the reader of manual pages', program: 'man' },
  { name: 'mandoc', use: 'another, which says what is wrong with them', program: 'mandoc' },
  { name: 'zsh', use: 'a shell with completion', program: 'zsh' },
  { name: 'fish', use: 'another', program: 'fish' },
  { name: 'systemd', use: 'systemd-analyze, the reader of units', program: 'systemd-analyze' },
];
