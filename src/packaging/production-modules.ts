// What of node_modules goes into the package: the dependencies that package-lock.json does not call development's, without
// what nothing loads at run time.

import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './compile.ts';

export interface ProductionModule {
  /** From the project's root: `node_modules/ajv/node_modules/fast-uri`. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** As its package.json has it (SPDX). */
  readonly license: string;
}

/** Types, maps and documents; SQLite's source; native code of other platforms. */
const LEFT_OUT =
  /\.(d\.[cm]?ts|[cm]?ts|map|md|markdown|html|sh|gyp|yml|flow)$|(^|\/)(\.[^/]+|test|tests|example|examples|benchmark|benchmarks|docs|tsconfig\.json)(\/|$)/;
const LEFT_OUT_OF: Record<string, RegExp> = {
  'better-sqlite3': /^(deps|src)\/|^prebuilds\/(?!PLATFORM\.node$)/,
  'node-addon-api': /./,
};
/** What has to stay, whatever its name is. */
const LICENCE = /(^|\/)(licen[cs]e|copying|notice)[^/]*$/i;

interface LockEntry {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
}

/** Sorted by path. Throws if one that this platform has to have is not installed. */
export function productionModules(): ProductionModule[] {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockEntry & { optional?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(([path, entry]) => {
      if (path === '' || entry.dev) return false;
      if (existsSync(join(ROOT, path))) return true;
      // Native parts for other platforms.
      if (entry.optional) return false;
      throw new Error(`${path} is not installed: run npm ci`);
    })
    .map(([path, { version, license }]) => ({
      path,
      name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      license: license ?? 'see its own files',
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Copies them to `directory`/node_modules. `platform` as better-sqlite3 names it: `linux-x64`. */
export function copyProductionModules(directory: string, platform: string): ProductionModule[] {
  const modules = productionModules();
  for (const { path, name } of modules) {
    const pattern = LEFT_OUT_OF[name]?.source.replace('PLATFORM', platform);
    const ownLeftOut = pattern === undefined ? undefined : new RegExp(pattern);
    for (const file of filesOf(join(ROOT, path))) {
      if (!LICENCE.test(file) && (LEFT_OUT.test(file) || ownLeftOut?.test(file))) continue;
      const to = join(directory, path, file);
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(join(ROOT, path, file), to);
      // Programs of theirs would ask for another Node.js.
      chmodSync(to, 0o644);
    }
  }
  return modules;
}

/** Relative paths of a module's own files; modules within it are modules of their own. */
function filesOf(directory: string, below = ''): string[] {
  return readdirSync(join(directory, below), { withFileTypes: true }).flatMap((entry) => {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesOf(directory, path);
    return entry.isFile() ? [path] : [];
  });
}
