// A Debian of a test's own: a root that debootstrap has made of the machine's own release, in which packages are installed and
// daemons run as on a fresh machine. It is made once, under node_modules/.cache; what a test changes lies in memory above it
// (overlayfs) and goes with the test. Needs root, as installing packages does.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What docs/ and README have people install, and what they show it with. */
export const PACKAGES_IN_ROOT = [
  'ca-certificates',
  'curl',
  'dovecot-imapd',
  'dovecot-submissiond',
  'iproute2',
  'jq',
  'ldap-utils',
  'libsasl2-modules',
  'openssl',
  'postfix',
  'procps',
  'slapd',
  'sqlite3',
  'ssl-cert',
] as const;

const release = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';

/** By its packages: another list makes another root. */
const NAME = `debian-${release}-${createHash('sha256').update(PACKAGES_IN_ROOT.join()).digest('hex').slice(0, 8)}`;

export const DEBIAN_ROOT = join(
  import.meta.dirname,
  '..',
  '..',
  'node_modules',
  '.cache',
  'postern-tests',
  NAME,
);

export const debianRootIsThere = (): boolean => existsSync(DEBIAN_ROOT);

/** Makes it. False, having said why, if that cannot be done. */
export function makeDebianRoot(): boolean {
  if (debianRootIsThere()) return true;
  if (process.getuid?.() !== 0) {
    console.log(
      'The tests need a Debian of their own to install the package in. Making it by debootstrap needs root.',
    );
    return false;
  }
  const mirror = mirrorOf(release);
  if (mirror === undefined) {
    console.log(`apt's sources name no mirror of ${release}: run apt-get update.`);
    return false;
  }
  console.log(`Making a Debian ${release} for the tests by debootstrap, under node_modules/.cache.`);
  mkdirSync(dirname(DEBIAN_ROOT), { recursive: true });
  // Renamed when it is complete: an interrupted run leaves nothing that looks like it.
  const aside = mkdtempSync(`${DEBIAN_ROOT}-`);
  try {
    const { status } = spawnSync(
      'debootstrap',
      ['--variant=minbase', `--include=${PACKAGES_IN_ROOT.join(',')}`, release, join(aside, 'root'), mirror],
      { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } },
    );
    if (status !== 0) return false;
    spawnSync('chroot', [join(aside, 'root'), 'apt-get', 'clean']);
    renameSync(join(aside, 'root'), DEBIAN_ROOT);
    return true;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/** Where this machine has its own packages from. */
function mirrorOf(codename: string): string | undefined {
  const { stdout } = spawnSync(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI) $(RELEASE) $(COMPONENT)', 'Created-By: Packages'],
    { encoding: 'utf8' },
  );
  return new RegExp(`^(\\S+) ${codename} main$`, 'm').exec(stdout ?? '')?.[1];
}
