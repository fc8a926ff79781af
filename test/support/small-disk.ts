// A disk that is soon full: a file system of its own as root, else a limit on the size of the files that a process may write,
// which is the nearest that others can have. Both are lifted again without the process's help.

import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './child-process.ts';
import { tempDir } from './temp-dir.ts';

export interface SmallDisk extends AsyncDisposable {
  /** Where it is. */
  readonly path: string;
  /** Leaves no room: neither for new files nor in those that `pid` has open. */
  fill(pid: number): Promise<void>;
  free(pid: number): Promise<void>;
}

const isRoot = process.geteuid?.() === 0;

export async function mountSmallDisk(): Promise<SmallDisk> {
  const dir = tempDir();
  if (isRoot) await command('mount', '-t', 'tmpfs', '-o', 'size=8m,mode=700', 'tmpfs', dir.path);
  const filler = join(dir.path, 'filler');
  const limit = (pid: number, bytes: number | 'unlimited') =>
    command('prlimit', `--pid=${pid}`, `--fsize=${bytes}:unlimited`);
  return {
    path: dir.path,
    async fill(pid) {
      if (isRoot) fillUp(filler);
      else await limit(pid, statSync(join(dir.path, 'postern.db-wal')).size);
    },
    async free(pid) {
      if (isRoot) rmSync(filler);
      else await limit(pid, 'unlimited');
    },
    async [Symbol.asyncDispose]() {
      if (isRoot) await command('umount', '--lazy', dir.path);
      dir[Symbol.dispose]();
    },
  };
}

function fillUp(file: string): void {
  for (const bytes of [65_536, 4096]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(bytes), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}

async function command(...[name = '', ...args]: string[]): Promise<void> {
  const { code, stderr } = await run(name, args);
  if (code !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr}`);
}
