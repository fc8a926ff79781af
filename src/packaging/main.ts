// `npm run dist [-- --out DIRECTORY] [--only deb|tarball]`: what somebody installs who has no checkout. Both bring the Node.js of
// devDependencies, compiled JavaScript and the production dependencies of this platform; the same source makes the same bytes
// (SOURCE_DATE_EPOCH, or the time of the last commit).

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './compile.ts';
import { makeDeb } from './deb.ts';
import { makeTarball } from './tarball.ts';
import type { Release } from './tree.ts';

const MAKERS = { deb: makeDeb, tarball: makeTarball };

const { values } = parseArgs({ options: { out: { type: 'string' }, only: { type: 'string' } } });
const out = resolve(values.out ?? join(ROOT, 'packages'));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const release: Release = { version, platform: `${process.platform}-${process.arch}`, epoch: sourceDate() };

mkdirSync(out, { recursive: true });
for (const [kind, make] of Object.entries(MAKERS)) {
  if (values.only !== undefined && values.only !== kind) continue;
  const work = mkdtempSync(join(tmpdir(), 'postern-dist-'));
  try {
    const file = make(work, out, release);
    console.log(`${file} (${Math.round(statSync(file).size / 1_048_576)} MiB)`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Seconds since the epoch. */
function sourceDate(): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  try {
    return Number(
      execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] }),
    );
  } catch {
    // Source without its history: as old as its newest description.
    return Math.floor(statSync(join(ROOT, 'package.json')).mtimeMs / 1000);
  }
}
