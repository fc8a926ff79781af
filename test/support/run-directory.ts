// Where one run of the tests keeps its logs and its ledger of secrets: .test/<pid of vitest>/. Runs side by side do not
// meet, and what a finished run left stays for debugging until the next one starts.
// This file is vitest's global setup.

import { appendFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const PARENT = join(import.meta.dirname, '..', '..', '.test');

// Set in vitest's main process, inherited by its workers.
process.env.POSTERN_TEST_RUN ??= String(process.pid);

/** `.test/<run>/`, absolute. */
export const runDirectory = join(PARENT, process.env.POSTERN_TEST_RUN);

/** Everything that any process of the run logs or prints goes to files in here, and is searched for secrets at the end. */
export const logDirectory = join(runDirectory, 'logs');
mkdirSync(logDirectory, { recursive: true });

let logs = 0;

/** A new file name for a log: `name` and something that no other test of the run has. */
export function newLogFile(name: string): string {
  logs += 1;
  return join(logDirectory, `${name}-${process.pid}-${logs}.log`);
}

/**
 * From now on, what vitest prints, its workers' output included, is also in the run's logs. Called in vitest's main process.
 */
export function recordOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream);
    stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
      appendFileSync(join(logDirectory, 'vitest.log'), chunk);
      return (write as (...args: unknown[]) => boolean)(chunk, ...rest);
    };
  }
}

/** Global setup: removes what runs that are over have left. */
export default function setup(): void {
  for (const name of readdirSync(PARENT)) {
    if (!isRunning(Number(name))) rmSync(join(PARENT, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
