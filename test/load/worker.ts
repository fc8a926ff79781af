// A program of the flood in a process of its own, so that neither its work nor its file descriptors are those of another. It
// is told its options (not by arguments: they hold passwords), answers each question with a report, and ends when its parent
// is gone.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface Worker<Report> extends AsyncDisposable {
  /** What it has counted since the last report. */
  report(): Promise<Report>;
}

/** Starts `test/load/<file>`; resolves once it is ready. */
export async function startWorker<Report>(file: string, options: object): Promise<Worker<Report>> {
  const child = fork(join(import.meta.dirname, file), { serialization: 'advanced' });
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${file} ended (code ${code}, signal ${signal})`);
  });
  ended.catch(() => {});
  const answer = async () => {
    const [message] = await Promise.race([once(child, 'message'), ended]);
    return message;
  };
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await ended.catch(() => {});
  };
  try {
    const ready = answer();
    child.send(options);
    await ready;
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    report() {
      const answered = answer();
      child.send('report');
      return answered as Promise<Report>;
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** The other side: `prepare` gets the options, and gives the function that reports. */
export async function work<Options, Report>(
  prepare: (options: Options) => Promise<() => Report>,
): Promise<void> {
  process.on('disconnect', () => process.exit());
  const [options] = await once(process, 'message');
  const report = await prepare(options as Options);
  process.on('message', () => process.send?.(report()));
  process.send?.('ready');
}

/** The `i`-th of many client addresses on loopback: each is a network to Postern. */
export function loopback(i: number): string {
  return `127.${16 + ((i >> 16) & 127)}.${(i >> 8) & 255}.${i & 255}`;
}
