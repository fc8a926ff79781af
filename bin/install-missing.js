// Runs before `npm start` and `npm test`: on a fresh clone, or when package-lock.json has moved on, it says so and runs
// `npm ci`. Plain old JavaScript without dependencies, since it runs under whatever Node the machine has.
// It must stay in a pre-script: a shell that has run `node` once keeps that path, so `install && node …` in one script
// would go on with the old Node, whereas npm looks node_modules/.bin/node up anew for the script that follows.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const reason = whatIsMissing();
if (reason !== undefined) {
  console.log(`${reason}: installing what package-lock.json names (npm ci)`);
  npmCi();
}

/** One line on why node_modules cannot be used as it is, or undefined if it can. */
function whatIsMissing() {
  const wanted = packages(join(root, 'package-lock.json'));
  const installed = packages(join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined) throw new Error('package-lock.json is missing or damaged');
  if (installed === undefined) return 'node_modules is missing';
  for (const path of Object.keys(wanted)) {
    // The entry '' is the project itself. Optional packages are those of other platforms, too.
    if (path === '' || (wanted[path].optional && installed[path] === undefined)) continue;
    if (!sameVersion(wanted[path], installed[path]))
      return `node_modules is not what package-lock.json says (${path})`;
    if (!existsSync(join(root, path))) return `${path} is missing`;
  }
  for (const path of Object.keys(installed)) {
    if (wanted[path] === undefined) return `node_modules has what package-lock.json lacks (${path})`;
  }
  if (
    Number(process.versions.node.split('.')[0]) < 24 &&
    !existsSync(join(root, 'node_modules', '.bin', 'node'))
  ) {
    return `this Node is ${process.versions.node}, and node_modules has no Node 24 yet`;
  }
  return undefined;
}

function packages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

function sameVersion(a, b) {
  return b !== undefined && a.version === b.version && a.integrity === b.integrity;
}

function npmCi() {
  // npm tells its scripts where it is; run by hand, the one in PATH will do.
  const npm = process.env.npm_execpath;
  const command = npm === undefined ? 'npm' : process.execPath;
  // Only errors: that the Node at hand is too old for most packages is what the one among them is for.
  const args = (npm === undefined ? [] : [npm]).concat(['ci', '--include=dev', '--loglevel=error']);
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.error) console.error(`npm ci could not be started: ${result.error.message}`);
  if (result.status !== 0) process.exit(1);
}
