// Programs from Debian that a command needs: they are there, or are installed (as root on Debian), or the command that
// would install them is printed. No service is left running.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import type { DebianPackage } from '../support/debian-packages.ts';

/** Asked by maintainer scripts before they start a service (invoke-rc.d, deb-systemd-invoke); 101 means no. */
const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_ASIDE = `${POLICY}.before-postern-tests`;

/** Says on behalf of `who` ("The tests") what is missing and what it does about it. False: something still is. */
export function installMissing(who: string, packages: readonly DebianPackage[]): boolean {
  const missing = packages.filter(({ program }) => !isThere(program));
  if (missing.length === 0) return true;
  const names = missing.map(({ name }) => name);
  console.log(`${who} need${who.endsWith('s') ? '' : 's'} programs that are not here:`);
  for (const { name, use } of missing) console.log(`  ${name}: ${use}`);
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    console.log(`Install them with:\n  sudo apt-get install --no-install-recommends ${names.join(' ')}`);
    return false;
  }
  console.log('Installing them by apt-get, without starting any service.');
  withoutServices(() => install(names));
  const still = missing.filter(({ program }) => !isThere(program));
  for (const { name, program } of still) console.log(`${name} is still missing: there is no ${program}.`);
  return still.length === 0;
}

function isThere(program: string): boolean {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];
  const paths = isAbsolute(program) ? [program] : directories.map((directory) => join(directory, program));
  return paths.some((path) => {
    try {
      // A module that another program loads need not be executable.
      accessSync(path, path.endsWith('.so') ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function install(names: readonly string[]): void {
  // Package lists may be absent or too old to name files that still exist; asking the mirror is for that case only.
  if (aptGet('install', ...names)) return;
  console.log('Once more, with fresh package lists.');
  if (aptGet('update') && aptGet('install', ...names)) return;
  console.log(`apt-get could not install ${names.join(' ')}; its own words are above.`);
}

function aptGet(...args: readonly string[]): boolean {
  const options = ['-q', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  return (
    spawnSync('apt-get', [...options, ...args], { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0
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
