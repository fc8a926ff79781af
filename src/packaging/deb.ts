// The Debian package: the tree below /usr, the configuration in /etc/postern, and what dpkg wants to know. Made by dpkg-deb
// alone, so that it can be made wherever that is.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT } from './compile.ts';
import { newestGlibc } from './glibc.ts';
import { layOut, NODE_PROGRAM, normalise, type Release } from './tree.ts';

const SCRIPTS = join(import.meta.dirname, 'debian');
/** By the names of Node.js. */
const ARCHITECTURES: Record<string, string> = { 'linux-x64': 'amd64', 'linux-arm64': 'arm64' };
/** Whoever builds it: the variables are those of Debian's own tools. */
const MAINTAINER = `${process.env.DEBFULLNAME ?? 'Postern built locally'} <${process.env.DEBEMAIL ?? 'root@localhost'}>`;

/** Makes it below `work`, which is empty, and gives its path in `out`. */
export function makeDeb(work: string, out: string, release: Release): string {
  const { version, platform, epoch } = release;
  const architecture = ARCHITECTURES[platform];
  if (architecture === undefined) throw new Error(`there is no package for ${platform}`);
  const usr = join(work, 'usr');
  layOut(usr, release);
  writeFileSync(
    join(usr, 'share/doc/postern/changelog.gz'),
    gzipSync(changelog(version, epoch), { level: 9 }),
  );

  mkdirSync(join(work, 'etc/postern'), { recursive: true });
  copyFileSync(join(ROOT, 'config/postern.initial.yaml'), join(work, 'etc/postern/postern.yaml'));
  normalise(join(work, 'usr/share/doc'));
  normalise(join(work, 'etc'));

  const control = join(work, 'DEBIAN');
  const sums = checksums(work);
  mkdirSync(control);
  writeFileSync(join(control, 'md5sums'), sums);
  writeFileSync(join(control, 'conffiles'), '/etc/postern/postern.yaml\n');
  const facts = {
    version,
    architecture,
    installedKiB: Math.ceil(sizeOf(usr) / 1024),
    glibc: newestGlibc(nativeCode(usr)),
  };
  writeFileSync(join(control, 'control'), controlFile(facts));
  for (const name of readdirSync(SCRIPTS)) copyFileSync(join(SCRIPTS, name), join(control, name));
  normalise(control);
  for (const name of readdirSync(SCRIPTS)) chmodSync(join(control, name), 0o755);
  chmodSync(work, 0o755);

  const file = join(out, `postern_${version}_${architecture}.deb`);
  // xz at its fastest: at its best it takes a minute and saves 5 MB. One thread, since the result depends on how many there are.
  const compression = ['-Zxz', '-z1', '--threads-max=1', '--root-owner-group'];
  execFileSync('dpkg-deb', [...compression, '--build', work, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return file;
}

interface ControlFacts {
  readonly version: string;
  readonly architecture: string;
  readonly installedKiB: number;
  readonly glibc: string;
}

function controlFile({ version, architecture, installedKiB, glibc }: ControlFacts): string {
  return `Package: postern
Version: ${version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Installed-Size: ${installedKiB}
Depends: adduser, libc6 (>= ${glibc}), libgcc-s1, libstdc++6
Recommends: ca-certificates
Section: mail
Priority: optional
Description: app passwords for mail clients that cannot do two-step verification
 Postern is a proxy for IMAP, SMTP and LDAP. It takes the login of old mail
 clients with an app password, one for each device and revocable, and carries
 the session to the real server, to which it logs in with credentials that the
 client never sees.
 .
 The package brings a Node.js of its own, which nothing else uses.
`;
}

/** Debian's form of it; what has changed stands in CHANGELOG.md. */
function changelog(version: string, epoch: number): string {
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  return `postern (${version}) stable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n -- ${MAINTAINER}  ${date}\n`;
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

function checksums(work: string): string {
  return filesBelow(join(work, 'usr'))
    .map(
      (file) =>
        `${createHash('md5').update(readFileSync(file)).digest('hex')}  ${file.slice(work.length + 1)}\n`,
    )
    .join('');
}

const sizeOf = (directory: string): number =>
  filesBelow(directory).reduce((sum, file) => sum + statSync(file).size, 0);

const nativeCode = (usr: string): string[] => [
  NODE_PROGRAM,
  ...filesBelow(join(usr, 'lib/postern/node_modules')).filter((file) => file.endsWith('.node')),
];
