// Programs from Debian that the tests and the bench need: they are there, or are installed (as root on Debian), or the command
// that would install them is printed. No service is left running.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { DebianPackage } from './debian-packages.ts';

/** Asked by maintainer scripts before they start a service (invoke-rc.d, deb-systemd-invoke); 101 means no. */
const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_ASIDE = `${POLICY}.before-postern-tests`;

const mayInstall = process.getuid?.() === 0 && isThere('apt-get');

/** `whose`: how to begin the sentence that says what is missing ("The tests need"). False: something still is. */
export function provideAll(whose: string, packages: readonly DebianPackage[]): boolean {
  const missing = packages.filter(({ program }) => !isThere(program));
  if (missing.length === 0) return true;
  console.log(`${whose} programs that are not here:`);
  for (const { name, use } of missing) console.log(`  ${name}: ${use}`);
  if (!provide(missing.map(({ name }) => name))) return false;
  const still = missing.filter(({ program }) => !isThere(program));
  for (const { name, program } of still) console.log(`${name} is still missing: there is no ${program}.`);
  return still.length === 0;
}

export function isThere(program: string): boolean {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  const paths = isAbsolute(program) ? [program] : directories.map((directory) => join(directory, program));
  return paths.some((path) => {
    try {
      // What another program loads, a module or a font, need not be executable.
      accessSync(path, /\.(so(\.\d+)?|otf|py|pm|php|jar|ini)$/.test(path) ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Installs packages, as root on Debian; else says how. What is installed already stays as it is. False: they are not
 * installed.
 */
export function provide(names: readonly string[]): boolean {
  const install = ['install', '--no-install-recommends', '--no-upgrade', ...names];
  if (!mayInstall) {
    console.log(`Install them with:\n  sudo apt-get ${install.join(' ')}`);
    return false;
  }
  console.log(`Installing by apt-get, without starting any service: ${names.join(' ')}`);
  const isDone = withoutServices(() => withFreshLists(() => aptGet(install)));
  if (!isDone) console.log(`apt-get could not install ${names.join(' ')}; its own words are above.`);
  return isDone;
}

/** Package lists may be absent or too old to name files that still exist; asking the mirror is for that case only. */
export function withFreshLists(work: () => boolean): boolean {
  if (work()) return true;
  if (!mayInstall) return false;
  console.log('Once more, with fresh package lists.');
  return aptGet(['update']) && work();
}

export function aptGet(args: readonly string[], directory?: string): boolean {
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

function withoutServices<T>(work: () => T): T {
  // One that a killed run has left is the machine's own.
  if (existsSync(POLICY) && !existsSync(POLICY_ASIDE)) renameSync(POLICY, POLICY_ASIDE);
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return work();
  } finally {
    if (existsSync(POLICY_ASIDE)) renameSync(POLICY_ASIDE, POLICY);
    else rmSync(POLICY);
  }
}
