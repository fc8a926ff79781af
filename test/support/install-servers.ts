// First step of `npm test`: the Debian packages of debian-packages.ts are there, or are installed (as root on Debian), and
// Cyrus is unpacked beside them; or the run ends here with the command that would install what is missing. No service is
// left running.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { cyrusCanRun, cyrusLibraries, unpackCyrus, unpackedCyrus } from './cyrus-packages.ts';
import { DEBIAN_PACKAGES } from './debian-packages.ts';

/** Asked by maintainer scripts before they start a service (invoke-rc.d, deb-systemd-invoke); 101 means no. */
const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_ASIDE = `${POLICY}.before-postern-tests`;

const mayInstall = process.getuid?.() === 0 && isThere('apt-get');

const missing = DEBIAN_PACKAGES.filter(({ program }) => !isThere(program));
if (missing.length > 0) {
  console.log('The tests need programs that are not here:');
  for (const { name, use } of missing) console.log(`  ${name}: ${use}`);
  provide(missing.map(({ name }) => name));
}

if (!cyrusCanRun()) {
  console.log(
    'The tests need Cyrus, another IMAP server behind Postern. Its packages exclude those of Dovecot.',
  );
  if (unpackedCyrus() === undefined) console.log('Unpacking them under node_modules/.cache.');
  if (unpackCyrus((args, directory) => withFreshLists(() => aptGet(args, directory)))) {
    if (!cyrusCanRun()) provide(cyrusLibraries());
  } else {
    console.log('apt-get could not download the packages of Cyrus.');
    process.exitCode = 1;
  }
}

function isThere(program: string): boolean {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  const paths = isAbsolute(program) ? [program] : directories.map((directory) => join(directory, program));
  return paths.some((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Installs packages, as root on Debian; else says how. What is installed already stays as it is. */
function provide(names: readonly string[]): void {
  const install = ['install', '--no-install-recommends', '--no-upgrade', ...names];
  if (!mayInstall) {
    console.log(`Install them with:\n  sudo apt-get ${install.join(' ')}`);
    process.exitCode = 1;
    return;
  }
  console.log(`Installing by apt-get, without starting any service: ${names.join(' ')}`);
  withoutServices(() => {
    if (withFreshLists(() => aptGet(install))) return;
    console.log(`apt-get could not install ${names.join(' ')}; its own words are above.`);
    process.exitCode = 1;
  });
}

/** Package lists may be absent or too old to name files that still exist; asking the mirror is for that case only. */
function withFreshLists(work: () => boolean): boolean {
  if (work()) return true;
  if (!mayInstall) return false;
  console.log('Once more, with fresh package lists.');
  return aptGet(['update']) && work();
}

function aptGet(args: readonly string[], directory?: string): boolean {
  // apt's own user could not write the downloads into a directory of root's.
  const options = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300', '-o', 'APT::Sandbox::User=root'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  return (
    spawnSync('apt-get', [...options, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env,
      cwd: directory,
    }).status === 0
  );
}

function withoutServices(work: () => void): void {
  // One that a killed run has left is the machine's own.
  if (existsSync(POLICY) && !existsSync(POLICY_ASIDE)) renameSync(POLICY, POLICY_ASIDE);
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    work();
  } finally {
    if (existsSync(POLICY_ASIDE)) renameSync(POLICY_ASIDE, POLICY);
    else rmSync(POLICY);
  }
}
