// Where Cyrus is unpacked. Debian's cyrus-imapd and dovecot-imapd exclude each other, so that the one is installed and the other
// unpacked beside the system, under node_modules: only the tests know of it. The libraries that it needs are installed.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type AptGet, unpackedRoot, unpackPackages } from './unpacked-packages.ts';

/** cyrus-common has the master process and the libraries, sasl2-bin the program that sets passwords. */
const PACKAGES = ['cyrus-imapd', 'cyrus-common', 'sasl2-bin'];

/** The root of the unpacked packages. */
const ROOT = unpackedRoot('cyrus');

export interface CyrusFiles {
  /** `master`, `imapd`, `ctl_cyrusdb` and more. */
  readonly programs: string;
  /** The libraries that the programs share (LD_LIBRARY_PATH). */
  readonly libraries: string;
  readonly saslpasswd2: string;
  /** Where the system has SASL mechanisms. */
  readonly plugIns: string;
}

/** Where everything is; undefined if Cyrus is not unpacked. */
export function unpackedCyrus(): CyrusFiles | undefined {
  const programs = join(ROOT, 'usr/lib/cyrus/bin');
  if (!existsSync(ROOT)) return undefined;
  // Below usr/lib there is one directory for the machine's architecture (/usr/lib/x86_64-linux-gnu).
  const architecture = readdirSync(join(ROOT, 'usr/lib')).find((name) => name.includes('-linux-'));
  if (architecture === undefined) return undefined;
  return {
    programs,
    libraries: join(ROOT, 'usr/lib', architecture),
    saslpasswd2: join(ROOT, 'usr/sbin/saslpasswd2'),
    plugIns: join('/usr/lib', architecture, 'sasl2'),
  };
}

/** True once every library that the programs want can be found. */
export function cyrusCanRun(): boolean {
  const cyrus = unpackedCyrus();
  if (cyrus === undefined) return false;
  // A plug-in, which no program is linked with (package libsasl2-modules).
  if (!existsSync(`${cyrus.plugIns}/libplain.so`)) return false;
  const programs = ['master', 'imapd', 'ctl_cyrusdb'].map((name) => join(cyrus.programs, name));
  const { status, stdout } = spawnSync('ldd', [...programs, cyrus.saslpasswd2], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C', LD_LIBRARY_PATH: cyrus.libraries },
  });
  return status === 0 && !stdout.includes('not found');
}

/** Downloads and unpacks what is not there yet. Needs no root; false if apt-get could not, in its own words. */
export function unpackCyrus(aptGet: AptGet): boolean {
  return unpackPackages('cyrus', PACKAGES, aptGet);
}

/** The Debian packages of the libraries that the unpacked programs are linked with. */
export function cyrusLibraries(): string[] {
  const names = new Set<string>();
  for (const file of readdirSync(join(ROOT, 'packages'))) {
    const { stdout } = spawnSync('dpkg-deb', ['--field', join(ROOT, 'packages', file), 'Depends'], {
      encoding: 'utf8',
    });
    // deb-control(5): `libc6 (>= 2.34), debconf (>= 0.5) | debconf-2.0`. The virus scanner is a program of its own.
    for (const dependency of stdout.split(/[,|]/)) {
      const name = /^\s*(lib[^\s(:]+)/.exec(dependency)?.[1];
      if (name !== undefined && !name.startsWith('libclamav')) names.add(name);
    }
  }
  return [...names].sort();
}
