// Where one run of the tests keeps its logs and its ledger of secrets: .test/<pid of vitest>/. Runs side by side do not
// meet, and what a finished run left stays for debugging until the next one starts.
// This file is vitest's global setup.

import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PARENT = join(import.meta.dirname, '..', '..', '.test');

// Set in vitest's main process, inherited by its workers.
process.env.POSTERN_TEST_RUN ??= String(process.pid);
// Tests start Postern some thousand times: Node keeps what it has compiled, which halves what a start costs.
process.env.NODE_COMPILE_CACHE ??= join(
  import.meta.dirname,
  '..',
  '..',
  'node_modules',
  '.cache',
  'postern-tests',
  'compiled',
);

/** What temporary directories of the run begin with. */
export const temporaryPrefix = join(tmpdir(), `postern-test-${process.env.POSTERN_TEST_RUN}-`);

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

/**
 * Global setup: removes what runs that are over have left. Gives what is to be done at the end of this run: a test that failed by its
 * time, or a worker that was killed, may have left servers and directories.
 */
export default function setup(): () => void {
  for (const name of readdirSync(PARENT)) {
    if (!isRunning(Number(name))) remove(join(PARENT, name));
  }
  removeTemporary((run) => !isRunning(Number(run)));
  return () => {
    endLeftProcesses();
    removeTemporary((run) => run === process.env.POSTERN_TEST_RUN);
  };
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Those that have this run in their environment (proc(5)), vitest's own workers aside. */
function endLeftProcesses(): void {
  const mark = `\0POSTERN_TEST_RUN=${process.env.POSTERN_TEST_RUN}\0`;
  for (const name of process.platform === 'linux' ? readdirSync('/proc') : []) {
    try {
      const pid = Number(name);
      if (!(pid > 0) || !`\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(mark)) continue;
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (pid === process.pid || parent === process.pid) continue;
      console.error(
        `left by a test, and ended: process ${pid} (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`,
      );
      process.kill(pid, 'SIGKILL');
    } catch {
      // Not ours to read, or gone meanwhile.
    }
  }
}

function removeTemporary(ofRun: (run: string) => boolean): void {
  for (const name of readdirSync(tmpdir())) {
    const [, run] = /^postern-test-(\d+)-/.exec(name) ?? [];
    if (run !== undefined && ofRun(run)) remove(join(tmpdir(), name));
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  } catch {
    // Another run's setup removes the same, or it is not ours.
  }
}
