// What root makes for Postern's user belongs to that user, and nothing else does.

import { chownSync, mkdirSync, rmdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { makePrivateDirectory } from '../../../src/lib/ownership.ts';
import { type TempDir, tempDir } from '../../support/temp-dir.ts';

/** Called when a directory was just made. */
const hook = vi.hoisted(() => ({ made: (_path: string) => {} }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const mkdir = (path: string, options: object) => {
    const made = fs.mkdirSync(path, options);
    hook.made(path);
    return made;
  };
  return { ...fs, mkdirSync: mkdir };
});

let dir: TempDir;
beforeEach(() => {
  dir = tempDir();
  // As root, or as whoever runs this: then owners are given what they have already.
  vi.spyOn(process, 'geteuid').mockReturnValue(0);
});
afterEach(() => {
  hook.made = () => {};
  vi.restoreAllMocks();
  dir[Symbol.dispose]();
});

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

/** A directory that belongs to another user, if we may give it away. */
function theirs(): string {
  const path = join(dir.path, 'theirs');
  mkdirSync(path);
  if (isRoot) chownSync(path, NOBODY, NOBODY);
  return path;
}

test('directories that are missing are private, and owned like the one that they are in', () => {
  const home = theirs();
  makePrivateDirectory(join(home, 'a', 'b'));
  for (const path of ['a', 'a/b']) {
    const { uid, gid, mode } = statSync(join(home, path));
    expect([uid, gid]).toEqual([statSync(home).uid, statSync(home).gid]);
    expect(mode & 0o777).toBe(0o700);
  }
});

test('what is put in the place of a new directory is not given away', () => {
  const home = theirs();
  const victim = join(dir.path, 'victim');
  mkdirSync(victim);
  const before = statSync(victim);
  hook.made = (path) => {
    rmdirSync(path);
    symlinkSync(victim, path);
  };
  expect(() => makePrivateDirectory(join(home, 'data'))).toThrow(/ENOTDIR|ELOOP/);
  expect(statSync(victim)).toMatchObject({ uid: before.uid, gid: before.gid });
});
