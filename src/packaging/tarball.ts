// The tarball: the tree in a directory of its own, with the configuration to begin with.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './compile.ts';
import { layOut, normalise, type Release } from './tree.ts';

/** Makes it below `work`, which is empty, and gives its path in `out`. */
export function makeTarball(work: string, out: string, release: Release): string {
  const name = `postern-${release.version}-${release.platform}`;
  const root = join(work, name);
  layOut(root, release);
  mkdirSync(join(root, 'etc/postern'), { recursive: true });
  copyFileSync(join(ROOT, 'config/postern.initial.yaml'), join(root, 'etc/postern/postern.yaml'));
  normalise(join(root, 'etc'));
  const archive = join(work, `${name}.tar`);
  execFileSync('tar', [
    '--create',
    `--file=${archive}`,
    `--directory=${work}`,
    '--format=gnu',
    '--sort=name',
    `--mtime=@${release.epoch}`,
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    name,
  ]);
  const file = join(out, `${name}.tar.gz`);
  writeFileSync(file, execFileSync('gzip', ['--no-name', '--stdout', archive], { maxBuffer: 2 ** 30 }));
  return file;
}
