// Programs under test: started so that they end with the test process whatever happens to it, and stopped for certain, with all
// that they have started themselves.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { PROGRAM_PATIENCE } from './patience.ts';

const SETPRIV = '/usr/bin/setpriv';

/**
 * Like `spawn`, in a process group of its own: what is left of it when the child has ended is killed, and so is all of it when this
 * process exits. On Linux the kernel sends SIGTERM to the child when this process dies, by SIGKILL too (prctl(2)).
 */
export function spawnTied(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const grouped = { ...options, detached: true };
  const child = existsSync(SETPRIV)
    ? spawn(SETPRIV, ['--pdeathsig', 'TERM', command, ...args], grouped)
    : spawn(command, args, grouped);
  const kill = () => signalGroup(child, 'SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => {
    process.removeListener('exit', kill);
    kill();
  });
  return child;
}

/** To the child and all that it has started; nothing happens if they have ended. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Sends `signal` and waits for the end; after `patience` milliseconds it is SIGKILL, and an error. */
export async function stopChild(
  child: ChildProcess,
  signal: NodeJS.Signals = 'SIGTERM',
  patience = PROGRAM_PATIENCE,
): Promise<Exit> {
  if (!hasEnded(child)) {
    const exited = once(child, 'exit');
    child.kill(signal);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, patience);
    await exited;
    clearTimeout(timer);
    if (late) throw new Error(`${child.spawnargs.join(' ')} did not end within ${patience} ms of ${signal}`);
  }
  return { code: child.exitCode, signal: child.signalCode };
}

/** Asks `ready` every 20 ms until it gives something; fails if the child ends before, or after `patience` milliseconds. */
export async function whenReady<T>(
  child: ChildProcess,
  ready: () => Promise<T | undefined>,
  patience = PROGRAM_PATIENCE,
): Promise<T> {
  const deadline = performance.now() + patience;
  for (;;) {
    // Looked at first: what it did last may be the answer.
    const isOver = hasEnded(child);
    const answer = await ready();
    if (answer !== undefined) return answer;
    if (isOver) throw new Error(`it ended (code ${child.exitCode}, signal ${child.signalCode})`);
    if (performance.now() > deadline) throw new Error(`it was not ready within ${patience} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export interface Outcome extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. `input` goes to its stdin. It is killed, and the promise rejects, after `patience` ms. */
export async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { input?: string; patience?: number } = {},
): Promise<Outcome> {
  const { input = '', patience = PROGRAM_PATIENCE, ...spawnOptions } = options;
  const child = spawnTied(command, args, { ...spawnOptions, stdio: 'pipe' });
  const chunks: { out: Buffer[]; err: Buffer[] } = { out: [], err: [] };
  child.stdout?.on('data', (chunk: Buffer) => chunks.out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => chunks.err.push(chunk));
  child.stdin?.on('error', () => {}); // It need not read what it is given.
  child.stdin?.end(input);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    signalGroup(child, 'SIGKILL');
  }, patience);
  await once(child, 'close');
  clearTimeout(timer);
  const stdout = Buffer.concat(chunks.out).toString();
  const stderr = Buffer.concat(chunks.err).toString();
  if (late) throw new Error(`${command} did not end within ${patience} ms\n${stderr}`);
  return { code: child.exitCode, signal: child.signalCode, stdout, stderr };
}
